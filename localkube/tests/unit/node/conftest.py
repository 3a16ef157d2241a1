"""Fixtures of the node tests."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from localkube.node.guard import Guard
from tests.patience import DEADLINE


@pytest.fixture
def pod() -> dict[str, Any]:
    """A pod with an address."""
    return {
        "metadata": {"name": "one", "namespace": "default", "uid": "u", "labels": {"app": "web"}, "annotations": {}},
        "spec": {"nodeName": "local", "containers": [{"name": "main", "image": "i:1"}]},
        "status": {"podIP": "127.0.0.7", "hostIP": "127.0.0.1"},
    }


@pytest.fixture
async def guard() -> AsyncIterator[Guard]:
    """A guard with its reaper."""
    found = Guard()
    found.start()
    yield found
    found.close()


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Awaitable[Any]]:
    """Wait until a condition returns a true value, and return it."""

    async def wait(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + DEADLINE
        while not (found := condition()):
            assert time.monotonic() < deadline, "the condition did not come about in time"
            await asyncio.sleep(0.01)
        return found

    return wait

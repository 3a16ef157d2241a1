"""Objects for controllers, and a registry with running controllers but without a node."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from localkube.apiserver.registry import Registry
from localkube.controllers.controller import Context
from localkube.controllers.manager import ControllerManager
from tests.patience import DEADLINE

Object = dict[str, Any]


@pytest.fixture
def deployment() -> Callable[..., Object]:
    """Make a Deployment; keywords are fields of its spec."""

    def make(replicas: int = 3, **spec: Any) -> Object:
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "i:1"}]}}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default", "uid": "u", "generation": 1},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web"}},
                "template": template,
                "progressDeadlineSeconds": 600,
                **spec,
            },
        }

    return make


@pytest.fixture
def replicaset() -> Callable[..., Object]:
    """Make a ReplicaSet with a name, replicas and available replicas."""

    def make(name: str, replicas: int, available: int | None = None, **annotations: str) -> Object:
        have = replicas if available is None else available
        status = {"replicas": replicas, "readyReplicas": have, "availableReplicas": have}
        stamp = f"2026-01-01T00:00:0{len(name)}Z"
        metadata = {"name": name, "namespace": "default", "creationTimestamp": stamp, "annotations": annotations}
        return {"metadata": metadata, "spec": {"replicas": replicas}, "status": status}

    return make


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    """A registry with all controllers except the scheduler."""
    found = Registry()
    found.bootstrap()
    async with ControllerManager(Context(found), node="", lookup=lambda _, port: port):
        yield found


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


@pytest.fixture
def make_ready(registry: Registry) -> Callable[[], None]:
    """Make every pod Ready, in place of a node."""

    def work() -> None:
        for at, pod in enumerate(registry.list("pods")):
            if "podIP" in pod["status"]:
                continue
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
            status = {**pod["status"], "phase": "Running", "podIP": f"127.0.0.{at + 1}", "conditions": [ready]}
            registry.update("pods", "default", {**pod, "status": status}, manager="test", subresource="status")

    return work

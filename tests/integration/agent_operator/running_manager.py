"""An operator in the process of the tests."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent_operator.manager.manager import Manager
from agent_operator.settings import Settings


def operator_settings(kubeconfig: Path, namespace: str, **changed: Any) -> Settings:
    """Return settings of an operator of one namespace that needs no Lease and listens on a free port."""
    defaults = {
        "kubeconfig": str(kubeconfig),
        "namespaces": (namespace,),
        "listen": "127.0.0.1:0",
        "leader_election": False,
        "lease_namespace": namespace,
        "identity": uuid.uuid4().hex,
    }
    return Settings(**(defaults | changed))


@asynccontextmanager
async def run_manager(manager: Manager, killed: asyncio.Event | None = None) -> AsyncIterator[Manager]:
    """Run an operator while the block runs, and stop it as SIGTERM does.

    Args:
        manager: the operator.
        killed: set when a proxy stops forwarding its requests. Then the block starts, although it is not ready.
    """
    stop = asyncio.Event()
    task = asyncio.create_task(manager.run(stop))
    started = [asyncio.create_task(event.wait()) for event in (manager.ready, killed) if event is not None]
    await asyncio.wait({task, *started}, return_when=asyncio.FIRST_COMPLETED)
    for waiting in started:
        waiting.cancel()
    if task.done():
        await task
    try:
        yield manager
    finally:
        stop.set()
        await task

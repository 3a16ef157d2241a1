"""A worker process, and a sandbox that uses it."""

from collections.abc import AsyncIterator

import pytest

from agent_operator.sandbox.process import WorkerProcess
from agent_operator.sandbox.sandbox import Sandbox
from tests.clock import ManualClock


@pytest.fixture
async def process() -> AsyncIterator[WorkerProcess]:
    process = WorkerProcess()
    yield process
    await process.stop()


@pytest.fixture
async def sandbox(process: WorkerProcess) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(ManualClock(), process)
    yield sandbox
    await sandbox.close()

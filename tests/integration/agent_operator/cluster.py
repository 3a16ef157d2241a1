"""A namespace of an API server, and operators that reach it through a proxy."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_operator.kube.objects import Key
from agent_operator.manager.manager import Manager
from agent_operator.settings import Settings
from tests.integration.agent_operator.api_client import ApiClient
from tests.integration.agent_operator.counting_proxy import Proxy
from tests.integration.agent_operator.running_manager import operator_settings, run_manager
from tests.patience import DEADLINE
from tests.polling import wait_until


@dataclass
class Cluster:
    """An API server, a namespace in it, and operators that reach it through the proxy.

    Attributes:
        api: bypasses the proxy.
        kubeconfig: of the operators, through the proxy.
        direct: the kubeconfig that bypasses the proxy.
        simulated: whether it is the local cluster, and not the one of `--kubeconfig`.
        processes: operators that run as processes.
    """

    api: ApiClient
    proxy: Proxy
    kubeconfig: Path
    direct: Path
    simulated: bool
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    def settings(self, **changed: Any) -> Settings:
        return operator_settings(self.kubeconfig, self.api.namespace, **({"refs_refresh": 1} | changed))

    @asynccontextmanager
    async def operator(self, **changed: Any) -> AsyncIterator[Manager]:
        """Run an operator while the block runs, and stop it as SIGTERM does."""
        async with run_manager(Manager(self.settings(**changed))) as manager:
            yield manager

    async def spawn(self) -> asyncio.subprocess.Process:
        """Start an operator as a process. The fixture kills it when the test ends."""
        options = ["--kubeconfig", str(self.kubeconfig), "--namespaces", self.api.namespace, "--listen", "127.0.0.1:0"]
        command = [sys.executable, "-m", "agent_operator", "run", "--no-leader-election", *options]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        self.processes.append(process)
        return process

    async def kill_processes(self) -> None:
        """Kill the operators that a failed test left running."""
        for process in self.processes:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def wait_until_idle(self, controller: Manager, name: str = "support", seconds: float = DEADLINE) -> None:
        """Wait until the operator has observed all of its own writes, and its queue is empty."""
        key = Key(self.api.namespace, name)

        async def is_idle() -> bool:
            workers = controller._workers
            idle = controller.queue.depth == 0 and workers is not None and not workers._busy
            before = self._requests_but_renewals()
            if not (idle and controller.store.expectations_met(key)):
                return False
            # A watch may not have delivered the latest change yet.
            await asyncio.sleep(0.25)
            return before == self._requests_but_renewals()

        await wait_until(is_idle, seconds)

    def _requests_but_renewals(self) -> int:
        """The number of requests so far. A leader renews its Lease all the time."""
        return sum("/leases/" not in path for _, path in self.proxy.requests)

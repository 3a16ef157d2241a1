"""An agent during a rollout, as a user sees it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.manager.manager import Manager
from tests.faults.cluster import NAME, Cluster
from tests.patience import DEADLINE
from tests.polling import wait_until

Status = dict[str, Any]
# A canary that pauses until the promote command.
PAUSED_CANARY = {"strategy": "Canary", "canary": {"steps": [{"weight": 25, "pause": {}}]}}
ONE: dict[str, Any] = {"replicas": 4, "systemPrompt": {"text": "One."}}
TWO: dict[str, Any] = {"replicas": 4, "systemPrompt": {"text": "Two."}}


def env(name: str, value: str = "yes") -> dict[str, Any]:
    return {"env": [{"name": name, "value": value}]}


def promoted(status: Status) -> bool:
    return status.get("revision") == status.get("lastGoodRevision") == status["rollout"].get("target", "")


def returned(status: Status) -> bool:
    return "rolledBack" in status["rollout"] and status.get("revision") == status["rollout"]["rolledBack"]["to"]


@dataclass
class Agent:
    """The agent under test."""

    cluster: Cluster

    async def status(self) -> Status:
        """The status of the current generation. Its rollout is empty until there is one."""
        found = await self.cluster.api.get("AgentDeployment", NAME) or {"metadata": {}}
        status = found.get("status", {})
        current = status.get("observedGeneration") == found["metadata"].get("generation")
        return {"rollout": {}, **status} if current else {"rollout": {}}

    async def command(self) -> str:
        found = await self.cluster.api.get("AgentDeployment", NAME) or {"metadata": {}}
        command: str = (found["metadata"].get("annotations") or {}).get(constants.ANNOTATION_ROLLOUT, "")
        return command

    async def submit(self, command: str) -> None:
        """Submit a rollout command by annotation."""
        patch = {"metadata": {"annotations": {constants.ANNOTATION_ROLLOUT: command}}}
        await self.cluster.api.merge("AgentDeployment", NAME, patch)

    async def wait_for(self, reached: Callable[[Status], Any], seconds: float = DEADLINE) -> Status:
        """Wait until the status meets a condition and no rollout command is pending."""

        async def has_reached() -> Status | None:
            status = await self.status()
            pending = "command" in status["rollout"] or await self.command()
            return status if reached(status) and not pending else None

        try:
            return await wait_until(has_reached, seconds)
        except TimeoutError:
            phases = [
                (pod["metadata"]["name"], pod.get("status", {}).get("phase"))
                for pod in await self.cluster.api.list("Pod")
            ]
            pytest.fail(f"command {await self.command()!r}, pods {phases}, status {await self.status()}")

    async def wait_for_phase(self, phase: str) -> Status:
        """Wait until the canary is in this phase."""
        return await self.wait_for(lambda status: status["rollout"].get("canary", {}).get("phase") == phase)

    async def assert_finished(self, *, kept: int = 2) -> None:
        """All pods are of the revision in the status, and no object of a canary is left."""
        status, api = await self.status(), self.cluster.api

        async def is_finished() -> bool:
            pods = [pod for pod in await api.list("Pod") if "deletionTimestamp" not in pod["metadata"]]
            children = [name for _, name in await api.children()]
            left = [name for name in children if "canary" in name or "check" in name]
            wanted = (await api.get("Deployment", NAME) or {})["spec"]["replicas"]
            revisions = [pod["metadata"]["labels"].get(constants.LABEL_REVISION) for pod in pods]
            return revisions == [status["revision"]] * wanted and not left and "canary" not in status["rollout"]

        await wait_until(is_finished)
        assert len(await api.list("ControllerRevision")) == kept
        assert await self.command() == ""

    async def deployment(self, name: str = NAME) -> dict[str, Any]:
        """The spec of a Deployment; empty when there is none."""
        found = await self.cluster.api.get("Deployment", name) or {}
        spec: dict[str, Any] = found.get("spec", {})
        return spec

    @asynccontextmanager
    async def paused_canary(self, rollout: dict[str, Any] = PAUSED_CANARY, **spec: Any) -> AsyncIterator[Manager]:
        """Run an operator whose canary of TWO is paused; ONE is stable."""
        async with self.cluster.operator() as operator:
            await self.cluster.api.apply_agent(**ONE | spec, rollout=rollout)
            await self.cluster.wait_until_converged(operator)
            await self.cluster.api.apply_agent(**TWO | spec, rollout=rollout)
            await self.wait_for_phase("Paused")
            await self.cluster.wait_until_idle(operator)
            yield operator

    async def wait_until_finished(
        self, operator: Manager, reached: Callable[[Status], Any] = promoted, *, kept: int = 2
    ) -> Status:
        """Wait until the rollout has ended, and assert that nothing of it is left."""
        status = await self.wait_for(reached)
        await self.cluster.wait_until_converged(operator, reason="RolledBack" if reached is returned else "Ready")
        await self.assert_finished(kept=kept)
        return status

"""An agent in the midst of a rollout, as a user sees it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.manager import Manager
from tests.faults.conftest import NAME, World
from tests.integration.agent_operator.conftest import until
from tests.patience import DEADLINE

Status = dict[str, Any]
# A canary that goes on when it is told to.
PATIENT = {"strategy": "Canary", "canary": {"steps": [{"weight": 25, "pause": {}}]}}
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
    """The agent of these tests, as a user sees it."""

    world: World

    async def status(self) -> Status:
        """Its status, of the current generation; with an empty rollout until there is one."""
        found = await self.world.api.get("AgentDeployment", NAME) or {"metadata": {}}
        status = found.get("status", {})
        current = status.get("observedGeneration") == found["metadata"].get("generation")
        return {"rollout": {}, **status} if current else {"rollout": {}}

    async def command(self) -> str:
        found = await self.world.api.get("AgentDeployment", NAME) or {"metadata": {}}
        command: str = (found["metadata"].get("annotations") or {}).get(constants.ANNOTATION_ROLLOUT, "")
        return command

    async def tell(self, command: str) -> None:
        """Ask by annotation."""
        told = {"metadata": {"annotations": {constants.ANNOTATION_ROLLOUT: command}}}
        await self.world.api.merge("AgentDeployment", NAME, told)

    async def until(self, over: Callable[[Status], Any], seconds: float = DEADLINE) -> Status:
        """Wait for the status to be so, and for the last command to be carried out."""

        async def look() -> Status | None:
            status = await self.status()
            told = "command" in status["rollout"] or await self.command()
            return status if over(status) and not told else None

        try:
            return await until(look, seconds)
        except TimeoutError:
            pods = [
                (it["metadata"]["name"], it.get("status", {}).get("phase")) for it in await self.world.api.list("Pod")
            ]
            pytest.fail(f"command {await self.command()!r}, pods {pods}, status {await self.status()}")

    async def until_phase(self, phase: str) -> Status:
        """Wait until the canary is so far."""
        return await self.until(lambda status: status["rollout"].get("canary", {}).get("phase") == phase)

    async def is_whole(self, *, kept: int = 2) -> None:
        """All pods are of the revision that the status tells of, and nothing of a canary is left."""
        status, api = await self.status(), self.world.api

        async def look() -> bool:
            pods = [it for it in await api.list("Pod") if "deletionTimestamp" not in it["metadata"]]
            children = [name for _, name in await api.children()]
            left = [name for name in children if "canary" in name or "check" in name]
            wanted = (await api.get("Deployment", NAME) or {})["spec"]["replicas"]
            revisions = [it["metadata"]["labels"].get(constants.LABEL_REVISION) for it in pods]
            return revisions == [status["revision"]] * wanted and not left and "canary" not in status["rollout"]

        await until(look)
        assert len(await api.list("ControllerRevision")) == kept
        assert await self.command() == ""

    async def deployment(self, name: str = NAME) -> dict[str, Any]:
        """Its spec; empty when there is none."""
        found = await self.world.api.get("Deployment", name) or {}
        spec: dict[str, Any] = found.get("spec", {})
        return spec

    @asynccontextmanager
    async def halfway(self, rollout: dict[str, Any] = PATIENT, **spec: Any) -> AsyncIterator[Manager]:
        """An operator at work, and a canary of TWO beside the pods of ONE, which waits."""
        async with self.world.operator() as operator:
            await self.world.api.agent(**ONE | spec, rollout=rollout)
            await self.world.at_rest(operator)
            await self.world.api.agent(**TWO | spec, rollout=rollout)
            await self.until_phase("Paused")
            await self.world.idle(operator)
            yield operator

    async def ends(self, operator: Manager, over: Callable[[Status], Any] = promoted, *, kept: int = 2) -> Status:
        """Wait for the end, and look whether it is one."""
        status = await self.until(over)
        await self.world.at_rest(operator, reason="RolledBack" if over is returned else "Ready")
        await self.is_whole(kept=kept)
        return status

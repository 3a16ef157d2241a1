"""From the reports of a pod to status.usage: few writes of the status, and none at rest."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from agent_operator.api import constants
from agent_operator.diagnosis.findings import PodReport, parse_report
from agent_operator.diagnosis.inspector import Inspector, RunningPod
from agent_operator.diagnosis.monitor import PodMonitor
from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from tests.memory_api import AGENT, NAME, NAMESPACE, NOW, MemoryApi, wire

KEY = Key(NAMESPACE, NAME)
LABELS = {constants.LABEL_AGENT: NAME, constants.LABEL_AGENT_NAMESPACE: NAMESPACE, constants.LABEL_OWNER_UID: "0"}


def running(deployment: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the ReplicaSet and the pod of a Deployment."""
    owner = deployment["metadata"]["uid"]
    for kind in ("ReplicaSet", "Pod"):
        reference = {"uid": owner, "controller": True}
        meta = {"name": NAME, "namespace": NAMESPACE, "uid": kind, "labels": LABELS, "ownerReferences": [reference]}
        yield kind, {"metadata": meta, "spec": {}, "status": {"podIP": "10.0.0.7"}}
        owner = kind


class CountingApi(MemoryApi):
    """Counts the writes of the status, and keeps the reasons of Events."""

    writes = 0

    def __init__(self) -> None:
        super().__init__(AGENT)
        self.reasons: list[str] = []

    async def request(self, method: str, path: str, *, body: Any = None, **options: Any) -> dict[str, Any]:
        self.writes += path.endswith("/status")
        if "/events" in path and isinstance(body, dict):
            self.reasons.append(body["reason"])
        return await super().request(method, path, body=body, **options)


class UsedAgent:
    """An agent with a pod that reports how much it has used, and an operator that looks at it."""

    def __init__(self) -> None:
        self.api = CountingApi()
        self.used = 0
        self._start_operator()

    def _start_operator(self) -> None:
        self.changed = [KEY]
        self._monitor = PodMonitor(
            cast(Inspector, self), exists=lambda _: True, changed=self.changed.append, clock=lambda: 0.0, period=30
        )
        self._store = Store(lambda: 0.0)

    restart_operator = _start_operator

    async def reports(self, pods: Sequence[RunningPod]) -> dict[str, PodReport]:
        budget = {"unit": "tokens", "period": "day", "since": NOW[:10], "limit": 1_000, "used": self.used}
        body = {"components": [{"name": "echo", "status": "healthy"}], "budgets": [budget]}
        return {pod.name: parse_report(pod.name, json.dumps(body).encode()) for pod in pods}

    async def reconcile(self) -> None:
        """Do a pass if the monitor has queued one."""
        for key in self.changed[:1]:
            self._store.observe_agent("ADDED", self.api.agent)
            for child in self.api.children:
                self._store.observe(child["kind"], "ADDED", child)
                if child["kind"] == "Deployment":
                    for kind, obj in running(child):
                        self._store.observe(kind, "ADDED", obj)
            assert self._store.begin_pass(key)
            loop = asyncio.get_running_loop()
            await wire(self.api, self._store, loop, monitor=self._monitor).reconcile(key)
            self._store.end_pass(key)
        self.changed.clear()

    async def look(self) -> None:
        await self._monitor._look(KEY)
        await self.reconcile()

    @property
    def warning(self) -> str:
        """The reason of the condition Warning."""
        found = {it["type"]: it["reason"] for it in self.api.agent["status"]["conditions"]}
        return found.get("Warning", "")


async def used_agent(used: int = 0) -> UsedAgent:
    """Return an agent with a pod, whose first report has been read."""
    agent = UsedAgent()
    agent.used = used
    for _ in range(2):
        agent.changed.append(KEY)
        await agent.reconcile()
    await agent.look()
    return agent


async def test_the_status_is_written_once_per_step_and_never_at_rest() -> None:
    agent = await used_agent()
    before = agent.api.writes
    warnings = []
    for agent.used in range(0, 1_000, 2):
        await agent.look()
        warnings.append(agent.warning)
    assert agent.api.writes - before == 19
    assert warnings.index("BudgetNearlySpent") == 400

    agent.used = 1_000
    for _ in range(50):
        await agent.look()
    assert agent.api.writes - before == 20
    assert agent.warning == "BudgetSpent"
    (usage,) = agent.api.agent["status"]["usage"]
    assert usage == {
        "budget": "tokensPerDay",
        "since": NOW[:10],
        "limit": "1000",
        "used": "1000",
        "usedPercent": 100,
    }
    assert [reason for reason in agent.api.reasons if reason.startswith("Budget")] == [
        "BudgetNearlySpent",
        "BudgetSpent",
    ]


async def test_a_restart_of_the_operator_neither_writes_the_usage_nor_repeats_the_warning() -> None:
    agent = await used_agent(900)
    writes = agent.api.writes
    assert agent.warning == "BudgetNearlySpent"

    agent.restart_operator()
    await agent.reconcile()
    for _ in range(5):
        await agent.look()

    assert agent.api.writes == writes
    assert agent.api.reasons.count("BudgetNearlySpent") == 1

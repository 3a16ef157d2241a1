"""Faults during a canary. The rollout ends with all pods of the new revision or all pods of a good one."""

from typing import Any

import pytest

from agent_operator.manager import manager as controllers
from tests.faults.agents import ONE, PAUSED_CANARY, TWO, Agent, env, returned
from tests.faults.cluster import NAME, Cluster
from tests.faults.gates import Gate
from tests.polling import wait_until
from tests.stand_in.pods import ENDLESS, PASSED, REPORT

CANARY = f"{NAME}-canary"
THREE = TWO | {"systemPrompt": {"text": "Three."}}
AT_ONCE: dict[str, Any] = {"strategy": "Canary", "canary": {"steps": [{"weight": 25, "pause": {"durationSeconds": 0}}]}}
CHILDREN = ("deployments", "pods", "replicasets", "configmaps", "services")


@pytest.fixture
def agent(cluster: Cluster) -> Agent:
    return Agent(cluster)


async def test_a_rollout_that_cannot_be_recorded_in_the_status_does_not_start(agent: Agent) -> None:
    """While the API server rejects the status, no canary starts; afterwards it does."""
    cluster = agent.cluster
    async with cluster.operator() as operator:
        await cluster.api.apply_agent(**ONE, rollout=AT_ONCE)
        await cluster.wait_until_converged(operator)
        before = await agent.deployment()
        cluster.proxy.writes.clear()
        cluster.proxy.refuse = lambda _method, path: 500 if path.endswith("/status") else None
        await cluster.api.apply_agent(**TWO, rollout=AT_ONCE)

        async def refused() -> bool:
            return len(cluster.proxy.writes) > 8

        await wait_until(refused)
        assert {write.path.rpartition("/")[2] for write in cluster.proxy.writes} == {"status"}
        assert (await agent.deployment(), await agent.deployment(CANARY)) == (before, {})
        cluster.proxy.refuse = lambda _method, _path: None
        await agent.wait_until_finished(operator)


@pytest.mark.parametrize("gate", [Gate.HOLD, Gate.LAG, Gate.TWICE, Gate.LOSE])
async def test_a_canary_is_not_promoted_on_stale_watches(agent: Agent, gate: Gate) -> None:
    cluster = agent.cluster
    async with cluster.operator() as operator:
        await cluster.api.apply_agent(**ONE, rollout=PAUSED_CANARY)
        await cluster.wait_until_converged(operator)
        before = await agent.deployment()
        cluster.proxy.gates = dict.fromkeys(CHILDREN, gate)
        await cluster.api.apply_agent(**TWO, rollout=PAUSED_CANARY)

        async def there() -> bool:
            found = await cluster.api.get("Deployment", CANARY) or {}
            return found.get("status", {}).get("readyReplicas") == 1

        await wait_until(there)
        if gate in (Gate.HOLD, Gate.LOSE):
            assert await agent.deployment() == before
        cluster.proxy.open()
        await agent.wait_for_phase("Paused")
        await agent.submit("promote")
        await agent.wait_until_finished(operator)


async def test_a_stale_status_does_not_restart_an_aborted_canary(agent: Agent) -> None:
    """The operator restarts and lists from an API server that lags behind the rollback."""
    cluster = agent.cluster
    async with agent.paused_canary() as operator:
        pass
    async with cluster.operator() as operator:
        await cluster.wait_until_idle(operator)
    old = {path: body for path, body in cluster.proxy.lists.items() if path.endswith("agentdeployments")}
    async with cluster.operator() as operator:
        await agent.submit("abort")
        await agent.wait_until_finished(operator, returned)
    cluster.proxy.writes.clear()
    cluster.proxy.stale = old
    cluster.proxy.gates = {"agentdeployments": Gate.HOLD}
    async with cluster.operator() as operator:

        async def reconciled() -> bool:
            return bool(operator.queue._failures) or bool(cluster.proxy.writes)

        await wait_until(reconciled)
        assert cluster.proxy.writes == []
        cluster.proxy.stale.clear()
        cluster.proxy.open()
        await agent.wait_until_finished(operator, returned)


async def test_an_unschedulable_canary_is_rolled_back_at_the_deadline(agent: Agent) -> None:
    cluster = agent.cluster
    rollout = PAUSED_CANARY | {"progressDeadlineSeconds": 10}
    async with cluster.operator() as operator:
        await cluster.api.apply_agent(**ONE, rollout=rollout)
        await cluster.wait_until_converged(operator)
        await cluster.api.apply_agent(**TWO, rollout=rollout, scheduling={"nodeSelector": {"nowhere": "yes"}})

        async def progressing() -> Any:
            found = await cluster.api.get("Deployment", CANARY) or {}
            return found.get("status", {}).get("conditions")

        await wait_until(progressing)
        cluster.skew["seconds"] = 60
        await cluster.api.merge("Deployment", CANARY, {"metadata": {"annotations": {"look": "again"}}})
        status = await agent.wait_until_finished(operator, returned)
    assert status["rollout"]["rolledBack"]["reason"] == "ProgressDeadlineExceeded"
    assert "Unschedulable" in status["rollout"]["rolledBack"]["message"]


@pytest.mark.parametrize("how", ["deleted", "evicted"])
async def test_checks_run_again_when_their_pod_is_deleted(agent: Agent, how: str) -> None:
    cluster, api = agent.cluster, agent.cluster.api
    checks = {"checks": [{"name": "blue", "prompt": "Say blue.", "contains": ["blue"]}]}
    rollout = AT_ONCE | {"canary": AT_ONCE["canary"] | checks}
    async with cluster.operator() as operator:
        await api.apply_agent(**ONE, rollout=rollout)
        await cluster.wait_until_converged(operator)
        await api.apply_agent(**TWO, rollout=rollout, **env(REPORT, ENDLESS))

        async def running(*, but: str = "") -> str | None:
            found = [
                item for item in await api.list("Pod") if "batch.kubernetes.io/job-name" in item["metadata"]["labels"]
            ]
            names_ = [item["metadata"]["name"] for item in found if item.get("status", {}).get("phase") == "Running"]
            return next((name for name in names_ if name != but), None)

        first = await wait_until(running)
        if how == "deleted":
            await api.delete("Pod", first)
        else:
            await api.merge("Pod", first, {"status": {"phase": "Failed", "reason": "Evicted"}}, sub="status")
        second = await wait_until(lambda: running(but=first))
        ended = {"exitCode": 0, "reason": "Completed", "message": PASSED}
        state = {"name": "agent", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
        done = {"phase": "Succeeded", "containerStatuses": [state | {"state": {"terminated": ended}}]}
        await api.merge("Pod", second, {"status": done}, sub="status")
        await agent.wait_until_finished(operator)


@pytest.mark.parametrize("last", [THREE, ONE], ids=["a third", "back to the first"])
async def test_a_second_change_supersedes_the_first(agent: Agent, last: dict[str, Any]) -> None:
    cluster = agent.cluster
    async with agent.paused_canary() as operator:
        await cluster.api.apply_agent(**last, rollout=AT_ONCE)
        await agent.wait_until_finished(operator, kept=3 if last is THREE else 2)


async def test_replicas_set_by_the_autoscaler_are_kept_during_a_canary(agent: Agent) -> None:
    """The bounds of the autoscaler leave room for the canary's pod. The operator does not set the stable replicas."""
    cluster, api = agent.cluster, agent.cluster.api
    spec: dict[str, Any] = {"autoscaling": {"minReplicas": 3, "maxReplicas": 6}}
    one, two = ({"systemPrompt": item["systemPrompt"]} | spec for item in (ONE, TWO))

    async def bounds() -> tuple[int, int]:
        scaler = (await api.get("HorizontalPodAutoscaler", NAME) or {})["spec"]
        return scaler["minReplicas"], scaler["maxReplicas"]

    async with cluster.operator() as operator:
        await api.apply_agent(**one, rollout=PAUSED_CANARY)
        await cluster.wait_until_converged(operator)
        await api.apply_agent(**two, rollout=PAUSED_CANARY)
        await agent.wait_for_phase("Paused")
        assert await bounds() == (2, 5)
        await api.merge("Deployment", NAME, {"spec": {"replicas": 5}})
        await cluster.wait_until_idle(operator)
        assert (await agent.deployment())["replicas"] == 5
        await agent.submit("promote")
        await agent.wait_until_finished(operator)
        assert (await agent.deployment())["replicas"] == 5
        assert await bounds() == (3, 6)
    managed = (await api.get("Deployment", NAME) or {})["metadata"]["managedFields"]
    owners = [item["manager"] for item in managed if "f:replicas" in item["fieldsV1"].get("f:spec", {})]
    assert "agent-operator" not in owners


async def test_a_canary_is_promoted_after_its_steps_or_strategy_are_removed(agent: Agent) -> None:
    cluster = agent.cluster
    three = PAUSED_CANARY | {"canary": {"steps": [{"weight": 25, "pause": {}}] * 3}}
    async with agent.paused_canary(three) as operator:
        await agent.submit("promote")
        await agent.wait_for(lambda status: status["rollout"].get("canary", {}).get("step") == 1)
        await cluster.api.apply_agent(**TWO, rollout=PAUSED_CANARY)
        await agent.wait_for_phase("Paused")
        await cluster.api.apply_agent(**TWO, rollout={"strategy": "RollingUpdate"})
        await agent.wait_until_finished(operator)


async def test_a_canary_does_not_progress_while_suspended(agent: Agent) -> None:
    cluster = agent.cluster
    async with agent.paused_canary() as operator:
        before = await agent.deployment(), await agent.deployment(CANARY)
        await cluster.api.apply_agent(**TWO, rollout=AT_ONCE, suspend=True)
        await cluster.api.wait_for_reason("Progressing", "Suspended")
        await agent.submit("abort")
        await cluster.wait_until_idle(operator)
        assert (await agent.deployment(), await agent.deployment(CANARY)) == before
        assert await agent.command() == "abort"
        await agent.submit("resume")
        await cluster.api.apply_agent(**TWO, rollout=AT_ONCE, suspend=False)
        await agent.wait_until_finished(operator)


async def test_clock_jumps_do_not_affect_a_rollout(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading of the wall clocks of the operator and of the cluster's controllers differs by years."""
    times = iter(range(10**6))
    monkeypatch.setattr(controllers, "timestamp", lambda: f"20{10 + next(times) * 37 % 80}-01-01T00:00:00Z")
    cluster = agent.cluster
    async with agent.paused_canary() as operator:
        for seconds in (3600, -3600):
            cluster.skew["seconds"] = seconds
            for name in (NAME, CANARY):
                await cluster.api.merge("Deployment", name, {"metadata": {"annotations": {"at": str(seconds)}}})
            await cluster.wait_until_idle(operator)
        await agent.submit("promote")
        await agent.wait_until_finished(operator)

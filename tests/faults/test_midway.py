"""What can happen in the midst of a canary: the end is all of the new revision, or all of one that was good."""

from typing import Any

import pytest

from agent_operator import manager as controllers
from tests.faults.agents import ONE, PATIENT, TWO, Agent, env, returned
from tests.faults.conftest import NAME, World
from tests.faults.gates import Gate
from tests.integration.agent_operator.conftest import until
from tests.stand_in.pods import ENDLESS, PASSED, REPORT

CANARY = f"{NAME}-canary"
THREE = TWO | {"systemPrompt": {"text": "Three."}}
AT_ONCE: dict[str, Any] = {"strategy": "Canary", "canary": {"steps": [{"weight": 25, "pause": {"durationSeconds": 0}}]}}
CHILDREN = ("deployments", "pods", "replicasets", "configmaps", "services")


@pytest.fixture
def agent(world: World) -> Agent:
    return Agent(world)


async def test_what_cannot_be_recorded_is_not_begun(agent: Agent) -> None:
    """While the status is refused, no canary starts; afterwards it does."""
    world = agent.world
    async with world.operator() as operator:
        await world.api.agent(**ONE, rollout=AT_ONCE)
        await world.at_rest(operator)
        before = await agent.deployment()
        world.proxy.writes.clear()
        world.proxy.refuse = lambda _method, path: 500 if path.endswith("/status") else None
        await world.api.agent(**TWO, rollout=AT_ONCE)

        async def refused() -> bool:
            return len(world.proxy.writes) > 8

        await until(refused)
        assert {write.path.rpartition("/")[2] for write in world.proxy.writes} == {"status"}
        assert (await agent.deployment(), await agent.deployment(CANARY)) == (before, {})
        world.proxy.refuse = lambda _method, _path: None
        await agent.ends(operator)


@pytest.mark.parametrize("gate", [Gate.HOLD, Gate.LAG, Gate.TWICE, Gate.LOSE])
async def test_watches_that_are_behind_promote_nothing_unseen(agent: Agent, gate: Gate) -> None:
    world = agent.world
    async with world.operator() as operator:
        await world.api.agent(**ONE, rollout=PATIENT)
        await world.at_rest(operator)
        before = await agent.deployment()
        world.proxy.gates = dict.fromkeys(CHILDREN, gate)
        await world.api.agent(**TWO, rollout=PATIENT)

        async def there() -> bool:
            found = await world.api.get("Deployment", CANARY) or {}
            return found.get("status", {}).get("readyReplicas") == 1

        await until(there)
        if gate in (Gate.HOLD, Gate.LOSE):
            assert await agent.deployment() == before
        world.proxy.open()
        await agent.until_phase("Paused")
        await agent.tell("promote")
        await agent.ends(operator)


async def test_an_old_view_of_the_status_brings_no_bad_revision_back(agent: Agent) -> None:
    """The operator is started anew, and reads from an API server that has not heard of the rollback yet."""
    world = agent.world
    async with agent.halfway() as operator:
        pass
    async with world.operator() as operator:
        await world.idle(operator)
    old = {path: body for path, body in world.proxy.lists.items() if path.endswith("agentdeployments")}
    async with world.operator() as operator:
        await agent.tell("abort")
        await agent.ends(operator, returned)
    world.proxy.writes.clear()
    world.proxy.stale = old
    world.proxy.gates = {"agentdeployments": Gate.HOLD}
    async with world.operator() as operator:

        async def looked() -> bool:
            return bool(operator.queue._failures) or bool(world.proxy.writes)

        await until(looked)
        assert world.proxy.writes == []
        world.proxy.stale.clear()
        world.proxy.open()
        await agent.ends(operator, returned)


async def test_a_canary_that_finds_no_node_is_given_up_in_time(agent: Agent) -> None:
    world = agent.world
    rollout = PATIENT | {"progressDeadlineSeconds": 10}
    async with world.operator() as operator:
        await world.api.agent(**ONE, rollout=rollout)
        await world.at_rest(operator)
        await world.api.agent(**TWO, rollout=rollout, scheduling={"nodeSelector": {"nowhere": "yes"}})

        async def progressing() -> Any:
            found = await world.api.get("Deployment", CANARY) or {}
            return found.get("status", {}).get("conditions")

        await until(progressing)
        world.skew["seconds"] = 60
        await world.api.merge("Deployment", CANARY, {"metadata": {"annotations": {"look": "again"}}})
        status = await agent.ends(operator, returned)
    assert status["rollout"]["rolledBack"]["reason"] == "ProgressDeadlineExceeded"
    assert "Unschedulable" in status["rollout"]["rolledBack"]["message"]


@pytest.mark.parametrize("how", ["deleted", "evicted"])
async def test_checks_of_which_the_pod_goes_are_run_again(agent: Agent, how: str) -> None:
    world, api = agent.world, agent.world.api
    checks = {"checks": [{"name": "blue", "prompt": "Say blue.", "contains": ["blue"]}]}
    rollout = AT_ONCE | {"canary": AT_ONCE["canary"] | checks}
    async with world.operator() as operator:
        await api.agent(**ONE, rollout=rollout)
        await world.at_rest(operator)
        await api.agent(**TWO, rollout=rollout, **env(REPORT, ENDLESS))

        async def running(*, but: str = "") -> str | None:
            found = [it for it in await api.list("Pod") if "batch.kubernetes.io/job-name" in it["metadata"]["labels"]]
            names_ = [it["metadata"]["name"] for it in found if it.get("status", {}).get("phase") == "Running"]
            return next((name for name in names_ if name != but), None)

        first = await until(running)
        if how == "deleted":
            await api.delete("Pod", first)
        else:
            await api.merge("Pod", first, {"status": {"phase": "Failed", "reason": "Evicted"}}, sub="status")
        second = await until(lambda: running(but=first))
        ended = {"exitCode": 0, "reason": "Completed", "message": PASSED}
        state = {"name": "agent", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
        done = {"phase": "Succeeded", "containerStatuses": [state | {"state": {"terminated": ended}}]}
        await api.merge("Pod", second, {"status": done}, sub="status")
        await agent.ends(operator)


@pytest.mark.parametrize("last", [THREE, ONE], ids=["a third", "back to the first"])
async def test_a_second_change_ends_the_first(agent: Agent, last: dict[str, Any]) -> None:
    world = agent.world
    async with agent.halfway() as operator:
        await world.api.agent(**last, rollout=AT_ONCE)
        await agent.ends(operator, kept=3 if last is THREE else 2)


async def test_the_autoscaler_is_never_fought(agent: Agent) -> None:
    """Its bounds leave room for the canary's pod; the stable replicas are its own, whatever the operator does."""
    world, api = agent.world, agent.world.api
    spec: dict[str, Any] = {"autoscaling": {"minReplicas": 3, "maxReplicas": 6}}
    one, two = ({"systemPrompt": it["systemPrompt"]} | spec for it in (ONE, TWO))

    async def bounds() -> tuple[int, int]:
        scaler = (await api.get("HorizontalPodAutoscaler", NAME) or {})["spec"]
        return scaler["minReplicas"], scaler["maxReplicas"]

    async with world.operator() as operator:
        await api.agent(**one, rollout=PATIENT)
        await world.at_rest(operator)
        await api.agent(**two, rollout=PATIENT)
        await agent.until_phase("Paused")
        assert await bounds() == (2, 5)
        await api.merge("Deployment", NAME, {"spec": {"replicas": 5}})
        await world.idle(operator)
        assert (await agent.deployment())["replicas"] == 5
        await agent.tell("promote")
        await agent.ends(operator)
        assert (await agent.deployment())["replicas"] == 5
        assert await bounds() == (3, 6)
    managed = (await api.get("Deployment", NAME) or {})["metadata"]["managedFields"]
    owners = [it["manager"] for it in managed if "f:replicas" in it["fieldsV1"].get("f:spec", {})]
    assert "agent-operator" not in owners


async def test_fewer_steps_and_then_another_strategy_let_the_target_run(agent: Agent) -> None:
    world = agent.world
    three = PATIENT | {"canary": {"steps": [{"weight": 25, "pause": {}}] * 3}}
    async with agent.halfway(three) as operator:
        await agent.tell("promote")
        await agent.until(lambda status: status["rollout"].get("canary", {}).get("step") == 1)
        await world.api.agent(**TWO, rollout=PATIENT)
        await agent.until_phase("Paused")
        await world.api.agent(**TWO, rollout={"strategy": "RollingUpdate"})
        await agent.ends(operator)


async def test_while_it_is_suspended_the_canary_stays_as_it_is(agent: Agent) -> None:
    world = agent.world
    async with agent.halfway() as operator:
        before = await agent.deployment(), await agent.deployment(CANARY)
        await world.api.agent(**TWO, rollout=AT_ONCE, suspend=True)
        await world.api.until_reason("Progressing", "Suspended")
        await agent.tell("abort")
        await world.idle(operator)
        assert (await agent.deployment(), await agent.deployment(CANARY)) == before
        assert await agent.command() == "abort"
        await agent.tell("resume")
        await world.api.agent(**TWO, rollout=AT_ONCE, suspend=False)
        await agent.ends(operator)


async def test_clocks_that_jump_change_nothing(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clocks of the operator and of the cluster's controllers, by years, with each reading."""
    times = iter(range(10**6))
    monkeypatch.setattr(controllers, "_timestamp", lambda: f"20{10 + next(times) * 37 % 80}-01-01T00:00:00Z")
    world = agent.world
    async with agent.halfway() as operator:
        for seconds in (3600, -3600):
            world.skew["seconds"] = seconds
            for name in (NAME, CANARY):
                await world.api.merge("Deployment", name, {"metadata": {"annotations": {"at": str(seconds)}}})
            await world.idle(operator)
        await agent.tell("promote")
        await agent.ends(operator)

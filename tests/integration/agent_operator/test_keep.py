"""An upgraded operator restarts no agent: its different rendering waits for a change or an upgrade request."""

from functools import partial
from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.inputs.agent_inputs import Platform
from agent_operator.reconcile import factory
from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

NEXT = "99.0.0"
AGENTS = ("legal", "sales", "support")


@pytest.fixture
async def upgraded(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three agents that an older operator has reconciled, and an operator of a new version."""
    async with cluster.operator() as controller:
        for name in AGENTS:
            await cluster.api.apply_agent(name)
            await cluster.api.wait_for_reason("Ready", "Ready", name)
            await cluster.wait_until_idle(controller, name)
    cluster.proxy.requests.clear()
    monkeypatch.setattr(factory, "Platform", partial(Platform, runtime_version=NEXT))
    return cluster


async def states(cluster: Cluster) -> dict[str, tuple[Any, ...]]:
    """By agent: image, generation of its Deployment, and status without times."""
    found = {}
    for name in AGENTS:
        deployment = await cluster.api.get("Deployment", name)
        status = (await cluster.api.get("AgentDeployment", name))["status"]
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        found[name] = (image.rpartition(":")[2], deployment["metadata"]["generation"], status)
    return found


async def test_an_upgraded_operator_writes_nothing(upgraded: Any) -> None:
    before = await states(upgraded)

    async with upgraded.operator() as controller:
        for name in AGENTS:
            await upgraded.wait_until_idle(controller, name)
        assert controller.metrics.reconciles.labels("agent", "unchanged")._value.get() == len(AGENTS)

    assert upgraded.proxy.writes == []
    assert await states(upgraded) == before


async def test_the_upgrade_annotation_rolls_only_its_agent(upgraded: Any) -> None:
    before = await states(upgraded)
    async with upgraded.operator() as controller:
        for name in AGENTS:
            await upgraded.wait_until_idle(controller, name)
        command = {"metadata": {"annotations": {constants.ANNOTATION_ROLLOUT: "upgrade"}}}
        await upgraded.api.merge("AgentDeployment", "sales", command)

        async def rolled() -> bool:
            agent = await upgraded.api.get("AgentDeployment", "sales")
            carried_out = constants.ANNOTATION_ROLLOUT not in agent["metadata"].get("annotations", {})
            return carried_out and agent["status"]["lastGoodRevision"] != before["sales"][2]["lastGoodRevision"]

        await wait_until(rolled)
        await upgraded.wait_until_idle(controller, "sales")
        after = await states(upgraded)
    assert after["sales"][0] == NEXT
    assert {name: after[name] for name in ("legal", "support")} == {name: before[name] for name in ("legal", "support")}

    # No later reconcile reverts or repeats it.
    upgraded.proxy.requests.clear()
    async with upgraded.operator() as controller:
        for name in AGENTS:
            await upgraded.wait_until_idle(controller, name)
    assert upgraded.proxy.writes == []


async def test_a_change_of_the_spec_renders_with_the_new_version(upgraded: Any) -> None:
    async with upgraded.operator() as controller:
        await upgraded.api.apply_agent("support", replicas=2)

        async def scaled() -> bool:
            return bool((await upgraded.api.get("Deployment", "support"))["spec"]["replicas"] == 2)

        await wait_until(scaled)
        await upgraded.wait_until_idle(controller)
        # A change outside of the pod template does not roll the pods.
        assert (await states(upgraded))["support"][0] != NEXT

        await upgraded.api.apply_agent("support", replicas=2, systemPrompt={"text": "Be brief."})

        async def renewed() -> bool:
            return (await states(upgraded))["support"][0] == NEXT

        await wait_until(renewed)
        await upgraded.wait_until_idle(controller)
    assert (await states(upgraded))["sales"][0] != NEXT

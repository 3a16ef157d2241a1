"""Agents under a GitOps tool: repeated applies and reconciles, and the health checks and actions for Argo CD."""

import asyncio
from typing import Any

from agent_operator.kube.objects import Key
from agent_operator.kube.workqueue import Trigger
from agent_operator.manager.manager import Manager
from tests import argocd
from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
SPECS: dict[str, dict[str, Any]] = {
    "plain": {"config": ECHO},
    "exposed": {"config": ECHO, "autoscaling": {"maxReplicas": 5}, "ingress": {"host": "agent.example.com"}},
    "canary": {"config": ECHO, "rollout": {"strategy": "Canary"}, "systemPrompt": {"text": "Be brief."}},
    "invalid": {"config": ECHO, "podTemplate": {"spec": {"hostNetwork": True}}},
    "keyless": {"config": ECHO, "credentials": {"secretRef": {"name": "missing", "keys": ["OPENAI_API_KEY"]}}},
}
REASONS = {"invalid": "PodTemplateUnsafe", "keyless": "SecretMissing"}
PAUSED = {"strategy": "Canary", "canary": {"steps": [{"weight": 50, "pause": {}}]}}


async def apply_agents(cluster: Cluster, controller: Manager) -> None:
    for name, spec in SPECS.items():
        await cluster.api.apply_agent(name, **spec)
    for name in SPECS:
        await cluster.api.wait_for_reason("Ready", REASONS.get(name, "Ready"), name)
        await cluster.wait_until_idle(controller, name)


async def versions(cluster: Cluster) -> dict[tuple[str, str], str]:
    """Return the resourceVersions of all children."""
    children = [await cluster.api.children(name) for name in SPECS]
    return {key: it["metadata"]["resourceVersion"] for found in children for key, it in found.items()}


def reconciles(controller: Manager) -> float:
    """Return the number of reconciles so far."""
    (metric,) = controller.metrics.reconciles.collect()
    return sum(sample.value for sample in metric.samples if sample.name.endswith("_total"))


async def test_ten_forced_reconciles_change_nothing(cluster: Cluster) -> None:
    """The annotations with which the tools force their own reconciles have no effect either."""
    async with cluster.operator() as controller:
        await apply_agents(cluster, controller)
        before = await versions(cluster)
        cluster.proxy.requests.clear()

        for number in range(10):
            expected = reconciles(controller) + len(SPECS)
            forced = {"reconcile.fluxcd.io/requestedAt": str(number), "argocd.argoproj.io/refresh": str(number)}
            for name in SPECS:
                await cluster.api.merge("AgentDeployment", name, {"metadata": {"annotations": forced}})
                controller.queue.add(Key(cluster.api.namespace, name), Trigger.AGENT)

            async def all_reconciled(count: float = expected) -> bool:
                return reconciles(controller) >= count

            await wait_until(all_reconciled)
        for name in SPECS:
            await cluster.wait_until_idle(controller, name)
        assert cluster.proxy.writes == []
        assert await versions(cluster) == before


async def test_a_tool_that_applies_again_and_again_causes_no_write(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        await apply_agents(cluster, controller)
        before = await versions(cluster)
        agents = {it["metadata"]["name"]: it["metadata"] for it in await cluster.api.list("AgentDeployment")}
        cluster.proxy.requests.clear()

        for _ in range(10):
            for name, spec in SPECS.items():
                applied = await cluster.api.apply_agent(name, **spec)
                assert applied["metadata"]["resourceVersion"] == agents[name]["resourceVersion"]
            await asyncio.sleep(0.05)
        for name in SPECS:
            await cluster.wait_until_idle(controller, name)

        assert cluster.proxy.writes == []
        assert await versions(cluster) == before


async def health(cluster: Cluster, expected: str) -> dict[str, Any]:
    """Wait until Argo CD would show this health, and return the agent."""

    async def has_health() -> dict[str, Any] | None:
        agent = await cluster.api.get("AgentDeployment", "support") or {}
        return agent if argocd.health(agent)["status"] == expected else None

    return await wait_until(has_health)


async def act(cluster: Cluster, action: str) -> None:
    """Run an action as Argo CD does, and wait until the operator has executed it."""

    async def is_enabled() -> bool:
        agent = await cluster.api.get("AgentDeployment", "support") or {}
        return any(it["name"] == action and not it["disabled"] for it in argocd.actions(agent))

    await wait_until(is_enabled)
    agent = await cluster.api.get("AgentDeployment", "support") or {}
    patch = argocd.merge_patch(agent, argocd.act(agent, action))
    assert patch.keys() == {"metadata"}
    await cluster.api.merge("AgentDeployment", "support", patch)

    async def is_executed() -> bool:
        current = await cluster.api.get("AgentDeployment", "support") or {}
        return "agent-operator.dev/rollout" not in current["metadata"].get("annotations", {})

    await wait_until(is_executed)


async def test_argo_cd_shows_the_health_and_its_actions_work(cluster: Cluster) -> None:
    async with cluster.operator():
        await cluster.api.apply_agent(systemPrompt={"text": "One."}, rollout=PAUSED, replicas=2)
        first = (await health(cluster, "Healthy"))["status"]["revision"]

        await cluster.api.apply_agent(systemPrompt={"text": "Two."}, rollout=PAUSED, replicas=2)
        await health(cluster, "Suspended")
        await act(cluster, "pause")
        await act(cluster, "resume")
        await act(cluster, "abort")
        degraded = await health(cluster, "Degraded")
        assert degraded["status"]["revision"] == first

        await act(cluster, "retry")
        await health(cluster, "Suspended")
        await act(cluster, "promote")
        second = (await health(cluster, "Healthy"))["status"]["revision"]
        assert second != first

        await act(cluster, "rollback")
        await health(cluster, "Degraded")
        await cluster.api.apply_agent(systemPrompt={"text": "Three."}, rollout=PAUSED, replicas=2)
        await act(cluster, "promote-full")
        third = (await health(cluster, "Healthy"))["status"]["revision"]

        await act(cluster, "restart")
        restarted = await health(cluster, "Healthy")
        assert restarted["status"]["revision"] == third
        deployment = await cluster.api.get("Deployment", "support") or {}
        annotations = deployment["spec"]["template"]["metadata"]["annotations"]
        assert annotations["agent-operator.dev/restarted-at"] == restarted["status"]["rollout"]["restartedAt"]
        refused = [it for it in await cluster.api.list("Event") if it.get("reason") == "CommandRefused"]
        assert refused == []

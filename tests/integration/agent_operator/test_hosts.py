"""Hosts are allowed by their names while the cluster serves CiliumNetworkPolicy, and by addresses otherwise."""

from collections.abc import Awaitable, Callable
from typing import Any

from agent_operator.kube.resources import BY_NAME
from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

CILIUM = BY_NAME["CiliumNetworkPolicy"]
POLICY, BY_HOST = ("NetworkPolicy", "support"), ("CiliumNetworkPolicy", "support")


def config(host: str) -> dict[str, Any]:
    return {"models": [{"name": "m", "provider": "openai", "model": "m", "baseUrl": f"https://{host}/v1"}]}


def allows(cluster: Cluster, mode: str, *hosts: str) -> Callable[[], Awaitable[bool]]:
    """Return a check of the policies and of the status: hosts by name, or all public addresses."""

    async def check() -> bool:
        children = await cluster.api.children()
        agent = await cluster.api.get("AgentDeployment", "support") or {}
        rules = children.get(POLICY, {}).get("spec", {}).get("egress", [])
        blocks = {peer["ipBlock"]["cidr"] for rule in rules for peer in rule["to"] if "ipBlock" in peer}
        by_host = children.get(BY_HOST, {}).get("spec", {}).get("egress", [])
        names = {host["matchName"] for rule in by_host for host in rule.get("toFQDNs", [])}
        is_open = "0.0.0.0/0" in blocks
        return (agent.get("status", {}).get("egress"), names, is_open) == (mode, set(hosts), mode == "PublicAddresses")

    return check


async def test_hosts_are_allowed_by_name_while_the_api_is_served(cluster: Cluster) -> None:
    """The API appears and disappears. No pod is replaced, and a rollback allows the hosts of both revisions."""
    async with cluster.operator(fqdn_policies=True):
        await cluster.api.apply_agent(config=config("a.example.com"))
        await wait_until(allows(cluster, "PublicAddresses"))
        before = (await cluster.api.children())["Deployment", "support"]["spec"]["template"]

        await cluster.api.define(CILIUM)
        try:
            await wait_until(allows(cluster, "Hosts", "a.example.com"))
            assert (await cluster.api.children())["Deployment", "support"]["spec"]["template"] == before

            await cluster.api.delete(*BY_HOST)
            await wait_until(allows(cluster, "Hosts", "a.example.com"))

            await cluster.api.apply_agent(config=config("b.example.com"))
            await wait_until(allows(cluster, "Hosts", "b.example.com"))
            agent = await cluster.api.get("AgentDeployment", "support") or {}
            good = before["metadata"]["labels"]["agent-operator.dev/revision"]
            assert agent["status"]["rollout"]["stable"] != good
            command = {"metadata": {"annotations": {"agent-operator.dev/rollout": f"rollback={good}"}}}
            await cluster.api.merge("AgentDeployment", "support", command)
            await wait_until(allows(cluster, "Hosts", "a.example.com", "b.example.com"))
        finally:
            await cluster.api.undefine(CILIUM)
        await wait_until(allows(cluster, "PublicAddresses"))
        assert BY_HOST not in await cluster.api.children()


async def test_the_policy_is_removed_when_the_option_is_turned_off(cluster: Cluster) -> None:
    await cluster.api.define(CILIUM)
    try:
        async with cluster.operator(fqdn_policies=True):
            await cluster.api.apply_agent(config=config("a.example.com"))
            await wait_until(allows(cluster, "Hosts", "a.example.com"))
        async with cluster.operator():
            await wait_until(allows(cluster, "PublicAddresses"))
            await wait_until(lambda: _is_gone(cluster))
    finally:
        await cluster.api.undefine(CILIUM)


async def _is_gone(cluster: Cluster) -> bool:
    return BY_HOST not in await cluster.api.children()

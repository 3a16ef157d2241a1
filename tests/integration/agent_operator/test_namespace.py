"""spec.namespace: the namespace is created, labelled and deleted with its agent, unless it has another owner."""

from typing import Any

import pytest

from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until


async def test_a_namespace_is_created_and_deleted_with_its_agent(cluster: Cluster) -> None:
    name = f"{cluster.api.namespace}-own"
    async with cluster.operator() as controller:
        await cluster.api.apply_agent(namespace={"name": name})
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        agent = await cluster.api.get("AgentDeployment", "support")
        assert agent["metadata"]["finalizers"] == ["agent-operator.dev/children"]
        namespace = await cluster.api.get("Namespace", name)
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        assert ("Deployment", "support") in await cluster.api.children(namespace=name)
        await cluster.api.delete("Service", "support", namespace=name)

        async def back() -> Any:
            return await cluster.api.get("Service", "support", namespace=name)

        await wait_until(back)
        await cluster.api.delete("AgentDeployment", "support")

        async def gone() -> bool:
            both = await cluster.api.get("Namespace", name), await cluster.api.get("AgentDeployment", "support")
            return both == (None, None)

        await wait_until(gone)


async def test_a_namespace_of_another_owner_is_not_changed(cluster: Cluster) -> None:
    name = f"{cluster.api.namespace}-other"
    await cluster.api.create("Namespace", {"metadata": {"name": name}})
    async with cluster.operator():
        await cluster.api.apply_agent(namespace={"name": name})
        condition = await cluster.api.wait_for_reason("Ready", "Conflict")
        assert f"Namespace {name}" in condition["message"]
        assert await cluster.api.children(namespace=name) == {}
        await cluster.api.delete("AgentDeployment", "support")

        async def gone() -> bool:
            return await cluster.api.get("AgentDeployment", "support") is None

        await wait_until(gone)
        namespace = await cluster.api.get("Namespace", name)
        assert "deletionTimestamp" not in namespace["metadata"]
    await cluster.api.delete("Namespace", name)


async def test_an_agent_without_a_namespace_has_no_finalizer(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        await cluster.api.apply_agent()
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        agent = await cluster.api.get("AgentDeployment", "support")
        assert "finalizers" not in agent["metadata"]
    await cluster.api.delete("AgentDeployment", "support")

    async def gone() -> bool:
        return await cluster.api.children() == {}

    # Without an operator, the garbage collector deletes the children.
    await wait_until(gone)


async def test_an_unmanaged_namespace_outlives_the_children(cluster: Cluster) -> None:
    name = f"{cluster.api.namespace}-given"
    async with cluster.operator(manage_namespaces=False, namespaces=(cluster.api.namespace, name)) as controller:
        await cluster.api.apply_agent(namespace={"name": name})
        condition = await cluster.api.wait_for_reason("Ready", "NamespaceMissing")
        assert f"Namespace {name}" in condition["message"]
        await cluster.api.create("Namespace", {"metadata": {"name": name}})
        await cluster.api.wait_for_reason("Warning", "NamespaceNotManaged")

        async def there() -> bool:
            return ("Deployment", "support") in await cluster.api.children(namespace=name)

        await wait_until(there)
        await cluster.wait_until_idle(controller)
        await cluster.api.delete("AgentDeployment", "support")

        async def gone() -> bool:
            left = await cluster.api.children(namespace=name)
            return left == {} and await cluster.api.get("AgentDeployment", "support") is None

        await wait_until(gone)
        assert "deletionTimestamp" not in (await cluster.api.get("Namespace", name))["metadata"]
    await cluster.api.delete("Namespace", name)


@pytest.mark.parametrize("options", [{}, {"namespaces": (), "allow_adoption": False}])
async def test_a_namespace_that_is_not_watched_is_rejected(cluster: Cluster, options: dict[str, Any]) -> None:
    """Without admission policies, every namespace is one of others if the operator does not manage namespaces."""
    async with cluster.operator(manage_namespaces=False, **options):
        await cluster.api.apply_agent(namespace={"name": "elsewhere"})
        condition = await cluster.api.wait_for_reason("Ready", "NamespaceNotWatched")
        assert "spec.namespace.name" in condition["message"]


async def test_a_restored_namespace_is_adopted_with_what_is_in_it(cluster: Cluster) -> None:
    """A backup keeps the labels with the UID of the former agent."""
    name, former = f"{cluster.api.namespace}-back", "00000000-0000-0000-0000-000000000000"
    found = {"agent": "support", "agent-namespace": cluster.api.namespace, "owner-uid": former}
    labels = {f"agent-operator.dev/{key}": value for key, value in found.items()}
    before = await cluster.api.create("Namespace", {"metadata": {"name": name, "labels": labels}})
    service = {"metadata": {"name": "support", "labels": labels}, "spec": {"ports": [{"port": 80}]}}
    await cluster.api.create("Service", service, name)
    async with cluster.operator() as controller:
        await cluster.api.apply_agent(namespace={"name": name})
        # Without the annotation, it seems to be that of a deleted agent, whose finalizer deletes it.
        condition = await cluster.api.wait_for_reason("Ready", "NamespaceTerminating")
        assert f"Namespace {name}" in condition["message"]
        annotations = {"metadata": {"annotations": {"agent-operator.dev/adopt": "labeled"}}}
        await cluster.api.merge("AgentDeployment", "support", annotations)

        async def adopted() -> bool:
            return len(await cluster.api.children(namespace=name)) > 5

        await wait_until(adopted)
        await cluster.wait_until_idle(controller)
        agent = await cluster.api.get("AgentDeployment", "support")
        namespace = await cluster.api.get("Namespace", name)
        assert namespace["metadata"]["uid"] == before["metadata"]["uid"] == agent["status"]["namespaceUid"]
        assert namespace["metadata"]["labels"]["agent-operator.dev/owner-uid"] == agent["metadata"]["uid"]
        assert (await cluster.api.get("Service", "support", namespace=name))["spec"]["selector"] == {"app": "support"}
        await cluster.api.delete("AgentDeployment", "support")

        async def gone() -> bool:
            return await cluster.api.get("Namespace", name) is None

        await wait_until(gone)

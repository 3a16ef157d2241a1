"""Objects with forged labels and owner references are never deleted, and never keep an agent from being deleted."""

from typing import Any

from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

FINALIZER = "example.com/never"


def labels(cluster: Cluster, uid: str) -> dict[str, str]:
    names = {"agent": "support", "agent-namespace": cluster.api.namespace, "owner-uid": uid}
    return {f"agent-operator.dev/{name}": text for name, text in names.items()}


def controller(uid: str) -> dict[str, Any]:
    return {
        "apiVersion": "agent-operator.dev/v1alpha1",
        "kind": "AgentDeployment",
        "name": "support",
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


async def uid_of(cluster: Cluster) -> str:
    return str((await cluster.api.get("AgentDeployment", "support"))["metadata"]["uid"])


async def test_forged_objects_in_the_namespace_of_the_agent_stay(cluster: Cluster) -> None:
    """The agent is changed, so that the operator prunes what it does not need."""
    async with cluster.operator() as controller_:
        await cluster.api.apply_agent()
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller_)
        uid = await uid_of(cluster)
        marks, names = labels(cluster, uid), ("support-config-0000000000", "support-checks-0000000000", "settings")
        for name in names:
            await cluster.api.create("ConfigMap", {"metadata": {"name": name, "labels": marks}})
        forged = [controller(uid) | {"controller": False}]
        await cluster.api.create(
            "ConfigMap", {"metadata": {"name": "settings-2", "labels": marks, "ownerReferences": forged}}
        )
        await cluster.api.create("Secret", {"metadata": {"name": "support-secrets", "labels": marks}})
        await cluster.api.apply_agent(replicas=1, systemPrompt={"text": "Changed."})
        await cluster.wait_until_idle(controller_)
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        for name in (*names, "settings-2"):
            assert await cluster.api.get("ConfigMap", name)
        assert await cluster.api.get("Secret", "support-secrets")
        status = str((await cluster.api.get("AgentDeployment", "support"))["status"])
        assert not any(name in status for name in (*names, "settings-2", "support-secrets"))


async def test_a_namespace_with_forged_labels_is_neither_used_nor_deleted(cluster: Cluster) -> None:
    """It existed before, so the operator did not create it. A user who may edit namespaces labels it."""
    name = f"{cluster.api.namespace}-victim"
    await cluster.api.create("Namespace", {"metadata": {"name": name}})
    async with cluster.operator(namespaces=()) as controller_:
        await cluster.api.apply_agent(namespace={"name": name})
        await cluster.api.wait_for_reason("Ready", "Conflict")
        marks = labels(cluster, await uid_of(cluster))
        await cluster.api.merge("Namespace", name, {"metadata": {"labels": marks}})
        await cluster.api.create("Service", {"metadata": {"name": "support", "labels": marks}, "spec": PORTS}, name)
        blocker = {"name": "support-config-0", "labels": marks, "finalizers": [FINALIZER]}
        await cluster.api.create("ConfigMap", {"metadata": blocker}, name)
        await cluster.api.apply_agent(namespace={"name": name}, replicas=1)
        await cluster.wait_until_idle(controller_)
        await cluster.api.wait_for_reason("Ready", "Conflict")
        assert "namespaceUid" not in (await cluster.api.get("AgentDeployment", "support"))["status"]
        assert ("Deployment", "support") not in await cluster.api.children(namespace=name)
        await cluster.api.delete("AgentDeployment", "support")
        await wait_until(lambda: gone(cluster))
        for kind, other in (("Service", "support"), ("ConfigMap", "support-config-0")):
            assert "deletionTimestamp" not in (await cluster.api.get(kind, other, name))["metadata"]
        assert "deletionTimestamp" not in (await cluster.api.get("Namespace", name))["metadata"]
    await cluster.api.merge("ConfigMap", "support-config-0", {"metadata": {"finalizers": None}}, namespace=name)
    await cluster.api.delete("Namespace", name)


async def test_objects_with_finalizers_do_not_block_the_deletion_of_the_agent(cluster: Cluster) -> None:
    """The users of the agent's own namespace can create objects that never end."""
    name = f"{cluster.api.namespace}-own"
    async with cluster.operator(namespaces=()) as controller_:
        await cluster.api.apply_agent(namespace={"name": name})
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller_)
        recorded = (await cluster.api.get("AgentDeployment", "support"))["status"]["namespaceUid"]
        assert recorded == (await cluster.api.get("Namespace", name))["metadata"]["uid"]
        await cluster.api.create("ConfigMap", {"metadata": {"name": "stuck", "finalizers": [FINALIZER]}}, name)
        await cluster.api.delete("AgentDeployment", "support")
        await wait_until(lambda: gone(cluster))
        assert "deletionTimestamp" in (await cluster.api.get("Namespace", name))["metadata"]
    await cluster.api.merge("ConfigMap", "stuck", {"metadata": {"finalizers": None}}, namespace=name)


async def test_forged_objects_in_a_shared_namespace_stay(cluster: Cluster) -> None:
    """Children in it have no owner reference. Objects with other names than those of children stay."""
    name = f"{cluster.api.namespace}-given"
    await cluster.api.create("Namespace", {"metadata": {"name": name}})
    async with cluster.operator(manage_namespaces=False, namespaces=(cluster.api.namespace, name)) as controller_:
        await cluster.api.apply_agent(namespace={"name": name})
        await cluster.api.wait_for_reason("Warning", "NamespaceNotManaged")
        await cluster.wait_until_idle(controller_)
        marks = labels(cluster, await uid_of(cluster))
        forged = [
            {"name": "support-db", "labels": marks},
            {"name": "blocked", "labels": marks, "finalizers": [FINALIZER]},
        ]
        for meta in forged:
            await cluster.api.create("Service", {"metadata": meta, "spec": PORTS}, name)
        await cluster.api.delete("AgentDeployment", "support")
        await wait_until(lambda: gone(cluster))
        left = {item["metadata"]["name"] for item in await cluster.api.list("Service", name)}
        assert left == {"support-db", "blocked"}
    await cluster.api.merge("Service", "blocked", {"metadata": {"finalizers": None}}, namespace=name)
    await cluster.api.delete("Namespace", name)


PORTS = {"ports": [{"port": 80}]}


async def gone(cluster: Cluster) -> bool:
    return await cluster.api.get("AgentDeployment", "support") is None

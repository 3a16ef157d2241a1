"""The operator uses every permission that it has, and needs no other.

Its requests are recorded by a proxy and mapped to permissions as the authorizer of the API server does.
"""

from contextlib import nullcontext
from typing import Any

from agent_operator.api import constants
from agent_operator.codegen import rbac
from agent_operator.kube.resources import CHILDREN, CONTROLLER_REVISION, JOB, Kind
from tests.integration.agent_operator.cluster import Cluster
from tests.integration.agent_operator.permissions import granted_permissions, used_permissions
from tests.polling import wait_until
from tests.stand_in.kubelet import at_work

OPTIONAL = [kind for kind in CHILDREN if kind.optional]
# Revisions are immutable; a Job exists only while a canary is checked.
NAMESPACED = [kind for kind in CHILDREN if kind.namespaced and kind not in (CONTROLLER_REVISION, JOB)]
CHECKS = [{"name": "blue", "prompt": "Say blue.", "contains": ["blue"]}]
CAREFUL = {
    "replicas": 1,
    "rollout": {"strategy": "Canary", "revisionHistoryLimit": 2, "canary": {"checks": CHECKS}},
    # The reports of the checks where no process runs: none, or this.
    "env": [{"name": "STAND_IN_REPORT", "value": "blue was not said"}],
}
EVERYTHING: dict[str, Any] = {
    "ingress": {
        "host": "a.example.com",
        "tls": {"clusterIssuer": "letsencrypt"},
        "annotations": {"cert-manager.io/issuer": "own"},
    },
    "gateway": {"parentRefs": [{"name": "web"}]},
    "monitoring": {"serviceMonitor": {}, "prometheusRule": {}, "dashboard": {}},
    "autoscaling": {"maxReplicas": 5},
    "identity": {"azureWorkloadIdentity": {"clientId": "11111111-2222-3333-4444-555555555555"}},
    "systemPrompt": {"configMapKeyRef": {"name": "prompts", "key": "text"}},
    "credentials": {
        "externalSecret": {
            "azureKeyVault": {"vaultUrl": "https://kv.vault.azure.net"},
            "data": {"OPENAI_API_KEY": "key"},
        }
    },
}


def copied(child: dict[str, Any], name: str, **metadata: Any) -> dict[str, Any]:
    """A copy of a child under another name, without replicas and without a selector."""
    copy = {key: value for key, value in child.items() if key != "status"}
    copy["metadata"] = {"name": name} | metadata
    if "clusterIP" in copy.get("spec", {}):
        copy["spec"] = {"ports": copy["spec"]["ports"]}
    if "template" in copy.get("spec", {}):
        copy["spec"] = copy["spec"] | {"replicas": 0}
    return copy


class Children:
    """The children of an agent, of every kind and API version."""

    def __init__(self, api: Any, agent: str = "support") -> None:
        self.api, self.agent = api, agent

    def path(self, kind: Kind, name: str = "") -> str:
        return kind.path(kind.versions[0], self.api.namespace, name)

    async def list(self, kind: Kind) -> list[dict[str, Any]]:
        selector = {"labelSelector": f"agent-operator.dev/agent={self.agent}"}
        return (await self.api.call("GET", self.path(kind), params=selector))["items"]

    async def create(self, kind: Kind, obj: dict[str, Any]) -> None:
        whole = {"apiVersion": kind.versions[0], "kind": kind.kind} | obj
        await self.api.call("POST", self.path(kind), body=whole)


async def test_every_permission_is_used_and_no_other_is_needed(cluster: Cluster) -> None:
    """The life cycle of agents with all features, in the cluster-wide install."""
    for kind in OPTIONAL:
        await cluster.api.define(kind)
    await cluster.api.create("ConfigMap", {"metadata": {"name": "prompts"}, "data": {"text": "Be kind."}})
    await cluster.api.create("Secret", {"metadata": {"name": "support-secrets"}, "stringData": {"OPENAI_API_KEY": "k"}})
    children = Children(cluster.api)
    about = {"apiVersion": "agent-operator.dev/v1alpha1", "kind": "AgentRuntimeChannel", "metadata": {"name": "stable"}}
    await cluster.api.create("AgentRuntimeChannel", about | {"spec": {"version": "1"}})

    node = nullcontext() if cluster.simulated else at_work(str(cluster.direct))
    async with (
        node,
        cluster.operator(namespaces=(), leader_election=True, lease_name=rbac.LEASE, fqdn_policies=True) as controller,
    ):
        await cluster.api.apply_agent(**EVERYTHING)
        await cluster.api.apply_agent("plain", credentials={"values": {"OPENAI_API_KEY": "canary"}})
        await cluster.api.apply_agent("moved", namespace={"name": f"{cluster.api.namespace}-own"})
        for name in ("support", "plain", "moved"):
            await cluster.api.wait_for_reason("ConfigValid", "Valid", name)
            await cluster.wait_until_idle(controller, name)
        await drift_and_orphans(children)
        await drift_and_orphans(Children(cluster.api, "plain"))
        await drifted_namespace(cluster)
        await conflicts(children)
        await rollouts(cluster)
        await pod_that_does_not_start(cluster)
        await cluster.api.apply_agent("plain")
        await wait_until(lambda: no_secret(cluster.api, "plain"))
        await cluster.api.delete("AgentDeployment", "moved")
        await wait_until(lambda: gone(cluster.api, "moved"))

    used = used_permissions(cluster.proxy.exchanges)
    allowed = granted_permissions([*rbac.permissions(cluster_wide=True), *rbac.lease_permissions()])
    assert sorted(set(used) - set(allowed)) == [], "requests without a permission in rbac.py"
    assert sorted(set(allowed) - set(used)) == [], "unused permissions in rbac.py"
    for use, only in allowed.items():
        assert only == {""} or used[use] <= only, f"{use} is used with names outside of its permission"


async def pod_that_does_not_start(cluster: Cluster) -> None:
    """The operator reads the Events of a pod without an address. No scheduler of this name exists."""
    await cluster.api.apply_agent("waiting", replicas=1, podTemplate={"spec": {"schedulerName": "none"}})

    async def events_are_listed() -> bool:
        return ("list", "events.k8s.io", "events") in used_permissions(cluster.proxy.exchanges)

    await wait_until(events_are_listed)


async def drift_and_orphans(children: Children) -> None:
    """Change every child and add copies: the operator repairs the children and deletes the copies."""
    before = {kind: found for kind in NAMESPACED if (found := await children.list(kind))}
    for kind, (child, *_) in before.items():
        meta = child["metadata"]
        await children.api.call(
            "PATCH",
            children.path(kind, meta["name"]),
            body={"metadata": {"annotations": {"agent-operator.dev/manifest-hash": "another"}}},
            content_type="application/merge-patch+json",
        )
        if not kind.watched:
            continue  # a kind that is read only by name has no orphaned objects
        for number in range(4):  # some configs are retained
            name = (
                f"{children.agent}-config-orphan{number}" if kind.kind == "ConfigMap" else f"{meta['name']}-s{number}"
            )
            kept = {key: meta[key] for key in ("labels", "ownerReferences")}
            await children.create(kind, copied(child, name, **kept))

    async def right_again() -> bool:
        for kind, (child, *_) in before.items():
            found = {item["metadata"]["name"]: item["metadata"] for item in await children.list(kind)}
            ours = found.get(child["metadata"]["name"], {}).get("annotations", {})
            orphans = [name for name in found if name[-2:-1] in "ns" and name[-1].isdigit()]
            if ours.get("agent-operator.dev/manifest-hash") == "another" or len(orphans) > 3:
                return False
        return True

    await wait_until(right_again)


async def drifted_namespace(cluster: Cluster) -> None:
    name = f"{cluster.api.namespace}-own"
    label = "pod-security.kubernetes.io/enforce"
    await cluster.api.merge("Namespace", name, {"metadata": {"labels": {label: "privileged"}}})

    async def right_again() -> bool:
        return (await cluster.api.get("Namespace", name))["metadata"]["labels"][label] == "restricted"

    await wait_until(right_again)


async def conflicts(children: Children) -> None:
    """The operator reads an object of another owner with the name of a child, and does not change it."""
    for kind in NAMESPACED:
        if kind.kind in ("ConfigMap", "Secret"):
            continue  # read already as references of agents
        child = (await children.list(kind))[0]
        name = f"taken-{kind.kind.lower()}"[:40]
        await children.create(kind, copied(child, child["metadata"]["name"].replace(children.agent, name)))
        await children.api.apply_agent(name, **EVERYTHING)
        await children.api.create(
            "Secret", {"metadata": {"name": f"{name}-secrets"}, "stringData": {"OPENAI_API_KEY": "k"}}
        )
        await children.api.wait_for_reason("Ready", "Conflict", name, 30)


async def no_secret(api: Any, agent: str) -> bool:
    return await api.get("Secret", f"{agent}-secrets") is None


async def rollouts(cluster: Cluster) -> None:
    """A canary that fails its checks, one whose Job conflicts, and a revision beyond the history limit."""
    api = cluster.api
    await api.apply_agent("careful", **CAREFUL)
    await api.wait_for_reason("Ready", "Ready", "careful")
    await api.apply_agent("careful", **CAREFUL, systemPrompt={"text": "Two."})
    await api.wait_for_reason("Ready", "RolledBack", "careful", 40)
    job_path = next(
        path for _, path, _, _, status in cluster.proxy.exchanges if "/jobs/careful-" in path and status == 201
    )

    async def no_job() -> bool:
        return await api.list("Job") == []

    await wait_until(no_job)
    name, pod = job_path.rpartition("/")[2], {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}
    await api.create("Job", {"metadata": {"name": name}, "spec": {"suspend": True, "template": {"spec": pod}}})
    await api.merge(
        "AgentDeployment", "careful", {"metadata": {"annotations": {constants.ANNOTATION_ROLLOUT: "retry"}}}
    )
    await api.wait_for_reason("Ready", "Conflict", "careful", 40)
    await api.delete("Job", name)
    await api.apply_agent("careful", **CAREFUL, systemPrompt={"text": "Three."})

    async def forgotten() -> bool:
        return any(
            method == "DELETE" and "/controllerrevisions/" in path for method, path, *_ in cluster.proxy.exchanges
        )

    await wait_until(forgotten)


async def gone(api: Any, agent: str) -> bool:
    return await api.get("AgentDeployment", agent) is None


def test_a_namespaced_install_has_no_cluster_wide_permission() -> None:
    """All its permissions are in the cluster-wide install, too."""
    here, everywhere = (
        granted_permissions(rbac.permissions(cluster_wide=False)),
        granted_permissions(rbac.permissions(cluster_wide=True)),
    )
    resources = ("namespaces", "customresourcedefinitions", "ingressclasses", "clusterissuers")
    cluster_scoped = {
        (verb, group, resource)
        for verb, group, resource in everywhere
        if resource in resources or resource.startswith("agentruntimechannels")
    }

    assert set(here) == set(everywhere) - cluster_scoped

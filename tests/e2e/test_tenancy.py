"""The admission policy of deploy/ keeps authors of AgentDeployments from using the operator's permissions."""

import json
import uuid
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl, make_agent
from tests.polling import eventually

pytestmark = pytest.mark.authorization

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
AGENTS = {"apiGroups": ["agent-operator.dev"], "resources": ["agentdeployments"], "verbs": ["create", "patch", "get"]}
VAULT = {"externalSecret": {"secretStoreRef": {"name": "company", "kind": "ClusterSecretStore"}, "data": {"A": "a"}}}
KEY_VAULT = {"externalSecret": {"azureKeyVault": {"vaultUrl": "https://kv.vault.azure.net"}, "data": {"A": "a"}}}

CHECKS: Object = {
    "rollout": {
        "strategy": "Canary",
        "canary": {"checks": [{"name": "greets", "prompt": "Hello", "contains": ["hello"]}]},
    }
}

# Specs that need more than a Deployment, with the permission that their author needs.
MORE: dict[str, tuple[Object, str, str]] = {
    "ingress": ({"ingress": {"host": "a.example.com"}}, "networking.k8s.io", "ingresses"),
    "gateway": ({"gateway": {"parentRefs": [{"name": "web"}]}}, "gateway.networking.k8s.io", "httproutes"),
    "plain credentials": ({"credentials": {"values": {"A": "b"}}}, "", "secrets"),
    "vault": ({"credentials": VAULT}, "external-secrets.io", "externalsecrets"),
    "autoscaling": ({"autoscaling": {"maxReplicas": 5}}, "autoscaling", "horizontalpodautoscalers"),
    "monitoring": ({"monitoring": {"serviceMonitor": {}}}, "monitoring.coreos.com", "servicemonitors"),
    "alerts": ({"monitoring": {"prometheusRule": {}}}, "monitoring.coreos.com", "prometheusrules"),
    "dashboard": ({"monitoring": {"dashboard": {}}}, "", "configmaps"),
    "checks": (CHECKS, "batch", "jobs"),
}


def rule(group: str, *resources: str) -> Object:
    return {"apiGroups": [group], "resources": list(resources), "verbs": ["create"]}


DEPLOYMENTS = rule("apps", "deployments")
SERVICES = rule("", "services")
WALLS = rule("networking.k8s.io", "networkpolicies")
BUDGETS = rule("policy", "poddisruptionbudgets")
ACCOUNTS = rule("", "serviceaccounts")
# The children of every agent that can affect other workloads.
ALWAYS = (DEPLOYMENTS, SERVICES, WALLS, BUDGETS, ACCOUNTS)


def grant(kubectl: Kubectl, user: str, *rules: Object, cluster: bool = False) -> None:
    """Grant a user permissions in the namespace of this kubectl, or in the whole cluster."""
    kind, name = "ClusterRole" if cluster else "Role", f"{user}-{uuid.uuid4().hex[:6]}"
    kubectl.apply(
        {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": name}, "rules": list(rules)},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
        },
    )


def refusal(kubectl: Kubectl, user: str, obj: Object) -> str:
    """The error of the API server when this user creates an object; empty when it is accepted."""
    error = kubectl.run("create", "--dry-run=server", "--as", user, "-f", "-", stdin=obj, check=False).stderr
    return "\n".join(line for line in error.splitlines() if not line.startswith("Warning: "))


@pytest.fixture
def tenant(kubectl: Kubectl) -> str:
    """A user who may write AgentDeployments in the namespace of the test, and nothing else."""
    user = f"tenant-{uuid.uuid4().hex[:8]}"
    grant(kubectl, user, AGENTS)
    eventually("the admission policy applies", lambda: "may not create" in refusal(kubectl, user, make_agent()))
    return user


def test_an_agent_is_rejected_without_permission_to_create_deployments(kubectl: Kubectl, tenant: str) -> None:
    error = refusal(kubectl, tenant, make_agent())

    assert f"user {tenant} may not create deployments.apps in namespace {kubectl.namespace}" in error
    assert "which this AgentDeployment requires: ask for a role with this right" in error


def test_an_agent_is_accepted_with_permission_to_create_deployments(kubectl: Kubectl, tenant: str) -> None:
    grant(kubectl, tenant, *ALWAYS)
    eventually("the permission takes effect", lambda: not refusal(kubectl, tenant, make_agent()))

    kubectl.run("create", "--as", tenant, "-f", "-", stdin=make_agent())

    eventually("the Deployment is created", lambda: kubectl.get("deploy", "support"))


def test_a_change_of_the_spec_is_authorized_again_but_labels_are_not(kubectl: Kubectl, tenant: str) -> None:
    """An update of another user's agent is authorized in the same way."""
    kubectl.apply(make_agent())

    def patch(change: Object) -> str:
        words = ("patch", "agd", "support", "--type=merge", "-p", json.dumps(change), "--as", tenant)
        return str(kubectl.run(*words, check=False).stderr)

    assert "may not create deployments.apps" in patch({"spec": {"runtime": {"image": "evil/miner:1"}}})
    command = {"agent-operator.dev/rollout": "rollback"}
    assert "may not create deployments.apps" in patch({"metadata": {"annotations": command}})
    assert patch({"metadata": {"annotations": {"a": "b"}}}) == ""
    assert patch({"metadata": {"labels": {"team": "billing"}}}) == ""


@pytest.mark.parametrize("case", MORE)
def test_each_optional_child_needs_permission_to_create_its_kind(case: str, kubectl: Kubectl, tenant: str) -> None:
    spec, group, resource = MORE[case]
    grant(kubectl, tenant, *ALWAYS)
    eventually("the permission takes effect", lambda: not refusal(kubectl, tenant, make_agent()))

    error = refusal(kubectl, tenant, make_agent(**spec))

    assert f"may not create {resource}{'.' if group else ''}{group} in namespace {kubectl.namespace}" in error
    assert f"spec.{next(iter(spec))}" in error or f"in spec.{next(iter(spec))}" in error
    grant(kubectl, tenant, rule(group, resource))
    eventually("the request is accepted", lambda: not refusal(kubectl, tenant, make_agent(**spec)))


@pytest.mark.parametrize("lacking", [SERVICES, WALLS, BUDGETS, ACCOUNTS], ids=lambda rule: str(rule["resources"][0]))
def test_children_that_affect_other_workloads_are_always_authorized(
    lacking: Object, kubectl: Kubectl, tenant: str
) -> None:
    """A Service can take the name of one that others call; a NetworkPolicy can select their pods."""
    grant(kubectl, tenant, *(right for right in ALWAYS if right != lacking))
    word = f"may not create {lacking['resources'][0]}"

    eventually("the message is reported", lambda: word in refusal(kubectl, tenant, make_agent()))
    if lacking == WALLS:
        eventually(
            "the request is accepted",
            lambda: not refusal(kubectl, tenant, make_agent(networkPolicy={"enabled": False})),
        )
    if lacking == ACCOUNTS:
        existing: Object = {"serviceAccount": {"name": "existing"}}
        eventually("the request is accepted", lambda: not refusal(kubectl, tenant, make_agent(identity=existing)))
        for identity in (
            {"azureWorkloadIdentity": {"clientId": "c"}} | existing,
            {"serviceAccount": {"annotations": {"a": "b"}}},
        ):
            error = refusal(kubectl, tenant, make_agent(identity=identity))
            assert f"{word} in namespace {kubectl.namespace}, which spec.identity requires" in error
    grant(kubectl, tenant, lacking)
    eventually("the request is accepted", lambda: not refusal(kubectl, tenant, make_agent()))


def test_a_disabled_service_monitor_needs_no_permission(kubectl: Kubectl, tenant: str) -> None:
    grant(kubectl, tenant, *ALWAYS)
    disabled = make_agent(monitoring={"serviceMonitor": {"enabled": False}})
    eventually("the request is accepted", lambda: not refusal(kubectl, tenant, disabled))
    often = make_agent(monitoring={"serviceMonitor": {"interval": "1s"}})
    assert "interval must be at least 15s" in kubectl.run("create", "-f", "-", stdin=often, check=False).stderr


def test_scaling_needs_permission_to_scale_deployments(kubectl: Kubectl, tenant: str) -> None:
    grant(kubectl, tenant, AGENTS | {"resources": ["agentdeployments/scale"], "verbs": ["get", "patch", "update"]})
    kubectl.apply(make_agent())

    def error() -> str:
        return str(kubectl.run("scale", "agd", "support", "--replicas=2", "--as", tenant, check=False).stderr)

    word = f"user {tenant} may not update deployments.apps/scale in namespace {kubectl.namespace}"
    eventually("the message is reported", lambda: word in error())
    grant(kubectl, tenant, {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["update"]})
    eventually("the request is accepted", lambda: not error())
    hpa = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
    path = f"/apis/agent-operator.dev/v1alpha1/namespaces/{kubectl.namespace}/agentdeployments/support/scale"
    meta = {"name": "support", "namespace": kubectl.namespace}
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": meta, "spec": {"replicas": 1}}
    kubectl.run("replace", "--raw", path, "-f", "-", "--as", hpa, stdin=json.dumps(scale))


def test_a_forged_status_needs_the_permissions_of_the_operator(kubectl: Kubectl, tenant: str) -> None:
    """The operator deletes the Namespace that the status names."""
    grant(kubectl, tenant, AGENTS | {"resources": ["agentdeployments/status"], "verbs": ["get", "patch"]})
    kubectl.apply(make_agent())

    def error(**fields: Any) -> str:
        patch = json.dumps({"status": fields})
        words = ("patch", "agd", "support", "--subresource=status", "--type=merge", "-p", patch, "--as", tenant)
        return str(kubectl.run(*words, check=False).stderr)

    eventually("the message is reported", lambda: "may not create deployments.apps" in error(model="forged"))
    grant(kubectl, tenant, DEPLOYMENTS)
    eventually("the request is accepted", lambda: not error(model="forged"))
    child = {"apiVersion": "v1", "kind": "Namespace", "name": "victim", "ready": True}
    for fields in ({"namespaceUid": "requested"}, {"children": [child]}):
        assert f"may not delete the namespace {kubectl.namespace}" in error(**fields)


def test_deleting_an_agent_with_a_namespace_needs_permission_to_delete_it(kubectl: Kubectl, tenant: str) -> None:
    grant(
        kubectl, tenant, {"apiGroups": ["agent-operator.dev"], "resources": ["agentdeployments"], "verbs": ["delete"]}
    )
    own = f"{kubectl.namespace}-own"
    kubectl.apply(make_agent(namespace={"name": own}), make_agent("plain"))

    def error(name: str) -> str:
        return str(kubectl.run("delete", "agd", name, "--wait=false", "--as", tenant, check=False).stderr)

    eventually("the message is reported", lambda: f"may not delete the namespace {own}" in error("support"))
    assert not error("plain")
    rights = {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": [own], "verbs": ["delete"]}
    grant(kubectl, tenant, rights, cluster=True)
    eventually("the request is accepted", lambda: not error("support"))


def test_a_config_map_for_another_namespace_needs_permission_to_read_it(kubectl: Kubectl, tenant: str) -> None:
    prompt: dict[str, Any] = {"systemPrompt": {"configMapKeyRef": {"name": "others", "key": "text"}}}
    moved = make_agent(namespace={"name": f"{kubectl.namespace}-own"}, **prompt)
    grant(kubectl, tenant, *ALWAYS, rule("", "namespaces"), cluster=True)
    eventually("the request is accepted", lambda: not refusal(kubectl, tenant, make_agent(**prompt)))

    assert f"may not get configmaps in namespace {kubectl.namespace}" in refusal(kubectl, tenant, moved)
    grant(kubectl, tenant, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]})
    eventually("the request is accepted", lambda: not refusal(kubectl, tenant, moved))


def test_a_key_vault_needs_permission_to_create_secret_stores(kubectl: Kubectl, tenant: str) -> None:
    grant(kubectl, tenant, *ALWAYS, rule("external-secrets.io", "externalsecrets"))
    eventually("the permission takes effect", lambda: not refusal(kubectl, tenant, make_agent(credentials=VAULT)))

    assert "may not create secretstores.external-secrets.io" in refusal(
        kubectl, tenant, make_agent(credentials=KEY_VAULT)
    )


def test_a_namespace_needs_permission_to_create_it_and_its_contents(kubectl: Kubectl, tenant: str) -> None:
    """Permission to create Deployments in one namespace is none to create them in another."""
    moved = make_agent(namespace={"name": f"{kubectl.namespace}-own"})
    grant(kubectl, tenant, *ALWAYS)
    eventually("the permission takes effect", lambda: not refusal(kubectl, tenant, make_agent()))

    assert f"deployments.apps in namespace {kubectl.namespace}-own" in refusal(kubectl, tenant, moved)
    grant(kubectl, tenant, *ALWAYS, cluster=True)
    eventually("the other message is reported", lambda: "may not create namespaces" in refusal(kubectl, tenant, moved))
    assert "spec.namespace requires: remove the field" in refusal(kubectl, tenant, moved)
    grant(kubectl, tenant, rule("", "namespaces"), cluster=True)
    eventually("the request is accepted", lambda: not refusal(kubectl, tenant, moved))


def test_adoption_needs_permission_to_delete_the_objects(kubectl: Kubectl, tenant: str) -> None:
    """With the right to create them, which every author needs, a user could replace them anyway."""
    grant(kubectl, tenant, *ALWAYS)
    eventually("the permission takes effect", lambda: not refusal(kubectl, tenant, make_agent()))

    def adopting(entries: str) -> str:
        agent = make_agent()
        agent["metadata"]["annotations"] = {"agent-operator.dev/adopt": entries}
        return refusal(kubectl, tenant, agent)

    for entries in ("Service/support", "labeled", "Deployment/support, Service/support"):
        assert f"user {tenant} may not delete" in adopting(entries)
        assert "which the annotation agent-operator.dev/adopt requires" in adopting(entries)
    grant(kubectl, tenant, SERVICES | {"verbs": ["delete"]})
    eventually("the request is accepted", lambda: not adopting("Service/support"))
    assert "may not delete deployments.apps" in adopting("Deployment/support,Service/support")


def test_adoption_of_a_namespace_needs_permission_to_update_it(kubectl: Kubectl, tenant: str) -> None:
    """The labels of a Namespace decide about Pod Security in it."""
    own = f"{kubectl.namespace}-own"
    agent = make_agent(namespace={"name": own})
    agent["metadata"]["annotations"] = {"agent-operator.dev/adopt": f"Namespace/{own}"}
    grant(
        kubectl,
        tenant,
        *ALWAYS,
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create", "delete"]},
        cluster=True,
    )

    eventually("the message is reported", lambda: "may not update the namespace" in refusal(kubectl, tenant, agent))
    grant(kubectl, tenant, {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["update"]}, cluster=True)
    eventually("the request is accepted", lambda: not refusal(kubectl, tenant, agent))


def test_an_agent_that_is_exposed_without_keys_is_accepted_with_a_warning(kubectl: Kubectl) -> None:
    exposed = make_agent(ingress={"host": "a.example.com"})

    shown = kubectl.run("create", "--dry-run=server", "-f", "-", stdin=exposed)

    assert "reachable from outside of the cluster and requires no API key" in shown.stderr
    keys = make_agent(ingress={"host": "a.example.com"}, apiKeys={"secretKeyRef": {"name": "keys", "key": "keys"}})
    assert "reachable" not in kubectl.run("create", "--dry-run=server", "-f", "-", stdin=keys).stderr


@pytest.mark.parametrize("name", ["adoption", "authors", "deletion", "exposure", "operator", "scale", "status"])
def test_the_admission_policies_have_no_type_errors(name: str, kubectl: Kubectl) -> None:
    """The API server has type-checked their expressions against the CRD."""
    policy = f"{name}.agent-operator.dev"
    path = "validatingadmissionpolicy"
    status = eventually("the policy is type-checked", lambda: kubectl.get(path, policy).get("status"))

    assert status["observedGeneration"] == kubectl.get(path, policy)["metadata"]["generation"]
    assert status.get("typeChecking", {}).get("expressionWarnings", []) == []

"""The policy of deploy/kustomize/confinement keeps the operator's ServiceAccount from what the operator never does.

All tests of this folder run their operator under the policy, too.
"""

import json
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl, make_agent
from tests.polling import eventually

pytestmark = pytest.mark.authorization

Object = dict[str, Any]
OPERATOR = ("--as", "system:serviceaccount:agent-operator-system:agent-operator")
UID = "3b1f0a52-6a0e-4b8b-9d7c-1f2e3d4c5b6a"
META: Object = {
    "name": "stolen",
    "labels": {"agent-operator.dev/agent": "stolen", "app.kubernetes.io/managed-by": "agent-operator"},
    "ownerReferences": [
        {
            "apiVersion": "agent-operator.dev/v1alpha1",
            "kind": "AgentDeployment",
            "name": "stolen",
            "uid": UID,
            "controller": True,
        }
    ],
}
HARDENED: Object = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
TOKEN = {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}


ACCOUNT_TOKEN: Object = {
    "type": "kubernetes.io/service-account-token",
    "metadata": META | {"name": "stolen-secrets", "annotations": {"kubernetes.io/service-account.name": "default"}},
}


def obj(api: str, kind: str, *, without: str = "", name: str = "stolen", **fields: Any) -> Object:
    """An object with the marks of a child, which everybody who has the operator's token can set."""
    meta = {key: value for key, value in META.items() if key != without} | {"name": name}
    return {"apiVersion": api, "kind": kind, "metadata": meta, **fields}


def deployment(*, container: Object | None = None, **pod: Any) -> Object:
    main = {"name": "agent", "image": "registry.example.com/a:1", "securityContext": HARDENED} | (container or {})
    spec = {"automountServiceAccountToken": False, "containers": [main]} | pod
    labels = {"app": "stolen"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return obj("apps/v1", "Deployment", spec={"selector": {"matchLabels": labels}, "template": template})


def config_map(**marks: Any) -> Object:
    return obj("v1", "ConfigMap", **marks)


PORTS = [{"port": 80}]
ATTEMPTS: dict[str, tuple[Object, str]] = {
    "a token of any ServiceAccount": (
        obj("v1", "Secret", name="stolen-secrets", type=ACCOUNT_TOKEN["type"])
        | {"metadata": ACCOUNT_TOKEN["metadata"]},
        "Secrets of this type or name",
    ),
    "another Secret": (obj("v1", "Secret", name="stolen-tls"), "Secrets of this type or name"),
    "a pod with a token": (deployment(automountServiceAccountToken=True), "pods with a token"),
    "a pod with the default token": (deployment(automountServiceAccountToken=None), "pods with a token"),
    "a projected token": (deployment(volumes=[TOKEN]), "pods with a token"),
    "a host path": (deployment(volumes=[{"name": "h", "hostPath": {"path": "/"}}]), "access to the node"),
    "a privileged container": (
        deployment(container={"securityContext": HARDENED | {"privileged": True, "allowPrivilegeEscalation": True}}),
        "privileged pods",
    ),
    "a root container": (deployment(container={"securityContext": HARDENED | {"runAsNonRoot": False}}), "privileged"),
    "the host network": (deployment(hostNetwork=True), "privileged pods"),
    "an init container": (
        deployment(initContainers=[{"name": "i", "image": "registry.example.com/i:1"}]),
        "privileged pods",
    ),
    "an object without labels": (config_map(without="labels"), "without the labels and the owner"),
    "an object without an owner": (config_map(without="ownerReferences"), "without the labels and the owner"),
    "another name": (config_map(name="kube-root-ca.crt-2"), "not named after its agent"),
    "a Service outside": (
        obj("v1", "Service", spec={"type": "ExternalName", "externalName": "evil.example.com"}),
        "Services without pods",
    ),
    "an address of others": (
        obj("v1", "Service", spec={"ports": PORTS, "selector": {"app": "x"}, "externalIPs": ["10.0.0.1"]}),
        "Services without pods",
    ),
    "a policy for all pods": (
        obj("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}}),
        "networkpolicies of all pods",
    ),
    "a ServiceAccount with a token": (obj("v1", "ServiceAccount"), "ServiceAccounts with tokens"),
    "a namespace": (obj("v1", "Namespace", without="ownerReferences"), "without the labels and the owner"),
    "a reserved namespace": (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-evil", "labels": META["labels"]}},
        "objects of the namespace kube-evil",
    ),
}


def error(kubectl: Kubectl, *words: str, stdin: Object | None = None) -> str:
    """The error of a request of the operator's ServiceAccount; empty when it is accepted."""
    return str(kubectl.run(*words, *OPERATOR, stdin=stdin, check=False).stderr)


@pytest.fixture(autouse=True)
def _policy(kubectl: Kubectl) -> None:
    attempt = ("create", "--dry-run=server", "-f", "-")
    unmarked = config_map(without="labels")
    eventually("the policy applies", lambda: "may not create" in error(kubectl, *attempt, stdin=unmarked))


@pytest.mark.parametrize("case", ATTEMPTS)
def test_an_attempt_with_a_stolen_token_is_refused(case: str, kubectl: Kubectl) -> None:
    attempt, message = ATTEMPTS[case]
    refused = error(kubectl, "create", "--dry-run=server", "-f", "-", stdin=attempt)
    assert "the operator may not create " in refused
    assert message in refused


def test_children_are_accepted(kubectl: Kubectl) -> None:
    for child in (
        config_map(),
        deployment(),
        obj("v1", "Secret", name="stolen-secrets"),
        obj("v1", "ServiceAccount", automountServiceAccountToken=False),
    ):
        assert error(kubectl, "create", "--dry-run=server", "-f", "-", stdin=child) == ""


def test_objects_of_others_are_neither_changed_nor_deleted(kubectl: Kubectl) -> None:
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stolen"}, "data": {"a": "b"}}
    kubectl.apply(foreign)
    words = ("patch", "configmap", "stolen", "--type=merge", "--dry-run=server", "-p")
    assert "belongs to no agent" in error(kubectl, *words, json.dumps({"metadata": META, "data": {"a": "c"}}))
    assert "belongs to no agent" in error(kubectl, "delete", "configmap", "stolen", "--dry-run=server")
    assert "belongs to no agent" in error(kubectl, "delete", "namespace", kubectl.namespace, "--dry-run=server")
    marks = {"metadata": {"labels": META["labels"] | {"agent-operator.dev/agent-namespace": "x"}}}
    labelled = ("patch", "namespace", kubectl.namespace, "--type=merge", "--dry-run=server", "-p", json.dumps(marks))
    assert "belongs to no agent" in error(kubectl, *labelled)


def test_the_spec_of_an_agent_is_not_changed(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent())
    words = ("patch", "agd", "support", "--type=merge", "--dry-run=server", "-p")
    assert "the spec or labels" in error(kubectl, *words, json.dumps({"spec": {"replicas": 2}}))
    assert "the spec or labels" in error(kubectl, *words, json.dumps({"metadata": {"labels": {"team": "x"}}}))
    assert error(kubectl, *words, json.dumps({"metadata": {"annotations": {"a": "b"}}})) == ""


def test_an_agent_with_all_children_runs_under_the_policy(kubectl: Kubectl) -> None:
    """Create, change, canary, own namespace and deletion: no request of the operator is refused."""
    own = f"{kubectl.namespace}-own"
    full: Object = {
        "credentials": {"values": {"KEY": "value"}},
        "autoscaling": {"maxReplicas": 3},
        "ingress": {"host": "a.example.com"},
    }
    kubectl.apply(make_agent(**full), make_agent("moved", namespace={"name": own}, credentials=full["credentials"]))
    kubectl.wait_for_condition("support", "ConfigValid", "True", "Valid")
    eventually("the Deployment is created", lambda: Kubectl(kubectl.kubeconfig, own).get("deploy", "moved"))
    eventually("the Ingress is created", lambda: kubectl.get("ingress", "support"))
    eventually("the Secret is created", lambda: kubectl.get("secret", "support-secrets"))
    kubectl.apply(make_agent(systemPrompt={"text": "Changed."}))
    eventually("the Ingress is deleted", lambda: not kubectl.get("ingress", "support"))
    for name in ("support", "moved"):
        agent = kubectl.get("agd", name) or {}
        assert "may not" not in json.dumps(agent["status"])
    kubectl.run("delete", "agd", "moved", "support", "--timeout=60s")
    eventually("the namespace is deleted", lambda: not kubectl.get("namespace", own))

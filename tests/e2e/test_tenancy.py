"""Who writes an AgentDeployment gains nothing by the operator's rights: deploy/'s admission policy sees to it."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.authorization

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
AGENTS = {"apiGroups": ["agent-operator.dev"], "resources": ["agentdeployments"], "verbs": ["create", "patch", "get"]}
VAULT = {"externalSecret": {"secretStoreRef": {"name": "company", "kind": "ClusterSecretStore"}, "data": {"A": "a"}}}
KEY_VAULT = {"externalSecret": {"azureKeyVault": {"vaultUrl": "https://kv.vault.azure.net"}, "data": {"A": "a"}}}

# What in a spec asks for more than a Deployment, and the right that its author must have.
MORE: dict[str, tuple[Object, str, str]] = {
    "ingress": ({"ingress": {"host": "a.example.com"}}, "networking.k8s.io", "ingresses"),
    "gateway": ({"gateway": {"parentRefs": [{"name": "web"}]}}, "gateway.networking.k8s.io", "httproutes"),
    "cloud identity": ({"identity": {"azureWorkloadIdentity": {"clientId": "c"}}}, "", "serviceaccounts"),
    "account annotations": ({"identity": {"serviceAccount": {"annotations": {"a": "b"}}}}, "", "serviceaccounts"),
    "plain credentials": ({"credentials": {"values": {"A": "b"}}}, "", "secrets"),
    "vault": ({"credentials": VAULT}, "external-secrets.io", "externalsecrets"),
}


def rule(group: str, *resources: str) -> Object:
    return {"apiGroups": [group], "resources": list(resources), "verbs": ["create"]}


DEPLOYMENTS = rule("apps", "deployments")
SERVICES = rule("", "services")
WALLS = rule("networking.k8s.io", "networkpolicies")
BUDGETS = rule("policy", "poddisruptionbudgets")
# What every agent consists of, beside what is its own alone.
ALWAYS = (DEPLOYMENTS, SERVICES, WALLS, BUDGETS)


def grant(kubectl: Any, user: str, *rules: Object, cluster: bool = False) -> None:
    """Give a user rights in the namespace of this kubectl, or in the whole cluster."""
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


def refusal(kubectl: Any, user: str, obj: Object) -> str:
    """What the API server says against this user's creating an object; empty when it would."""
    return str(kubectl.run("create", "--dry-run=server", "--as", user, "-f", "-", stdin=obj, check=False).stderr)


@pytest.fixture
def tenant(kubectl: Any, until: Callable[..., Any], agent: Callable[..., Any]) -> str:
    """A user who may write AgentDeployments in the namespace of the test, and create nothing else."""
    user = f"tenant-{uuid.uuid4().hex[:8]}"
    grant(kubectl, user, AGENTS)
    until("the policy's word", lambda: "may not create" in refusal(kubectl, user, agent()))
    return user


def test_without_the_right_to_create_deployments_an_agent_is_refused(
    kubectl: Any, tenant: str, agent: Callable[..., Any]
) -> None:
    said = refusal(kubectl, tenant, agent())

    assert f"user {tenant} may not create deployments.apps in namespace {kubectl.namespace}" in said
    assert "which this AgentDeployment requires: ask for a role with this right" in said


def test_with_that_right_an_agent_is_taken_and_made(
    kubectl: Any, tenant: str, agent: Callable[..., Any], until: Callable[..., Any]
) -> None:
    grant(kubectl, tenant, *ALWAYS)
    until("the right", lambda: not refusal(kubectl, tenant, agent()))

    kubectl.run("create", "--as", tenant, "-f", "-", stdin=agent())

    until("the deployment", lambda: kubectl.get("deploy", "support"))


def test_a_change_asks_again_but_labels_do_not(
    kubectl: Any, tenant: str, agent: Callable[..., Any], until: Callable[..., Any]
) -> None:
    """An agent that somebody else made is no way around."""
    kubectl.apply(agent())

    def patch(change: Object) -> str:
        words = ("patch", "agd", "support", "--type=merge", "-p", json.dumps(change), "--as", tenant)
        return str(kubectl.run(*words, check=False).stderr)

    assert "may not create deployments.apps" in patch({"spec": {"runtime": {"image": "evil/miner:1"}}})
    command = {"agent-operator.dev/rollout": "rollback"}
    assert "may not create deployments.apps" in patch({"metadata": {"annotations": command}})
    assert patch({"metadata": {"annotations": {"a": "b"}}}) == ""
    assert patch({"metadata": {"labels": {"team": "billing"}}}) == ""


@pytest.mark.parametrize("case", MORE)
def test_what_is_more_than_a_deployment_needs_its_own_right(
    case: str, kubectl: Any, tenant: str, agent: Callable[..., Any], until: Callable[..., Any]
) -> None:
    spec, group, resource = MORE[case]
    grant(kubectl, tenant, *ALWAYS)
    until("the right", lambda: not refusal(kubectl, tenant, agent()))

    said = refusal(kubectl, tenant, agent(**spec))

    assert f"may not create {resource}{'.' if group else ''}{group} in namespace {kubectl.namespace}" in said
    assert f"spec.{next(iter(spec))}" in said or f"in spec.{next(iter(spec))}" in said
    grant(kubectl, tenant, rule(group, resource))
    until("no refusal", lambda: not refusal(kubectl, tenant, agent(**spec)))


@pytest.mark.parametrize("lacking", [SERVICES, WALLS, BUDGETS], ids=lambda rule: str(rule["resources"][0]))
def test_what_takes_a_name_or_selects_pods_of_others_is_always_asked_about(
    lacking: Object, kubectl: Any, tenant: str, agent: Callable[..., Any], until: Callable[..., Any]
) -> None:
    """A Service named as one that others call; a policy over pods that have the same label."""
    grant(kubectl, tenant, *(right for right in ALWAYS if right != lacking))
    word = f"may not create {lacking['resources'][0]}"

    until("the word", lambda: word in refusal(kubectl, tenant, agent()))
    if lacking == WALLS:
        until("no refusal", lambda: not refusal(kubectl, tenant, agent(networkPolicy={"enabled": False})))
    grant(kubectl, tenant, lacking)
    until("no refusal", lambda: not refusal(kubectl, tenant, agent()))


def test_to_have_a_config_map_read_into_another_namespace_needs_the_right_to_read_it(
    kubectl: Any, tenant: str, agent: Callable[..., Any], until: Callable[..., Any]
) -> None:
    prompt = {"systemPrompt": {"configMapKeyRef": {"name": "others", "key": "text"}}}
    moved = agent(namespace={"name": f"{kubectl.namespace}-own"}, **prompt)
    grant(kubectl, tenant, *ALWAYS, rule("", "namespaces"), cluster=True)
    until("no refusal", lambda: not refusal(kubectl, tenant, agent(**prompt)))

    assert f"may not get configmaps in namespace {kubectl.namespace}" in refusal(kubectl, tenant, moved)
    grant(kubectl, tenant, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]})
    until("no refusal", lambda: not refusal(kubectl, tenant, moved))


def test_a_key_vault_needs_the_right_to_create_stores(
    kubectl: Any, tenant: str, agent: Callable[..., Any], until: Callable[..., Any]
) -> None:
    grant(kubectl, tenant, *ALWAYS, rule("external-secrets.io", "externalsecrets"))
    until("the right", lambda: not refusal(kubectl, tenant, agent(credentials=VAULT)))

    assert "may not create secretstores.external-secrets.io" in refusal(kubectl, tenant, agent(credentials=KEY_VAULT))


def test_a_namespace_needs_the_rights_to_make_and_to_fill_it(
    kubectl: Any, tenant: str, agent: Callable[..., Any], until: Callable[..., Any]
) -> None:
    """Deployments of the own namespace are no right to those of another."""
    moved = agent(namespace={"name": f"{kubectl.namespace}-own"})
    grant(kubectl, tenant, *ALWAYS)
    until("the right", lambda: not refusal(kubectl, tenant, agent()))

    assert f"deployments.apps in namespace {kubectl.namespace}-own" in refusal(kubectl, tenant, moved)
    grant(kubectl, tenant, *ALWAYS, cluster=True)
    until("the other word", lambda: "may not create namespaces" in refusal(kubectl, tenant, moved))
    assert "spec.namespace: remove it" in refusal(kubectl, tenant, moved)
    grant(kubectl, tenant, rule("", "namespaces"), cluster=True)
    until("no refusal", lambda: not refusal(kubectl, tenant, moved))


def test_the_policy_has_no_faults_of_type(kubectl: Any, until: Callable[..., Any]) -> None:
    """The API server has checked its expressions against the CRD."""
    policy = "authors.agent-operator.dev"
    path = "validatingadmissionpolicy"
    status = until("its check", lambda: kubectl.get(path, policy).get("status"))

    assert status["observedGeneration"] == kubectl.get(path, policy)["metadata"]["generation"]
    assert status.get("typeChecking", {}).get("expressionWarnings", []) == []

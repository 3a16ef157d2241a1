"""The rights that deploy/ gives the operator, and what the admission policy asks of authors."""

import re
from pathlib import Path
from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.codegen import rbac
from agent_operator.codegen.rbac import Permission, rules
from agent_operator.kube.resources import CHILDREN, GRANDCHILDREN
from tests import fast_yaml as yaml

ROOT = Path(__file__).parents[4]
KUSTOMIZE = ROOT / "deploy" / "kustomize"
ROLES = [obj for objects in rbac.files().values() for obj in objects if obj["kind"] in ("Role", "ClusterRole")]
# Children that the policy does not ask about, each for a reason: they give their author nothing.
HARMLESS = {
    "ConfigMap": "the agent's own text",
    "ControllerRevision": "the agent's own past",
    "Job": "who creates a Deployment runs pods",
    "HorizontalPodAutoscaler": "who creates a Deployment scales it",
    "ServiceMonitor": "makes Prometheus read the agent's own Service",
}


@pytest.mark.parametrize("path", rbac.files())
def test_what_is_committed_is_what_the_code_says(path: str) -> None:
    """Otherwise: make manifests."""
    assert (KUSTOMIZE / path).read_text(encoding="utf-8") == rbac.dump(rbac.files()[path])


@pytest.mark.parametrize("role", ROLES, ids=lambda role: f"{role['kind']} {role['metadata']['name']}")
def test_no_role_has_a_wildcard(role: dict[str, Any]) -> None:
    assert "*" not in str(role["rules"])


def test_the_operator_may_change_nothing_that_runs_code_but_deployments() -> None:
    """Neither pods nor what makes them, nor rights, nor admission."""
    changing = {
        right.resource
        for right in rbac.permissions(cluster_wide=True)
        if set(right.verbs) & {"create", "update", "patch", "delete"}
    }

    assert changing == {
        *(kind.plural for kind in CHILDREN),
        "agentdeployments",
        "agentdeployments/status",
        "agentdeployments/finalizers",
        "agentruntimechannels/status",
        "events",
    }
    assert not changing & {kind.plural for kind in GRANDCHILDREN}


def test_a_namespaced_install_makes_no_cluster_role() -> None:
    made = {path: {obj["kind"] for obj in objects} for path, objects in rbac.files().items()}

    assert made["base/rbac.yaml"] | made["watched/rbac.yaml"] == {"Role", "RoleBinding"}


def test_nobody_gets_a_right_to_change_channels_by_being_somebody_else() -> None:
    """One role has it, and flows into no other; who may write agents may write no channel."""
    changing = {
        role["metadata"]["name"]: role["metadata"].get("labels")
        for role in ROLES
        for rule in role["rules"]
        if "agentruntimechannels" in rule["resources"] and not set(rule["verbs"]) <= {"get", "list", "watch"}
    }

    assert changing == {"agent-operator-channel-edit": None}


def test_rules_join_what_is_alike_and_only_that() -> None:
    given = [
        Permission("a", "y", ("get",)),
        Permission("b", "x", ("get",)),
        Permission("a", "x", ("get",)),
        Permission("a", "z", ("list",)),
    ]

    assert rules(given) == [
        {"apiGroups": ["a"], "resources": ["x", "y"], "verbs": ["get"]},
        {"apiGroups": ["a"], "resources": ["z"], "verbs": ["list"]},
        {"apiGroups": ["b"], "resources": ["x"], "verbs": ["get"]},
    ]


def test_the_policy_asks_about_every_kind_of_child_that_gives_its_author_something() -> None:
    """A new kind must be either asked about, or harmless for a reason."""
    text = (KUSTOMIZE / "admission" / "policy.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"resource\('([a-z]+)'\)(?:\s*\.namespace\([a-z.]+\))?\s*\.check\('create'\)", text))

    assert asked == {kind.plural for kind in CHILDREN if kind.kind not in HARMLESS}


def test_the_policy_is_about_our_kind_and_fails_closed() -> None:
    policy, binding = yaml.safe_load_all((KUSTOMIZE / "admission" / "policy.yaml").read_text(encoding="utf-8"))
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]

    assert (rule["apiGroups"], rule["apiVersions"], rule["resources"]) == (
        [constants.GROUP],
        [constants.VERSION],
        [constants.PLURAL],
    )
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert all(validation["reason"] == "Forbidden" for validation in policy["spec"]["validations"])
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}


def test_the_docs_tell_every_right() -> None:
    """In the table of docs/install.md: resources as kubectl names them, verbs, reason."""
    text = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([-a-z0-9./, ]+)` \| ([a-z, ]+) \| [a-z`]", text, flags=re.MULTILINE)
    told = sorted((resource, verbs) for resources, verbs in rows for resource in resources.split(", "))

    def named(right: Permission) -> str:
        resource, slash, subresource = right.resource.partition("/")
        return f"{resource}.{right.group}".rstrip(".") + slash + subresource

    given = [*rbac.permissions(cluster_wide=True), *rbac.lease_permissions()]
    assert told == sorted((named(right), ", ".join(right.verbs)) for right in given)

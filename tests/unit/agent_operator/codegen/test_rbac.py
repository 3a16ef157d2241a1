"""The permissions that deploy/ grants to the operator, and those that the admission policy requires of authors."""

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
Object = dict[str, Any]
ROLES = [obj for objects in rbac.files().values() for obj in objects if obj["kind"] in ("Role", "ClusterRole")]
# Children that the policy does not check, because they give their author no further permissions.
HARMLESS = {
    "CiliumNetworkPolicy": "allows less than the NetworkPolicy, for which the policy requires the right",
    "ControllerRevision": "the agent's own revisions",
}


@pytest.mark.parametrize("path", rbac.files())
def test_committed_manifests_match_the_code(path: str) -> None:
    """If it fails, run `make manifests`."""
    assert (KUSTOMIZE / path).read_text(encoding="utf-8") == rbac.dump(rbac.files()[path])


@pytest.mark.parametrize("role", ROLES, ids=lambda role: f"{role['kind']} {role['metadata']['name']}")
def test_no_role_has_a_wildcard(role: dict[str, Any]) -> None:
    assert "*" not in str(role["rules"])


def test_operator_can_only_write_its_children_and_status() -> None:
    """The operator cannot write pods, ReplicaSets, RBAC or admission policies."""
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


def test_namespaced_install_has_no_cluster_role() -> None:
    kinds = {path: {obj["kind"] for obj in objects} for path, objects in rbac.files().items()}

    assert kinds["base/rbac.yaml"] | kinds["watched/rbac.yaml"] == {"Role", "RoleBinding"}


def test_only_one_role_can_write_channels_and_it_is_not_aggregated() -> None:
    """Users who can write agents cannot write channels."""
    changing = {
        role["metadata"]["name"]: role["metadata"].get("labels")
        for role in ROLES
        for rule in role["rules"]
        if "agentruntimechannels" in rule["resources"] and not set(rule["verbs"]) <= {"get", "list", "watch"}
    }

    assert changing == {"agent-operator-channel-edit": None}


def test_rules_merge_resources_with_equal_group_and_verbs() -> None:
    granted = [
        Permission("a", "y", ("get",)),
        Permission("b", "x", ("get",)),
        Permission("a", "x", ("get",)),
        Permission("a", "z", ("list",)),
    ]

    assert rules(granted) == [
        {"apiGroups": ["a"], "resources": ["x", "y"], "verbs": ["get"]},
        {"apiGroups": ["a"], "resources": ["z"], "verbs": ["list"]},
        {"apiGroups": ["b"], "resources": ["x"], "verbs": ["get"]},
    ]


def test_policy_checks_every_kind_of_child_that_is_not_harmless() -> None:
    """A new kind needs a check in the policy or a reason in HARMLESS."""
    text = (KUSTOMIZE / "admission" / "policy.yaml").read_text(encoding="utf-8")
    checked = set(re.findall(r"resource\('([a-z]+)'\)(?:\s*\.namespace\([a-z.]+\))?\s*\.check\('create'\)", text))

    assert checked == {kind.plural for kind in CHILDREN if kind.kind not in HARMLESS}


def policies(folder: str) -> list[tuple[Object, Object]]:
    """The policies of a folder, each with its binding."""
    objects = list(yaml.safe_load_all((KUSTOMIZE / folder / "policy.yaml").read_text(encoding="utf-8")))
    return list(zip(objects[::2], objects[1::2], strict=True))


def test_policies_match_agent_deployments_and_fail_closed() -> None:
    resources: list[str] = []
    for policy, binding in [*policies("admission"), *policies("confinement")]:
        (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]
        resources += rule["resources"] if rule["apiGroups"] == [constants.GROUP] else []
        assert policy["spec"]["failurePolicy"] == "Fail"
        assert all(validation["reason"] == "Forbidden" for validation in policy["spec"]["validations"])
        # Keys for exposed agents are required only with the component require-api-keys.
        action = "Warn" if policy["metadata"]["name"] == "exposure.agent-operator.dev" else "Deny"
        assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": [action]}
    agents = constants.PLURAL
    assert resources == [agents, f"{agents}/scale", f"{agents}/status", agents, agents, agents]


def test_the_confinement_allows_the_operator_what_it_writes() -> None:
    """A new kind of child must be added to the list in the policy."""
    ((policy, _),) = policies("confinement")
    variables = {variable["name"]: variable["expression"] for variable in policy["spec"]["variables"]}
    assert set(re.findall(r"'([^']+)'", variables["is_child"])) == {f"{kind.group}/{kind.plural}" for kind in CHILDREN}
    allowed = set(re.findall(r"'([^' ]+/[^' ]+)'", policy["spec"]["validations"][0]["expression"]))
    children = {f"{kind.group}/{kind.plural}" for kind in CHILDREN}
    verbs = {"create", "update", "patch", "delete"}
    written = {
        f"{permission.group}/{permission.resource}"
        for permission in (*rbac.permissions(cluster_wide=True), *rbac.lease_permissions())
        if verbs & set(permission.verbs) and not permission.resource.endswith("/finalizers")
    }
    assert allowed | children == written
    account = f"system:serviceaccount:{rbac.NAMESPACE}:{rbac.ACCOUNT}"
    assert policy["spec"]["matchConditions"][0]["expression"] == f"request.userInfo.username == '{account}'"


def test_docs_list_every_permission() -> None:
    """The table in operator-rights.md has the resources as kubectl names them, the verbs and the reason."""
    text = (ROOT / "docs" / "reference" / "operator-rights.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([-a-z0-9./, ]+)` \| ([a-z, ]+) \| [a-z`]", text, flags=re.MULTILINE)
    documented = sorted((resource, verbs) for resources, verbs in rows for resource in resources.split(", "))

    def qualified(permission: Permission) -> str:
        resource, slash, subresource = permission.resource.partition("/")
        return f"{resource}.{permission.group}".rstrip(".") + slash + subresource

    granted = [*rbac.permissions(cluster_wide=True), *rbac.lease_permissions()]
    assert documented == sorted((qualified(permission), ", ".join(permission.verbs)) for permission in granted)

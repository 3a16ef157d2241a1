"""Each value of the Helm chart reaches an object, and wrong values are named."""

import kubernetes_validate
import pytest

from agent_operator.settings import read
from tests.helm_chart import EVERYTHING, NAMESPACE, WITHOUT_POLICIES, Values, environment, one, rendered, template


def test_every_value_reaches_the_objects_and_these_are_valid() -> None:
    objects = rendered(EVERYTHING)

    for obj in objects:
        if obj["kind"] not in ("ServiceMonitor", "PrometheusRule"):
            kubernetes_validate.validate(obj, "1.36", strict=True)
        team = "on-call" if obj["kind"] == "PrometheusRule" else "platform"
        assert obj["metadata"]["name"].startswith("ours") or obj["metadata"]["labels"]["team"] == team
    deployment = one(objects, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    digest = "sha256:" + "0" * 64
    assert container["image"] == f"registry.example.com:5000/acme/mirror/operator:1.2.3@{digest}"
    for field in ("tolerations", "nodeSelector", "affinity", "topologySpreadConstraints", "priorityClassName"):
        assert pod[field] == EVERYTHING[field]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["serviceAccountName"] == one(objects, "ServiceAccount")["metadata"]["name"] == "operator"
    assert container["resources"]["limits"] == {"memory": "1Gi"}
    assert deployment["metadata"]["annotations"] == {"a": "1"}
    assert deployment["spec"]["template"]["metadata"] == {
        "annotations": {"b": "2"},
        "labels": {"app.kubernetes.io/name": "ai-agents", "c": "3"},
    }
    assert deployment["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": "ai-agents"}
    names = {obj["metadata"]["name"] for obj in objects if obj["kind"] == "ConfigMap"}
    dashboards = {f"ai-agents-dashboard-{name}" for name in ("agent", "fleet", "operator")}
    assert names == {*dashboards, "ours-object", "ours-text"}
    assert one(objects, "PodDisruptionBudget")["spec"]["minAvailable"] == "50%"


def test_the_settings_are_the_options_of_the_operator() -> None:
    given = environment(rendered(EVERYTHING))

    settings = read(["run"], given)

    expected: Values = EVERYTHING["settings"]
    assert settings.workers == expected["workers"]
    assert (settings.resync, settings.refs_refresh, settings.health_refresh) == (1200, 4.5, 1000000)
    assert list(settings.dns_resolvers) == expected["dnsResolvers"]
    assert (settings.log_format, settings.log_level) == ("text", "DEBUG")
    flags = ("allowAdoption", "manageNamespaces", "allowUnsafePodTemplates", "setPodUser", "fqdnPolicies", "readOnly")
    found = (
        settings.allow_adoption,
        settings.manage_namespaces,
        settings.allow_unsafe_pod_templates,
        settings.set_pod_user,
        settings.fqdn_policies,
        settings.read_only,
    )
    assert found == tuple(expected[name] for name in flags)
    assert (settings.lease_name, settings.lease_namespace) == ("lease", "leases")
    assert settings.runtime_image == "registry.example.com:5000/acme/agent-operator/agent-runtime:0.2.0"
    assert settings.runtime_image_pull_secrets == ("registry", "other")


def test_the_rights_and_the_confinement_name_the_lease_and_the_account_of_the_release() -> None:
    values = {
        "fullnameOverride": "ai-agents",
        "serviceAccount": {"name": "operator"},
        "settings": {"leaseName": "lease"},
        "admissionPolicies": {"confineOperator": True},
    }
    objects = rendered(values)

    policy = next(obj for obj in objects if obj["metadata"]["name"] == "operator.agent-operator.dev")
    assert f"system:serviceaccount:{NAMESPACE}:operator'" in policy["spec"]["matchConditions"][0]["expression"]
    assert "variables.name == 'lease'" in str(policy)
    role = next(obj for obj in objects if obj["metadata"]["name"] == "ai-agents-leader-election")
    assert [rule.get("resourceNames") for rule in role["rules"]] == [None, ["lease"]]
    bindings = [obj for obj in objects if obj["kind"].endswith("Binding") and "subjects" in obj]
    assert {(subject["name"], subject["namespace"]) for obj in bindings for subject in obj["subjects"]} == {
        ("operator", NAMESPACE)
    }
    known = {obj["metadata"]["name"] for obj in objects if obj["kind"].endswith("Role")}
    assert {obj["roleRef"]["name"] for obj in bindings} <= known


@pytest.mark.parametrize("name", ["123", "1e3", "null"])
def test_names_that_yaml_reads_as_other_types_stay_names(name: str) -> None:
    """Namespaces and Secrets can have such names."""
    values = {
        "fullnameOverride": name,
        "priorityClassName": name,
        "imagePullSecrets": [name],
        "runtimeImage": {"pullSecrets": [name]},
        "rbac": {"namespaces": [name]},
        "serviceAccount": {"name": name},
        "settings": {"leaseName": name, "leaseNamespace": name},
        "monitoring": {part: {"enabled": True} for part in ("serviceMonitor", "prometheusRule", "dashboards")},
        "admissionPolicies": {"confineOperator": True},
    }

    objects = rendered(values, "--namespace", name)

    for obj in objects:
        if obj["kind"] not in ("ServiceMonitor", "PrometheusRule"):
            kubernetes_validate.validate(obj, "1.36", strict=True)
        assert {type(value) for value in obj["metadata"]["labels"].values()} == {str}
    assert environment(objects)["AGENT_OPERATOR_NAMESPACES"] == name
    assert {obj["metadata"]["namespace"] for obj in objects if obj["kind"] == "Role"} == {name}


def test_each_watched_namespace_gets_its_roles_and_nothing_is_cluster_wide() -> None:
    objects = rendered({"rbac": {"namespaces": ["one", "two"]}, **WITHOUT_POLICIES})

    kinds = {obj["kind"] for obj in objects}
    roles = {(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in objects if obj["kind"] == "Role"}
    assert {kind for kind in kinds if kind.startswith("Cluster") or "Admission" in kind or "Custom" in kind} == set()
    assert roles == {
        (NAMESPACE, "agent-operator-leader-election"),
        *((namespace, f"agent-operator{suffix}") for namespace in ("one", "two") for suffix in ("", "-edit")),
    }
    assert environment(objects)["AGENT_OPERATOR_NAMESPACES"] == "one,two"


def test_crds_can_be_deleted_with_the_release() -> None:
    text = template({"crds": {"keep": False}}).stdout

    assert text.count("kind: CustomResourceDefinition") == 2
    assert "resource-policy" not in text


def test_parts_can_be_left_out() -> None:
    left_out = {"enabled": False}
    values = {
        "crds": left_out,
        "rbac": {"create": False, "userRoles": False},
        "serviceAccount": {"create": False, "name": "existing"},
        "networkPolicy": left_out,
        "podDisruptionBudget": left_out,
        **WITHOUT_POLICIES,
    }

    assert sorted(obj["kind"] for obj in rendered(values)) == ["Deployment", "Service"]


# What is wrong, and what the message of Helm contains.
WRONG: list[tuple[Values, str]] = [
    ({"replica": 2}, "additional properties 'replica' not allowed"),
    ({"replicas": "two"}, "at '/replicas': got string, want integer"),
    ({"replicas": 2, "settings": {"leaderElection": False}}, "settings.leaderElection: false allows one replica only"),
    ({"settings": {"logLevel": "debug"}}, "at '/settings/logLevel': value must be one of"),
    ({"settings": {"worker": 1}}, "at '/settings': additional properties 'worker' not allowed"),
    ({"settings": {"workers": 0}}, "at '/settings/workers': minimum: got 0, want 1"),
    ({"settings": {"dnsResolvers": "kube-system"}}, "at '/settings/dnsResolvers': got string, want null or array"),
    ({"settings": {"leaseName": "a', 'b"}}, "at '/settings/leaseName': 'a\\', "),
    ({"settings": {"leaseNamespace": "a, b"}}, "at '/settings/leaseNamespace'"),
    ({"image": {"digest": "latest"}}, "at '/image/digest': 'latest' does not match pattern"),
    ({"image": {"tag": 1.0}}, "at '/image/tag': got number, want string"),
    ({"image": None}, "missing property 'image'"),
    ({"monitoring": {"dashboards": None}}, "at '/monitoring': missing property 'dashboards'"),
    ({"extraObjects": [{"kind": "ConfigMap"}]}, "at '/extraObjects/0': missing properties 'apiVersion', 'metadata'"),
    ({"extraObjects": ["a text"]}, "extraObjects[0]: the text is no object of Kubernetes"),
    ({"commonLabels": {"team": 1}}, "at '/commonLabels/team': got number, want string"),
    ({"commonLabels": {"app.kubernetes.io/name": "x"}}, "commonLabels: the chart sets app.kubernetes.io/name"),
    ({"image": {"repository": "HTTPS://registry"}}, "at '/image/repository'"),
    ({"image": {"registry": "https://registry.example.com"}}, "at '/image/registry'"),
    ({"tolerations": [{"keys": "x"}]}, "at '/tolerations/0': additional properties 'keys' not allowed"),
    ({"resources": {"limits": {"memory": "lots"}}}, "at '/resources/limits/memory'"),
    ({"rbac": {"namespaces": ["Agents"]}}, "at '/rbac/namespaces/0'"),
    ({"rbac": {"namespaces": ["a", "a"]}}, "at '/rbac/namespaces'"),
    ({"rbac": {"namespaces": "agents"}}, "at '/rbac/namespaces': got string, want array"),
    ({"rbac": {"namespaces": ["a"]}, "settings": {"manageNamespaces": True}}, "settings.manageNamespaces: with rbac"),
    ({"podLabels": {"app.kubernetes.io/name": "x"}}, "podLabels: app.kubernetes.io/name selects"),
    ({"podDisruptionBudget": {"minAvailable": 1}}, "podDisruptionBudget: set exactly one of"),
    ({"podDisruptionBudget": {"maxUnavailable": None}}, "podDisruptionBudget: set exactly one of"),
    ({"serviceAccount": {"create": False}}, "serviceAccount.name: with serviceAccount.create=false"),
    ({"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1"]}}}, "at '/networkPolicy/apiServer/cidrs/0'"),
    ({"extraEnv": [{"name": "AGENT_OPERATOR_WORKERS", "value": "1"}]}, "extraEnv: AGENT_OPERATOR_WORKERS is an option"),
    ({"admissionPolicies": {"enabled": False, "confineOperator": True}}, "admissionPolicies.confineOperator: it needs"),
    (
        {"admissionPolicies": {"confineOperator": True}, "settings": {"allowUnsafePodTemplates": True}},
        "admissionPolicies.confineOperator: it rejects the pods",
    ),
]


@pytest.mark.parametrize(("values", "message"), WRONG, ids=str)
def test_a_wrong_value_is_named(values: Values, message: str) -> None:
    done = template(values, check=False)

    assert done.returncode != 0
    assert message in done.stderr


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (True, True)),
        (WITHOUT_POLICIES, (False, False)),
        ({**WITHOUT_POLICIES, "settings": {"manageNamespaces": True}}, (False, True)),
        ({**WITHOUT_POLICIES, "settings": {"allowAdoption": True}}, (True, False)),
    ],
)
def test_without_admission_policies_authors_get_neither_namespaces_nor_objects_of_others(
    values: Values, expected: tuple[bool, bool]
) -> None:
    settings = read(["run"], environment(rendered(values)))

    assert (settings.allow_adoption, settings.manage_namespaces) == expected


def test_admission_policies_need_an_api_server_that_serves_them() -> None:
    done = template({}, "--kube-version", "1.29.4", check=False)

    assert "admissionPolicies.enabled: Kubernetes v1.29.4 does not serve" in done.stderr
    for obj in rendered(WITHOUT_POLICIES, "--kube-version", "1.29.4"):
        kubernetes_validate.validate(obj, "1.29", strict=True)

"""What is shipped to clusters: manifests, images and what is in them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from agent_operator import __version__
from agent_operator.codegen import rbac
from agent_operator.kube.resources import CHILDREN
from agent_operator.settings import read
from agent_runtime.config import addresses
from tests import fast_yaml as yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
OVERLAYS = ROOT / "deploy" / "kustomize" / "overlays"
IMAGES = {"operator": ("operator",), "runtime": ("runtime", "otel")}
Object = dict[str, Any]
POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
PIN = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)


@pytest.fixture(scope="module", params=["cluster", "namespaced"])
def overlay(request: pytest.FixtureRequest) -> tuple[str, list[Object]]:
    """An overlay's name and objects, as kubectl builds them."""
    kubectl = Path(sys.executable).with_name("kubectl")
    command = [kubectl, "kustomize", OVERLAYS / request.param]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return request.param, list(yaml.safe_load_all(done.stdout))


def deployment(overlay: tuple[str, list[Object]]) -> Object:
    return next(obj for obj in overlay[1] if obj["kind"] == "Deployment")


def environment(overlay: tuple[str, list[Object]]) -> dict[str, str]:
    given = deployment(overlay)["spec"]["template"]["spec"]["containers"][0]["env"]
    return {variable["name"]: variable.get("value", "") for variable in given}


def test_every_object_is_valid(overlay: tuple[str, list[Object]]) -> None:
    """By Kubernetes' own schemas; unknown fields are faults."""
    for obj in overlay[1]:
        kubernetes_validate.validate(obj, "1.36", strict=True)


def test_an_overlay_can_be_applied_by_the_client(overlay: tuple[str, list[Object]]) -> None:
    """Kubectl keeps what it applied in an annotation, and annotations hold 262,144 bytes."""
    for obj in overlay[1]:
        assert len(json.dumps(obj, separators=(",", ":"))) < 250_000


def test_the_operator_cannot_connect_to_metadata_services(overlay: tuple[str, list[Object]]) -> None:
    policy = next(obj for obj in overlay[1] if obj["kind"] == "NetworkPolicy")
    blocks = [peer["ipBlock"] for rule in policy["spec"]["egress"] for peer in rule["to"] if "ipBlock" in peer]
    assert {block["cidr"]: block["except"] for block in blocks} == {
        str(network): [str(excepted) for excepted in exceptions]
        for network, exceptions in addresses.outside(private=True)
    }


def test_the_operator_keeps_to_the_restricted_standard(overlay: tuple[str, list[Object]]) -> None:
    pod = deployment(overlay)["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert "volumes" not in pod
    namespace = next(obj for obj in overlay[1] if obj["metadata"]["name"] == rbac.NAMESPACE)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_operator_starts_with_options_that_it_knows(overlay: tuple[str, list[Object]]) -> None:
    (container,) = deployment(overlay)["spec"]["template"]["spec"]["containers"]
    given = environment(overlay)

    settings = read(container["args"], given)

    assert {f"AGENT_OPERATOR_{field.upper()}" for field in type(settings).model_fields} >= set(given)
    assert settings.leader_election
    assert settings.lease_name == rbac.LEASE
    assert settings.listen.endswith(f":{container['ports'][0]['containerPort']}")


def test_the_image_is_that_of_this_version_and_names_no_registry(overlay: tuple[str, list[Object]]) -> None:
    (container,) = deployment(overlay)["spec"]["template"]["spec"]["containers"]

    assert container["image"] == f"agent-operator/agent-operator:{__version__}"


def test_everything_selects_the_operators_pods(overlay: tuple[str, list[Object]]) -> None:
    labels = deployment(overlay)["spec"]["template"]["metadata"]["labels"]
    selectors = {
        "Service": lambda spec: spec["selector"],
        "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
        "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
    }
    found = {obj["kind"]: selectors[obj["kind"]](obj["spec"]) for obj in overlay[1] if obj["kind"] in selectors}

    assert found.keys() == selectors.keys()
    assert all(selector.items() <= labels.items() for selector in found.values())


def test_a_namespaced_install_has_roles_in_the_namespaces_that_it_watches(overlay: tuple[str, list[Object]]) -> None:
    name, objects = overlay
    cluster_wide = {obj["kind"] for obj in objects} & {"ClusterRole", "ClusterRoleBinding"}
    if name == "cluster":
        assert cluster_wide
        return
    settings = read(["run"], environment(overlay))
    bound = {obj["metadata"]["namespace"] for obj in objects if obj["kind"] == "RoleBinding"}

    assert not cluster_wide
    assert not settings.manage_namespaces
    assert bound == {*settings.namespaces, rbac.NAMESPACE}


@pytest.fixture
def kustomized(tmp_path: Path) -> Callable[..., list[Object]]:
    """Build a kustomization of a user's, of parts of deploy/kustomize."""
    shipped = Path(os.path.relpath(ROOT / "deploy" / "kustomize", tmp_path))

    def build(**parts: str) -> list[Object]:
        named = {field: [str(shipped / path)] for field, path in parts.items()}
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(named), encoding="utf-8")
        kubectl = Path(sys.executable).with_name("kubectl")
        done = subprocess.run([kubectl, "kustomize", tmp_path], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return list(yaml.safe_load_all(done.stdout))

    return build


def test_a_component_leaves_users_to_the_cluster(overlay: tuple[str, list[Object]], kustomized: Any) -> None:
    """OpenShift rejects pods that choose their own user. Nothing else changes."""
    name, objects = overlay

    made = kustomized(resources=f"overlays/{name}", components="components/openshift")

    pod = deployment((name, made))["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    settings = read(["run"], environment((name, made)))
    assert not settings.set_pod_user
    assert environment((name, made)).items() >= environment(overlay).items()
    assert [obj for obj in made if obj["kind"] != "Deployment"] == [
        obj for obj in objects if obj["kind"] != "Deployment"
    ]


def identities(objects: list[Object]) -> set[tuple[str, str, str]]:
    return {(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) for obj in objects}


POLICY = {
    (kind, "", f"{name}.agent-operator.dev")
    for kind in POLICIES
    for name in ("adoption", "authors", "deletion", "exposure", "scale", "status")
}


def test_an_overlay_brings_what_is_told_of_it(overlay: tuple[str, list[Object]]) -> None:
    name, objects = overlay
    here = rbac.NAMESPACE
    expected = {
        *POLICY,
        ("Namespace", "", here),
        ("ServiceAccount", here, "agent-operator"),
        ("Deployment", here, "agent-operator"),
        ("PodDisruptionBudget", here, "agent-operator"),
        ("NetworkPolicy", here, "agent-operator"),
        ("Service", here, "agent-operator-metrics"),
        *((kind, here, "agent-operator-leader-election") for kind in ("Role", "RoleBinding")),
    }
    if name == "cluster":
        expected |= {
            ("ClusterRole", "", f"agent-operator{suffix}") for suffix in ("", "-channel-edit", "-edit", "-view")
        }
        expected |= {("ClusterRoleBinding", "", "agent-operator")}
    else:
        expected |= {("RoleBinding", "agents", "agent-operator")}
        expected |= {("Role", "agents", f"agent-operator{suffix}") for suffix in ("", "-edit")}
    # Neither a CRD nor a namespace with agents: `kubectl delete -k` would delete these with it.
    assert identities(objects) == expected


def test_a_component_leaves_the_policy_out_for_older_clusters(
    overlay: tuple[str, list[Object]], kustomized: Any
) -> None:
    """The component leaves out nothing else, because the rest is valid in older clusters."""
    name, objects = overlay

    made = kustomized(resources=f"overlays/{name}", components="components/without-admission")

    assert identities(made) == identities(objects) - POLICY
    for obj in made:
        kubernetes_validate.validate(obj, "1.28", strict=True)
    # Without the policy, an agent could take over objects that its author may not change.
    settings = read(["run"], environment((name, made)))
    assert not settings.allow_adoption
    # Nor create a privileged namespace.
    assert not settings.manage_namespaces
    assert environment((name, made)).items() >= environment(overlay).items()


def test_a_component_rejects_agents_that_are_exposed_without_keys(
    overlay: tuple[str, list[Object]], kustomized: Any
) -> None:
    name, objects = overlay

    made = kustomized(resources=f"overlays/{name}", components="components/require-api-keys")

    assert identities(made) == identities(objects)
    actions = {
        obj["metadata"]["name"]: obj["spec"]["validationActions"]
        for obj in made
        if obj["kind"] == "ValidatingAdmissionPolicyBinding"
    }
    assert {name: found for name, found in actions.items() if found != ["Deny"]} == {}
    assert [obj for obj in objects if obj["kind"] != "ValidatingAdmissionPolicyBinding"] == [
        obj for obj in made if obj["kind"] != "ValidatingAdmissionPolicyBinding"
    ]


def test_the_adoption_of_every_kind_is_authorized(overlay: tuple[str, list[Object]]) -> None:
    """Each with one check, because the API server bounds what an expression and a policy may cost."""
    policy = next(
        obj
        for obj in overlay[1]
        if (obj["kind"], obj["metadata"]["name"]) == ("ValidatingAdmissionPolicy", "adoption.agent-operator.dev")
    )
    expressions = [rule["expression"] for rule in policy["spec"]["validations"]]

    assert [text.count(".check(") for text in expressions] == [1] * (len(CHILDREN) + 1)
    for kind in CHILDREN:
        found = [text for text in expressions if f".contains('{kind.kind}/')" in text]
        verbs = ("delete", "update") if kind.kind == "Namespace" else ("delete",)
        assert [f"check('{verb}')" in text for verb, text in zip(verbs, found, strict=True)] == [True] * len(verbs)
        assert all(f"group('{kind.group}').resource('{kind.plural}')" in text for text in found)


def test_the_monitoring_component_adds_only_its_objects(kustomized: Any, overlay: tuple[str, list[Object]]) -> None:
    """Grafana's sidecar finds the dashboards by a label, and Prometheus the rules."""
    name, objects = overlay
    built = kustomized(resources=f"overlays/{name}", components="components/monitoring")
    added = [obj for obj in built if obj not in objects]
    kinds = [obj["kind"] for obj in added]

    assert len(built) == len(objects) + len(added)
    assert sorted(kinds) == [*["ConfigMap"] * 3, *["PrometheusRule"] * 2, "ServiceMonitor"]
    for obj in added:
        assert obj["metadata"]["namespace"] == rbac.NAMESPACE
        assert obj["metadata"]["labels"]["app.kubernetes.io/part-of"] == "agent-operator"
        if obj["kind"] == "ConfigMap":
            assert obj["metadata"]["labels"]["grafana_dashboard"] == "1"
            (text,) = obj["data"].values()
            assert json.loads(text)["uid"]
        else:
            assert obj["metadata"]["labels"]["release"] == "prometheus"
    monitor = next(obj for obj in added if obj["kind"] == "ServiceMonitor")
    (service,) = (obj for obj in objects if obj["kind"] == "Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]

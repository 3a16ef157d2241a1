"""Every supported version of Kubernetes accepts the rendered manifests."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import kubernetes_validate
import pytest
from kubernetes_validate import utils
from pydantic import ValidationError

from agent_operator.api import constants
from agent_operator.render import Inputs, Platform, Rendered, render
from kubeschema import decode, schema
from kubeschema.kinds import defaults, validation
from tests import fast_yaml as yaml
from tests.valid.manifests import kept

OURS = {"CiliumNetworkPolicy", "SecretStore", "ExternalSecret", "HTTPRoute", "PrometheusRule", "ServiceMonitor"}
# The oldest and the newest. No API field exists only between them.
VERSIONS = ["1.25", kubernetes_validate.latest_version()]


@pytest.fixture(scope="module", autouse=True)
def _read_each_schema_once() -> Iterator[None]:
    """Otherwise each call reads all definitions of a version, which takes longer than the validation."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("schema_contents", "all_versions"):
            patch.setattr(utils, name, cache(getattr(utils, name)))
        yield


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_valid_in_every_kubernetes_version(rendered: Rendered, version: str) -> None:
    for manifest in rendered.manifests:
        if manifest["kind"] not in OURS:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_the_models_of_the_kinds_keep_every_field(rendered: Rendered) -> None:
    """No field is unknown, and no value has to be converted."""
    assert len(rendered.manifests) >= 5
    for manifest in rendered.manifests:
        assert kept(manifest) == manifest, manifest["kind"]


def test_a_typo_is_found(by_kind: dict[str, Any]) -> None:
    assert len(by_kind) >= 5
    for manifest in by_kind.values():
        with pytest.raises(ValidationError):
            kept(manifest | {"specs": {}})


def test_an_unknown_field_is_found(by_kind: dict[str, Any]) -> None:
    broken = by_kind["Service"] | {"specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_newer_clusters_may_evict_unhealthy_pods(inputs: Inputs) -> None:
    """The field exists since 1.27: it is set from there on, and absent before."""
    newer = render(Inputs(inputs.agent, inputs.prompt_template, platform=Platform(kubernetes_minor=27))).manifests
    budget = next(manifest for manifest in newer if manifest["kind"] == "PodDisruptionBudget")
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    kubernetes_validate.validate(budget, "1.27", strict=True)


def test_every_child_is_labelled_and_owned(inputs: Inputs, rendered: Rendered) -> None:
    metadata = inputs.agent.metadata
    for manifest in rendered.manifests:
        child = manifest["metadata"]
        assert child["labels"][constants.LABEL_MANAGED_BY] == "agent-operator"
        assert child["labels"][constants.LABEL_AGENT] == metadata.name
        assert child["labels"].get(constants.LABEL_OWNER_UID, "") == metadata.uid
        beside = inputs.namespace == metadata.namespace
        assert child["labels"].get(constants.LABEL_AGENT_NAMESPACE) == (None if beside else metadata.namespace)
        owners = [owner["uid"] for owner in child.get("ownerReferences", [])]
        assert owners == ([metadata.uid] if beside and metadata.uid else [])
        assert child.get("namespace", child["name"]) == inputs.namespace
        assert all(len(value) <= 63 for value in child["labels"].values())


def test_no_rendered_field_is_null_or_an_empty_list(rendered: Rendered) -> None:
    """The API server drops both, so the manifest would always differ from the live object."""

    def walk(value: Any, path: str) -> None:
        assert value is not None, path
        assert value != [], path
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in items:
            walk(item, f"{path}.{key}")

    for manifest in rendered.manifests:
        walk(manifest, manifest["kind"])


def test_the_api_server_stores_manifests_unchanged(rendered: Rendered) -> None:
    """Decoded as by the API server, nothing is dropped, respelled or rejected."""
    for manifest in rendered.manifests:
        group, _, version = manifest["apiVersion"].rpartition("/")
        gvk = (group, version, manifest["kind"])
        if kind := schema.builtin(*gvk):
            decoded = decode.decode(kind, manifest, gvk)
            assert decoded.problems == []
            assert _lost(manifest, decoded.obj) == []
            namespaced = manifest["kind"] != "Namespace"
            assert validation.validate_create(gvk, defaults.default(gvk, decoded.obj), namespaced=namespaced) == []


def _lost(ours: Any, stored: Any, path: str = "") -> list[str]:
    """Return the paths of a manifest that the server stores differently; it may add fields."""
    if isinstance(ours, dict) and isinstance(stored, dict):
        return [lost for key, value in ours.items() for lost in _lost(value, stored.get(key), f"{path}.{key}")]
    if isinstance(ours, list) and isinstance(stored, list) and len(ours) == len(stored):
        return [lost for n, pair in enumerate(zip(ours, stored, strict=True)) for lost in _lost(*pair, f"{path}[{n}]")]
    return [] if ours == stored else [path]


def test_kinds_and_names_are_unique(rendered: Rendered) -> None:
    seen = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in rendered.manifests]
    assert len(seen) == len(set(seen))


def test_manifests_round_trip_through_yaml(rendered: Rendered) -> None:
    assert tuple(yaml.safe_load_all(yaml.safe_dump_all(rendered.manifests))) == rendered.manifests


def test_no_disruption_budget_blocks_every_drain(by_kind: dict[str, Any], inputs: Inputs) -> None:
    """At every possible number of replicas, the budget allows one disruption."""
    spec = by_kind["PodDisruptionBudget"]["spec"]
    scaling = by_kind.get("HorizontalPodAutoscaler", {}).get("spec")
    most = scaling["maxReplicas"] if scaling else inputs.fewest_replicas
    for replicas in range(max(1, inputs.fewest_replicas), most + 1):
        wanted = spec.get("minAvailable", spec.get("maxUnavailable"))
        share = wanted if isinstance(wanted, int) else -(-int(wanted.rstrip("%")) * replicas // 100)
        assert (replicas - share if "minAvailable" in spec else share) >= 1


def test_deployment_leaves_replicas_to_the_autoscaler(by_kind: dict[str, Any]) -> None:
    assert ("replicas" in by_kind["Deployment"]["spec"]) != ("HorizontalPodAutoscaler" in by_kind)


def test_references_of_pods_are_rendered(by_kind: dict[str, Any]) -> None:
    """Selectors, ports, ConfigMap and Secret names agree among the children."""
    pod = by_kind["Deployment"]["spec"]["template"]
    container = next(container for container in pod["spec"]["containers"] if container["name"] == "agent")
    ports = {port["name"] for port in container["ports"]}
    assert pod["metadata"]["labels"].items() >= by_kind["Service"]["spec"]["selector"].items()
    assert {port["targetPort"] for port in by_kind["Service"]["spec"]["ports"]} == ports
    own = [
        volume
        for volume in pod["spec"]["volumes"]
        if not volume["name"].startswith(("trusted-ca", "model-ca", "prices"))
    ]
    mounted = {volume["configMap"]["name"] for volume in own if "configMap" in volume}
    assert mounted == {by_kind["ConfigMap"]["metadata"]["name"]}
    if "Secret" in by_kind:
        read = {env["valueFrom"]["secretKeyRef"]["key"] for env in container["env"] if "secretKeyRef" in str(env)}
        assert read == set(by_kind["Secret"]["data"])
    if "ServiceMonitor" in by_kind:
        chosen = by_kind["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
        assert by_kind["Service"]["metadata"]["labels"].items() >= chosen.items()
        assert chosen == {constants.LABEL_AGENT: by_kind["Service"]["metadata"]["name"]}

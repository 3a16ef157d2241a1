"""The hand-written manifests of the seed, and examples/10-seed, which replaces them: every field is covered."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, render
from tests import fast_yaml as yaml

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "10-seed" / "agent.yaml"
MERGE_KEYS = ("name", "containerPort", "port", "host", "secretKey", "topologyKey", "type", "path")

# kind -> path -> why the rendered manifest differs. Items of lists are named by their merge key.
DIFFERENT = {
    "Namespace": {"metadata.labels.app.kubernetes.io/name": "the name of the application is that of our runtime"},
    "ConfigMap": {
        "metadata.name": "carries the hash of the content, so that old pods keep the old config",
        "data.agent.toml": "compared as TOML below",
    },
    "Deployment": {
        "metadata.labels.app.kubernetes.io/name": "as of the Namespace",
        "spec.replicas": "belongs to the autoscaler, which it would fight",
        "spec.template.metadata.labels.app.kubernetes.io/name": "as of the Namespace",
        "spec.template.spec.containers[agent].image": "the bundled runtime",
        "spec.template.spec.containers[agent].imagePullPolicy": "a version does not change",
        "spec.template.spec.containers[agent].resources.limits.cpu": "2000m, as the API server writes it: 2",
        "spec.template.spec.containers[agent].volumeMounts[config].mountPath": "a directory, for subPath never updates",
        "spec.template.spec.containers[agent].volumeMounts[config].subPath": "as above",
        "spec.template.spec.volumes[config].configMap.name": "as of the ConfigMap",
    },
    "Service": {"metadata.labels.app.kubernetes.io/name": "as of the Namespace"},
    "Ingress": {"metadata.annotations.kubernetes.io/ingress.class": "deprecated: spec.ingressClassName"},
    "NetworkPolicy": {
        "spec.ingress[0].from[0].namespaceSelector.matchLabels.name": "no namespace has this label of itself",
        "spec.egress[0].to[0].namespaceSelector": "only the resolvers of the cluster, not every pod on port 53",
        "spec.egress[0].ports[53].protocol": "TCP beside UDP: long answers need it",
    },
    "SecretStore": {"apiVersion": "v1beta1 is gone from new releases"},
    "ExternalSecret": {"apiVersion": "v1beta1 is gone from new releases"},
    "ServiceMonitor": {
        "spec.selector.matchLabels.app.kubernetes.io/name": "would scrape every agent's Service, many times over"
    },
}


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        parts = {f"{path}.{key}" if path else key: item for key, item in value.items()}
    elif isinstance(value, list) and value:
        parts = {f"{path}[{_name(item, index)}]": item for index, item in enumerate(value)}
    else:
        return {path: value}
    return {leaf: found for inner, item in parts.items() for leaf, found in _leaves(item, inner).items()}


def _name(item: Any, index: int) -> Any:
    return next((item[key] for key in MERGE_KEYS if isinstance(item, dict) and key in item), index)


def _seed() -> list[dict[str, Any]]:
    blocks = re.findall(r"```yaml\n(.*?)```", (HERE / "seed.md").read_text(encoding="utf-8"), re.DOTALL)
    return [doc for block in blocks for doc in yaml.safe_load_all(block) if "kind" in doc]


SEED = {manifest["kind"]: manifest for manifest in _seed()}


@pytest.fixture(scope="module")
def rendered() -> dict[str, dict[str, Any]]:
    agent = AgentDeployment.model_validate(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")))
    return {manifest["kind"]: manifest for manifest in render(Inputs(agent)).manifests}


def test_the_seed_has_thirteen_manifests() -> None:
    assert len(SEED) == 13


@pytest.mark.parametrize("kind", [kind for kind in SEED if kind != "Secret"])
def test_every_field_of_the_seed_is_rendered_or_a_known_difference(kind: str, rendered: dict[str, Any]) -> None:
    have, allowed = _leaves(rendered[kind]), DIFFERENT.get(kind, {})
    lacking = {path: value for path, value in _leaves(SEED[kind]).items() if have.get(path) != value}
    assert set(lacking) == set(allowed), "a difference without a reason, or a reason without a difference"


def test_agent_toml_equals_the_seed(rendered: dict[str, Any]) -> None:
    want, have = (tomllib.loads(m["data"]["agent.toml"])["agent"] for m in (SEED["ConfigMap"], rendered["ConfigMap"]))
    assert have == want | {"system_prompt": "system_prompt.txt"}
    assert rendered["ConfigMap"]["data"]["system_prompt.txt"] == SEED["ConfigMap"]["data"]["system_prompt.txt"]


def test_the_external_secret_fills_every_key_of_the_seeds_secret(rendered: dict[str, Any]) -> None:
    keys = {item["secretKey"] for item in rendered["ExternalSecret"]["spec"]["data"]}
    assert keys == set(SEED["Secret"]["stringData"])
    assert rendered["ExternalSecret"]["spec"]["target"]["name"] == SEED["Secret"]["metadata"]["name"]


def test_the_example_is_the_golden_case() -> None:
    golden = HERE / "inputs" / "seed.yaml"
    assert yaml.safe_load(golden.read_text(encoding="utf-8")) == yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))

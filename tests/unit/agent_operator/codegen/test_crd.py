"""The CRD matches the models, and an API server accepts it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_operator.api import definitions, openapi
from agent_operator.codegen import crd
from tests import fast_yaml as yaml

CRDS = Path(__file__).parents[4] / "crds"
# The packaged schemas: the first test compares them with the models.
SCHEMAS = openapi.schemas()
SPEC = SCHEMAS["AgentDeployment"]["properties"]["spec"]
# Keywords that apiextensions.k8s.io/v1 allows in a structural schema and that the CRDs use.
ALLOWED = {
    "additionalProperties",
    "anyOf",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "nullable",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
}


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every node of a schema with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in node:
            yield from nodes(node[key], path + mark)


TEMPLATE = ".spec.podTemplate"
NODES = dict(nodes(SCHEMAS["AgentDeployment"])) | {
    f"channel{path}": node for path, node in nodes(SCHEMAS["AgentRuntimeChannel"])
}


def test_committed_schemas_match_the_models() -> None:
    """`agentctl validate` reads the file, because importing the models is slow."""
    assert openapi.schemas() == {"AgentDeployment": crd.schema(), "AgentRuntimeChannel": crd.channel_schema()}
    assert (CRDS.parent / "operator" / "agent_operator" / "api" / openapi.FILE).read_text(
        encoding="utf-8"
    ) == crd.dump_schemas()


def test_definitions_from_the_packaged_schemas_are_those_of_the_models() -> None:
    assert definitions.files(openapi.schemas()) == crd.files()


@pytest.mark.parametrize("name", definitions.files(SCHEMAS))
def test_committed_crd_matches_the_models(name: str) -> None:
    assert (CRDS / name).read_text(encoding="utf-8") == crd.dump(crd.files()[name]), "run `make crds`"


def test_kustomization_lists_every_crd() -> None:
    listed = yaml.safe_load((CRDS / "Kustomization").read_text(encoding="utf-8"))["resources"]

    assert sorted(listed) == sorted(crd.files()) == sorted(path.name for path in CRDS.glob("*.yaml"))


def test_annotations_keep_gitops_tools_from_deleting_the_crds() -> None:
    """Deleting a CRD deletes all of its objects. The tools document these annotations."""
    for made in crd.files().values():
        assert made["metadata"]["annotations"] == {
            "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
            "helm.sh/resource-policy": "keep",
            "kustomize.toolkit.fluxcd.io/prune": "disabled",
        }


def test_every_node_is_structural() -> None:
    assert [path for path, node in NODES.items() if set(node) - ALLOWED] == []
    untyped = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
    with_one = [path for path, node in NODES.items() if sum(key in node for key in ("type", *untyped)) != 1]
    assert with_one == [".spec.config.models[].parameters.extra", ".spec.rollout.canary.checks[].jsonSchema"]


def test_every_field_is_described() -> None:
    named = {path: node for path, node in NODES.items() if not path.endswith(("[]", "{}", "metadata"))}
    named = {path: node for path, node in named.items() if not path.startswith(f"{TEMPLATE}.")}

    assert [path for path, node in named.items() if not node.get("description")] == []


def own_optional_fields() -> Iterator[str]:
    """Yield the optional fields of our own models. Kubernetes describes its own types."""
    for name, field in SPEC["properties"].items():
        required = field.get("required", ())
        yield from (f".spec.{name}.{below}" for below in field.get("properties", {}) if below not in required)


def test_description_of_every_optional_field_names_the_default() -> None:
    """Members of a union have no default, and the fields of podTemplate are those of Kubernetes."""
    others = ("systemPrompt.text", "systemPrompt.configMapKeyRef", "credentials.", "podTemplate.")
    paths = [path for path in own_optional_fields() if not path.removeprefix(".spec.").startswith(others)]

    assert [path for path in paths if "Default: " not in NODES[path]["description"]] == []


def test_schema_has_no_defaults() -> None:
    """The API server would write a default into the object, which GitOps tools report as drift."""
    assert [path for path, node in NODES.items() if "default" in node] == []


@pytest.mark.parametrize("name", definitions.files(SCHEMAS))
def test_crd_fits_into_the_annotation_of_kubectl_apply(name: str) -> None:
    """Client-side apply stores the object in an annotation. Annotations are limited to 256 KiB."""
    definition = yaml.safe_load((CRDS / name).read_text(encoding="utf-8"))
    assert len(json.dumps(definition, separators=(",", ":"))) < 260_000


def test_the_keys_of_a_list_map_are_required() -> None:
    keys = {
        path: node["x-kubernetes-list-map-keys"] for path, node in NODES.items() if "x-kubernetes-list-map-keys" in node
    }

    assert {path for path, names in keys.items() if set(names) - set(NODES[f"{path}[]"]["required"])} == set()


def test_every_rule_names_problem_and_remedy() -> None:
    rules = [rule for node in NODES.values() for rule in node.get("x-kubernetes-validations", ())]

    assert rules
    assert [rule["message"] for rule in rules if ": " not in rule["message"]] == []

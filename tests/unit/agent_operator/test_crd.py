"""The CRD is what the models say, and what an API server takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from agent_operator import crd

CRD_FILE = Path(__file__).parents[3] / "crds" / crd.FILE_NAME
SPEC = crd.schema()["properties"]["spec"]
# What apiextensions.k8s.io/v1 allows in a structural schema, as far as we use it.
ALLOWED = {
    "additionalProperties",
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
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
}


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of a schema with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in node:
            yield from nodes(node[key], path + mark)


NODES = dict(nodes(crd.schema()))


def test_the_committed_file_is_the_generated_one() -> None:
    assert CRD_FILE.read_text(encoding="utf-8") == crd.dump(), "run `make crds`"


@pytest.mark.parametrize("path", NODES)
def test_every_node_is_structural(path: str) -> None:
    node = NODES[path]

    assert not set(node) - ALLOWED
    assert ("type" in node) != ("x-kubernetes-int-or-string" in node)


@pytest.mark.parametrize("path", [path for path in NODES if not path.endswith(("[]", "{}", "metadata"))])
def test_every_field_is_described(path: str) -> None:
    assert NODES[path]["description"].endswith((".", ")", '"')), NODES[path]["description"]


def own_optional_fields() -> Iterator[str]:
    """Optional fields of our own models; Kubernetes describes its own types."""
    for name, field in SPEC["properties"].items():
        yield from (
            (f"{name}.{below}") for below in field.get("properties", {}) if below not in field.get("required", ())
        )


UNIONS = {"systemPrompt.text", "systemPrompt.configMapKeyRef", "credentials.secretRef", "credentials.externalSecret"}


@pytest.mark.parametrize("path", sorted(set(own_optional_fields()) - UNIONS - {"credentials.values"}))
def test_every_optional_field_names_its_default(path: str) -> None:
    assert "Default: " in NODES[f".spec.{path}"]["description"]


def test_nothing_is_defaulted_by_the_schema() -> None:
    assert "default:" not in CRD_FILE.read_text(encoding="utf-8").lower().replace("default: ", "")


def test_kubectl_apply_can_keep_the_crd_in_its_annotation() -> None:
    """Client-side apply stores the object in an annotation, and annotations end at 256 KiB."""
    assert len(yaml.safe_dump(crd.crd())) < 262_144


@pytest.mark.parametrize("path", [path for path, node in NODES.items() if "x-kubernetes-list-map-keys" in node])
def test_the_keys_of_a_list_map_are_required(path: str) -> None:
    keys = NODES[path]["x-kubernetes-list-map-keys"]

    assert set(keys) <= set(NODES[f"{path}[]"]["required"])


@pytest.mark.parametrize("path", [path for path, node in NODES.items() if "x-kubernetes-validations" in node])
def test_every_rule_says_what_to_do(path: str) -> None:
    for rule in NODES[path]["x-kubernetes-validations"]:
        assert ":" in rule["message"], "a message names the fault, a colon, and the remedy"

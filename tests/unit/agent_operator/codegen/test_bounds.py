"""Everything that a tenant writes has a maximum in the schemas, and podTemplate has every field of a pod template."""

import itertools
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from agent_operator.api import bounds, openapi
from agent_operator.api.kubernetes_models import typed
from agent_operator.codegen import kubernetes_schema
from agent_operator.codegen.kubernetes_schema import definition_name, definitions
from agent_runtime.config import MAX_PROMPT_BYTES

Schema = dict[str, Any]

# Types without a length of their own.
FORMATS = ("date-time",)
# Nodes without a maximum, each with the reason.
UNBOUNDED = {
    "AgentDeployment.spec.config.models[].parameters.extra": "options of a server have any type; the model "
    "limits their size to 16 KiB",
    "AgentDeployment.spec.rollout.canary.checks[].jsonSchema": "a CRD cannot express the recursive type of a JSON "
    "Schema; the model limits its size to 32 KiB",
}
# CEL does not see maps whose values have no type, so no rule can limit their keys. Only the size of the object does.
AMOUNTS = ("limits", "requests", "overhead")


def nodes(node: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Yield every node of a schema with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if keyword in node:
            yield from nodes(node[keyword], path + mark)


NODES = {path: node for kind, schema in openapi.schemas().items() for path, node in nodes(schema, kind)}


def missing(path: str, node: Schema) -> Iterator[str]:
    """Yield the maxima that a node lacks."""
    text = node.get("type") == "string" and "enum" not in node and node.get("format") not in FORMATS
    if (text or "x-kubernetes-int-or-string" in node) and "maxLength" not in node:
        yield "maxLength"
    if node.get("type") == "array" and "maxItems" not in node:
        yield "maxItems"
    if "additionalProperties" in node:
        if "maxProperties" not in node:
            yield "maxProperties"
        rules = [rule["rule"] for rule in node.get("x-kubernetes-validations", ())]
        if not any("key.size() <= " in rule for rule in rules) and not path.endswith(AMOUNTS):
            yield "a rule for the length of the keys"
    if "x-kubernetes-preserve-unknown-fields" in node and not {"maxLength", "maxItems", "maxProperties"} <= set(node):
        yield "a type"


def test_every_string_list_and_map_has_a_maximum() -> None:
    found = {path: lacks for path, node in NODES.items() if (lacks := list(missing(path, node)))}

    assert set(found) == set(UNBOUNDED), found


def test_no_value_of_any_type_is_below_pod_template() -> None:
    """A value without a type is a quantity: its maxima exclude lists and objects with content."""
    below = {path: node for path, node in NODES.items() if ".podTemplate" in path and "type" not in node}
    anything = {path: node for path, node in below.items() if "x-kubernetes-preserve-unknown-fields" in node}

    assert anything
    assert {(node["maxItems"], node["maxProperties"]) for node in anything.values()} == {(0, 0)}
    assert {path.rstrip("{}").rpartition(".")[2] for path in anything} == set(AMOUNTS)


def test_prompts_may_be_as_large_as_a_config_map() -> None:
    prompt = NODES["AgentDeployment.spec.systemPrompt"]["properties"]

    assert prompt["text"]["maxLength"] == prompt["variables"]["additionalProperties"]["maxLength"] == MAX_PROMPT_BYTES


def test_maxima_allow_what_kubernetes_and_linux_allow() -> None:
    spec = NODES["AgentDeployment.spec.podTemplate.spec"]["properties"]
    container = spec["containers"]["items"]["properties"]

    assert container["env"]["items"]["properties"]["value"]["maxLength"] == bounds.ARGUMENT == 2**17
    assert container["args"]["items"]["maxLength"] == 2**17
    assert container["volumeMounts"]["items"]["properties"]["mountPath"]["maxLength"] == 4096
    assert (
        spec["securityContext"]["properties"]["windowsOptions"]["properties"]["gmsaCredentialSpec"]["maxLength"]
        == 2**16
    )


def models(root: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the models of `kubernetes.client` below a model, with the names of their definitions."""
    pending, seen = [root], set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        model = typed(name)
        yield name, model
        for field in model.model_fields.values():
            pending += [found.__name__ for found in inner_types(field.annotation) if issubclass(found, BaseModel)]


def inner_types(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    yield from itertools.chain.from_iterable(inner_types(argument) for argument in get_args(annotation))


ROOTS = (
    "V1PodTemplateSpec",
    "V2MetricSpec",
    "V2HorizontalPodAutoscalerBehavior",
    "V1NetworkPolicyEgressRule",
    "V1NetworkPolicyIngressRule",
)


@pytest.mark.parametrize("root", ROOTS)
def test_the_models_of_the_operator_have_the_fields_of_the_schema(root: str) -> None:
    """If this fails after an update of `kubernetes`, set RELEASE in kubernetes_schema.py to the same release."""
    meta = "io.k8s.apimachinery.pkg.apis.meta.v1."
    for name, model in models(root):
        plain = name.removeprefix("Core")
        full = f"{meta}{plain[2:]}" if f"{meta}{plain[2:]}" in definitions() else definition_name(plain)
        of_model = {field.serialization_alias or field_name for field_name, field in model.model_fields.items()}
        assert of_model == set(definitions()[full].get("properties", {})), name


def test_a_patch_requires_only_the_merge_keys() -> None:
    schema = kubernetes_schema.strategic_merge_patch("V1PodTemplateSpec")
    found = dict(nodes(schema, ""))
    keyed = {path.removeprefix(".spec."): node["anyOf"] for path, node in found.items() if "anyOf" in node}

    assert [path for path, node in found.items() if "required" in node] == []
    assert keyed["containers[]"] == [{"required": ["name"]}, {"required": ["$patch"]}]
    assert keyed["containers[].ports[]"] == [{"required": ["containerPort"]}, {"required": ["$patch"]}]
    assert keyed["topologySpreadConstraints[]"] == [{"required": ["topologyKey"]}, {"required": ["$patch"]}]
    assert "tolerations[]" not in keyed
    assert len(keyed) > 15


def test_null_and_patch_directives_are_allowed_wherever_the_merge_allows_them() -> None:
    schema = kubernetes_schema.strategic_merge_patch("V1PodTemplateSpec")
    objects = {path: node for path, node in nodes(schema, "") if "properties" in node}
    # A key that identifies an item must not be null, and a directive is never null.
    fixed = {alternative["required"][0] for node in objects.values() for alternative in node.get("anyOf", ())}

    for path, node in objects.items():
        assert node["properties"]["$patch"]["enum"] == ["merge", "replace", "delete"], path
        rest = {name: child for name, child in node["properties"].items() if name not in fixed}
        assert all(child["nullable"] for child in rest.values()), path

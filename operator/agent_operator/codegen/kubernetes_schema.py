"""Structural schemas of the types of Kubernetes, from the OpenAPI definitions in the package kubernetes-validate.

The models of `kubernetes.client` describe the same types, but a quantity is a plain string there, a port is anything,
and numbers have no format. The definitions of the same release tell them apart. A test compares the fields of both.
"""

import json
import re
from functools import cache
from importlib import resources
from typing import Any

from agent_operator.api import bounds
from agent_operator.api.base import QUANTITY_PATTERN
from agent_operator.codegen import kubernetes_bounds
from agent_operator.render.list_keys import list_keys

Schema = dict[str, Any]

# The release of the models of the package `kubernetes`.
RELEASE = "v1.37.0-local"
_GROUPS = ("core", "networking", "autoscaling")
# Only an API server writes it, and its content has no schema.
_SERVER_FIELDS = ("managedFields",)
_PORT: Schema = {
    "x-kubernetes-int-or-string": True,
    "maxLength": bounds.DNS_LABEL,
    "minimum": 0,
    "maximum": 65_535,
}
_PORT_NUMBERS = ("containerPort", "hostPort")
_QUANTITY: Schema = {
    "x-kubernetes-int-or-string": True,
    "maxLength": bounds.QUANTITY,
    "pattern": QUANTITY_PATTERN,
}
# A quantity in a map of quantities, in which `$patch` may be a key. Pods accept an unquoted fraction, such as
# `cpu: 0.5`, which int-or-string excludes. The maxima allow only a short string, a number and a boolean, which the
# operator refuses.
_AMOUNT: Schema = {
    "x-kubernetes-preserve-unknown-fields": True,
    "maxLength": bounds.QUANTITY,
    "pattern": f"{QUANTITY_PATTERN}|^(merge|replace|delete)$",
    "maxItems": 0,
    "maxProperties": 0,
}
_DIRECTIVE: Schema = {"type": "string", "enum": ["merge", "replace", "delete"]}
# Descriptions are cut after a sentence, because a CRD that is larger than 256 KiB breaks client-side `kubectl apply`.
_COMPLETE_DESCRIPTION = 120
_PATCH_DESCRIPTION = 24
_SENTENCE = re.compile(r"(?<=[a-z0-9)'`\"])\. (?=[A-Z])")


@cache
def definitions() -> dict[str, Schema]:
    """Return the definitions by their full name, such as io.k8s.api.core.v1.Container."""
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / RELEASE
    found: dict[str, Schema] = json.loads((folder / "_definitions.json").read_text(encoding="utf-8"))["$defs"]
    return found


def definition_name(model: str) -> str:
    """Return the definition of a model of `kubernetes.client`: V1Probe is io.k8s.api.core.v1.Probe."""
    version, name = model[:2].lower(), model[2:]
    known = (f"io.k8s.api.{group}.{version}.{name}" for group in _GROUPS)
    return next(found for found in known if found in definitions())


def complete(model: str) -> Schema:
    """Return the schema of a type, with its required fields and its descriptions."""
    return _object(definition_name(model), patch=False)


def strategic_merge_patch(model: str) -> Schema:
    """Return the schema of a strategic merge patch of a type.

    Null removes a field. `$patch` is allowed in every object. Items of a list that merges need only their key. All
    lists are atomic for server-side apply, because an item that has only `$patch: replace` has no key.
    """
    return _object(definition_name(model), patch=True)


def _object(name: str, *, patch: bool) -> Schema:
    definition, type_name = definitions()[name], name.rpartition(".")[2]
    properties = {
        field: _field(type_name, field, raw, patch=patch)
        for field, raw in definition.get("properties", {}).items()
        if field not in _SERVER_FIELDS
    }
    node: Schema = {"type": "object", "properties": properties}
    if patch:
        properties["$patch"] = dict(_DIRECTIVE)
    elif "required" in definition:
        node["required"] = definition["required"]
    return node


def _field(type_name: str, field: str, raw: Schema, *, patch: bool) -> Schema:
    node = _value(type_name, field, raw, patch=patch)
    if patch:
        node["nullable"] = True
    description = _description(raw, patch=patch)
    return {"description": description, **node} if description else node


def _description(raw: Schema, *, patch: bool) -> str:
    """Return the first sentences of a description; nothing if the first one is too long for a patch."""
    limit = _PATCH_DESCRIPTION if patch else _COMPLETE_DESCRIPTION
    first, *others = _SENTENCE.split(" ".join(raw.get("description", "").split()))
    if patch and len(first) > limit:
        return ""
    for sentence in others:
        if len(first) + len(sentence) > limit:
            return f"{first}."
        first += f". {sentence}"
    return first


def _value(type_name: str, field: str, raw: Schema, *, patch: bool) -> Schema:
    if "$ref" in raw:
        return _reference(raw["$ref"].rpartition("/")[2], patch=patch)
    kind = raw["type"] if isinstance(raw["type"], str) else raw["type"][0]
    if kind == "string":
        return {"type": "string", "maxLength": kubernetes_bounds.max_length(type_name, field)}
    if kind == "array":
        return _list(type_name, field, raw["items"], patch=patch)
    if kind == "object":
        return _map(type_name, field, raw["additionalProperties"], patch=patch)
    if field in _PORT_NUMBERS:
        return {"type": "integer", "minimum": 0, "maximum": 65_535}
    return {key: value for key, value in (("type", kind), ("format", raw.get("format"))) if value}


def _reference(name: str, *, patch: bool) -> Schema:
    short = name.rpartition(".")[2]
    if short == "Quantity":
        return dict(_QUANTITY)
    if short == "IntOrString":
        return dict(_PORT)
    if short == "Time":
        return {"type": "string", "format": "date-time"}
    return _object(name, patch=patch)


def _list(type_name: str, field: str, item: Schema, *, patch: bool) -> Schema:
    items = _value(type_name, field, item, patch=patch)
    keys = list_keys("containers" if type_name.endswith("Container") else "", field)
    if patch and keys and items["type"] == "object":
        items["properties"][keys[0]].pop("nullable")
        items["anyOf"] = [{"required": [keys[0]]}, {"required": ["$patch"]}]
    limit = kubernetes_bounds.max_items(type_name, field)
    return {"type": "array", "maxItems": limit, "items": items}


def _map(type_name: str, field: str, value: Schema, *, patch: bool) -> Schema:
    amounts = value.get("$ref", "").endswith(".Quantity")
    values = dict(_AMOUNT) if amounts and patch else _value(type_name, field, value, patch=patch)
    if patch:
        values["nullable"] = True
    limit = kubernetes_bounds.max_properties(type_name, field)
    return {"type": "object", "maxProperties": limit, "additionalProperties": values}

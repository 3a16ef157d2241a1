"""The JSON schemas of tools as OpenAI's API accepts them. One schema that it refuses fails every request of the agent.

Only the model gets these schemas. The arguments are checked against the schema of the tool's server.
"""

from collections.abc import Mapping
from typing import Any

# Keywords whose value is a schema, a list of schemas, or a map of schemas.
_SCHEMA = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
_LIST = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAP = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
# Keywords that OpenAI's API refuses at the top level.
_REFUSED_AT_TOP = ("allOf", "anyOf", "enum", "not", "oneOf")
_MAX_REFERENCES = 8


def accepted(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema for the arguments of a tool that OpenAI's API accepts, with the same properties.

    The schema must not be nested more deeply than orjson can write, which the catalog checks.
    """
    top = _resolved(schema)
    branches = [branch for keyword in _LIST[:3] for branch in _schemas(top.get(keyword))]
    properties: dict[str, Any] = {}
    for branch in (*branches, top):
        properties |= branch["properties"] if isinstance(branch.get("properties"), dict) else {}
    kept = {name: value for name, value in top.items() if name not in _REFUSED_AT_TOP}
    # Without the branches, only what all of them require is required, and that is what the top level names.
    return _completed(kept | {"type": "object", "properties": properties})


def describes_object(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema may describe an object. Arguments are always an object."""
    kind = _resolved(schema).get("type", "object")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def _resolved(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with the definition that its `$ref` at the top level names."""
    top = dict(schema)
    for _ in range(_MAX_REFERENCES):
        reference = top.pop("$ref", None)
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        target: Any = schema
        for step in reference[2:].split("/"):
            target = target.get(step) if isinstance(target, dict) else None
        top = (target if isinstance(target, dict) else {}) | top
    return top


def _schemas(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema in which every object has properties and every array has items."""
    result = dict(schema)
    for keyword in _SCHEMA:
        if isinstance(result.get(keyword), dict):
            result[keyword] = _completed(result[keyword])
    for keyword in _LIST:
        if isinstance(result.get(keyword), list):
            result[keyword] = [_completed(item) if isinstance(item, dict) else item for item in result[keyword]]
    for keyword in _MAP:
        if isinstance(result.get(keyword), dict):
            parts = result[keyword].items()
            result[keyword] = {name: _completed(part) if isinstance(part, dict) else part for name, part in parts}
    return _with_required_keywords(result)


def _with_required_keywords(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "object" in kinds and not isinstance(schema.get("properties"), dict):
        schema["properties"] = {}
    items = schema.get("items")
    if isinstance(items, list):
        # Before draft 2020-12 a list has one schema per position.
        options = _schemas(items)
        schema["items"] = {"anyOf": [_completed(item) for item in options]} if options else {}
    elif "array" in kinds and not isinstance(items, dict):
        schema["items"] = {}
    return schema

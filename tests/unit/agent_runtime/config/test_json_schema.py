"""Mistakes in a JSON Schema are found with their path."""

from typing import Any

import pytest

from agent_runtime.config.json_schema import fault


def nested(depth: int) -> dict[str, Any]:
    """A schema within a schema, so often."""
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": ["string", "null"], "enum": [None], "x-ours": {"type": 7}},
        {"properties": {"type": {"const": "x"}, "a b": True}, "required": ["type"], "additionalProperties": False},
        {"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "allOf": [{"$ref": "#/$defs/a"}]},
        {"patternProperties": {"^[[a]": {"minLength": 0}}, "examples": [{"type": 7}]},
        nested(32),
    ],
)
def test_a_good_schema_has_no_fault(schema: dict[str, Any]) -> None:
    """Nor has a keyword that is not known, or what is no schema by its place."""
    assert fault(schema) is None


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "text"}, "type: must be one or a list of "),
        ({"type": []}, "type: must be one or a list of "),
        ({"properties": {"a": {"type": ["string", "int"]}}}, "properties.a.type: must be one or a list of "),
        ({"properties": ["a"]}, "properties: must be an object"),
        ({"properties": {"a": "string"}}, "properties.a: must be a schema"),
        ({"required": True}, "required: must be a list of names"),
        ({"required": ["a", 1]}, "required: must be a list of names"),
        ({"enum": "a"}, "enum: must be a list"),
        ({"allOf": []}, "allOf: must be a list"),
        ({"anyOf": [{}, 4]}, "anyOf[1]: must be a schema"),
        ({"items": {"pattern": "("}}, "items.pattern: must be a regular expression"),
        ({"pattern": 7}, "pattern: must be a regular expression"),
        ({"patternProperties": {"(": {}}}, "patternProperties: must be a regular expression"),
        ({"maxLength": -1}, "maxLength: must be 0 or more"),
        ({"maxLength": True}, "maxLength: must be 0 or more"),
        ({"$ref": "https://example.com/s.json"}, "$ref: must begin with #"),
        (nested(33), "not.not."),
    ],
)
def test_a_fault_has_its_path(schema: dict[str, Any], told: str) -> None:
    """Path, then what it must be."""
    assert (fault(schema) or "").startswith(told)

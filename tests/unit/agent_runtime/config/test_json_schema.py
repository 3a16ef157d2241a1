"""Mistakes in a JSON Schema are reported with their path."""

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from agent_runtime.config import explain
from agent_runtime.config.json_schema import check_shape


def nested(depth: int) -> dict[str, Any]:
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
def test_a_valid_schema_passes(schema: dict[str, Any]) -> None:
    """Unknown keywords may have any value."""
    check_shape(schema)


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({"type": "text"}, "type[0]: Input should be 'array', 'boolean', "),
        ({"type": []}, "type: List should have at least 1 item"),
        ({"properties": {"a": {"type": ["string", "int"]}}}, "properties.a.type[1]: Input should be "),
        ({"properties": ["a"]}, "properties: Input should be a valid dictionary"),
        ({"properties": {"a": "string"}}, "properties.a: Input should be a valid dictionary"),
        ({"required": True}, "required: Input should be a valid list"),
        ({"required": ["a", 1]}, "required[1]: Input should be a valid string"),
        ({"enum": "a"}, "enum: Input should be a valid list"),
        ({"allOf": []}, "allOf: List should have at least 1 item"),
        ({"anyOf": [{}, 4]}, "anyOf[1]: Input should be a valid dictionary"),
        ({"items": {"pattern": "("}}, "items.pattern: must be a regular expression"),
        ({"pattern": 7}, "pattern: Input should be a valid string"),
        ({"patternProperties": {"(": {}}}, "patternProperties.(.[key]: must be a regular expression"),
        ({"maxLength": -1}, "maxLength: Input should be greater than or equal to 0"),
        ({"maxLength": True}, "maxLength: Input should be a valid integer"),
        ({"$ref": "https://example.com/s.json"}, "$ref: must begin with #"),
        (nested(5000), "not.not."),
    ],
)
def test_a_fault_has_its_path(schema: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError) as raised:
        check_shape(schema)

    assert explain(raised.value).startswith(fault)


def test_the_operators_side_does_not_import_jsonschema() -> None:
    script = "import sys, agent_runtime.config.checks; print('jsonschema' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"

"""Validation of custom resources by their schema, with the messages of the server."""

from typing import Any

import pytest

from kubeschema.errors import Cause
from kubeschema.value_rules import validate_value

Object = dict[str, Any]
TYPE, INVALID = "FieldValueTypeInvalid", "FieldValueInvalid"
INT_OR_STRING = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
ITEMS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": {"type": "object", "properties": {"name": {"type": "string"}}},
}
BAD = [
    ({"type": "integer"}, "3", TYPE, 'Invalid value: "string": spec.f in body must be of type integer: "string"'),
    ({"type": "string"}, 3, TYPE, 'Invalid value: "integer": spec.f in body must be of type string: "integer"'),
    ({"type": "object"}, [], TYPE, 'Invalid value: "array": spec.f in body must be of type object: "array"'),
    ({"type": "string"}, None, TYPE, 'Invalid value: "null": spec.f in body must be of type string: "null"'),
    ({"minimum": 1}, 0, INVALID, "Invalid value: 0: spec.f in body should be greater than or equal to 1"),
    (
        {"minimum": 1, "exclusiveMinimum": True},
        1,
        INVALID,
        "Invalid value: 1: spec.f in body should be greater than 1",
    ),
    ({"maximum": 1}, 2, INVALID, "Invalid value: 2: spec.f in body should be less than or equal to 1"),
    ({"multipleOf": 2}, 3, INVALID, "Invalid value: 3: spec.f in body should be a multiple of 2"),
    (
        {"enum": ["Fast", "Slow"]},
        "Warp",
        "FieldValueNotSupported",
        'Unsupported value: "Warp": supported values: "Fast", "Slow"',
    ),
    ({"minLength": 2}, "a", INVALID, 'Invalid value: "a": spec.f in body should be at least 2 chars long'),
    ({"maxLength": 1}, "ab", "FieldValueTooLong", "Too long: may not be more than 1 bytes"),
    ({"pattern": "^a$"}, "b", INVALID, "Invalid value: \"b\": spec.f in body should match '^a$'"),
    ({"maxItems": 1}, [1, 2], "FieldValueTooMany", "Too many: 2: must have at most 1 items"),
    ({"minItems": 1}, [], INVALID, "Invalid value: 0: spec.f in body should have at least 1 items"),
    ({"minProperties": 1}, {}, INVALID, "Invalid value: 0: spec.f in body should have at least 1 properties"),
    (
        {"format": "date-time"},
        "today",
        TYPE,
        'Invalid value: "today": spec.f in body must be of type date-time: "today"',
    ),
]


def _check(schema: Object, value: Any) -> list[Cause]:
    root = {"properties": {"spec": {"type": "object", "properties": {"f": schema}}}}
    return validate_value(root, {"metadata": {"name": 5}, "spec": {"f": value}})


# The causes of a kube-apiserver 1.36, without their common text.
OUT_OF_RANGE = "Checked value must be of type integer {} in spec.f"
SEVERAL: list[tuple[Object, Any, list[str]]] = [
    ({"type": "integer"}, 1.5, ['of type integer: "number"', OUT_OF_RANGE.format("(default format)")]),
    ({"type": "integer"}, 2**63, ['of type integer: "number"', OUT_OF_RANGE.format("(default format)")]),
    ({"type": "integer", "format": "int32"}, 2**31, [OUT_OF_RANGE.format("with format int32")]),
    (
        {"type": "integer", "format": "int32"},
        1.5,
        ['of type int32: "float64"', OUT_OF_RANGE.format("with format int32")],
    ),
    ({"type": "integer", "format": "int64"}, {}, ['of type int64: ""']),
    ({"type": "integer", "format": "int64"}, "x", ['of type integer: "string"']),
    (
        {"type": "string", "enum": ["a"]},
        5,
        ['of type string: "integer"', 'Unsupported value: 5: supported values: "a"'],
    ),
    ({"type": "string", "maxLength": 2, "pattern": "^a$"}, "bbb", ["may not be more than 2 bytes"]),
    (
        {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"},
        [5],
        ['of type object: "integer"', "Invalid value: 5: must be an object for an array of list-type map"],
    ),
]


@pytest.mark.parametrize(("schema", "value", "messages"), SEVERAL)
def test_all_causes_are_reported(schema: Object, value: Any, messages: list[str]) -> None:
    causes = _check(schema, value)

    assert len(causes) == len(messages)
    assert all(cause.message.endswith(message) for cause, message in zip(causes, messages, strict=True)), causes


@pytest.mark.parametrize(("schema", "value", "reason", "message"), BAD)
def test_refused(schema: Object, value: Any, reason: str, message: str) -> None:
    assert _check(schema, value) == [Cause(reason, message, "spec.f")]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "minimum": 1}, 1.0),
        ({"type": "number"}, 1),
        ({"type": "string", "nullable": True}, None),
        ({"type": "string", "maxLength": 2, "pattern": "^ab"}, "ab"),
        ({"type": "string", "format": "date-time"}, "2026-01-01T00:00:00Z"),
        (INT_OR_STRING, 1),
        (INT_OR_STRING, "1"),
        (ITEMS, [{"name": "a"}, {"name": "b"}]),
    ],
)
def test_accepted(schema: Object, value: Any) -> None:
    assert _check(schema, value) == []


def test_required_fields() -> None:
    schema = {"required": ["spec"], "properties": {"spec": {"type": "object", "required": ["size"]}}}
    assert validate_value(schema, {"spec": {}}) == [Cause("FieldValueRequired", "Required value", "spec.size")]
    assert validate_value(schema, {}) == [Cause("FieldValueRequired", "Required value", "spec")]


def test_int_or_string_is_recognized_by_type_and_by_alternatives() -> None:
    assert [(cause.field, cause.message) for cause in _check(INT_OR_STRING, True)] == [
        ("spec.f", 'Invalid value: "boolean": spec.f in body must be of type integer,string: "boolean"'),
        ("<nil>", 'Invalid value: "": "spec.f" must validate at least one schema (anyOf)'),
        ("spec.f", 'Invalid value: "boolean": spec.f in body must be of type integer: "boolean"'),
    ]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"oneOf": [{"type": "string"}, {"minLength": 1}]}, "ab", "Found 2 valid alternatives"),
        ({"oneOf": [{"type": "string"}]}, 1, "Found none valid"),
        ({"allOf": [{"minimum": 2}]}, 1, "must validate all the schemas (allOf)"),
        ({"not": {"type": "string"}}, "a", "must not validate the schema (not)"),
    ],
)
def test_combinations(schema: Object, value: Any, message: str) -> None:
    assert message in _check(schema, value)[0].message


def test_duplicates_in_sets_and_keyed_lists() -> None:
    tags = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
    assert _check(tags, ["a", "b", "a"]) == [Cause("FieldValueDuplicate", 'Duplicate value: "a"', "spec.f[2]")]
    twice = [{"name": "a", "v": 1}, {"name": "a", "v": 2}]
    assert _check(ITEMS, twice) == [Cause("FieldValueDuplicate", 'Duplicate value: {"name":"a"}', "spec.f[1]")]


def test_errors_are_sorted_by_field_with_duplicates_last() -> None:
    """The order is that of the real server."""
    properties = {
        "size": {"type": "integer", "minimum": 1},
        "mode": {"type": "string", "enum": ["Fast"]},
        "tags": {"type": "array", "x-kubernetes-list-type": "set"},
    }
    schema = {"properties": {"spec": {"properties": properties}}}
    found = validate_value(schema, {"spec": {"size": 0, "tags": ["a", "a"], "mode": "Warp"}})
    assert [cause.field for cause in found] == ["spec.mode", "spec.size", "spec.tags[1]"]

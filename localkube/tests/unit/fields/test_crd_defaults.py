"""Defaults of custom resources by their structural schema."""

from typing import Any

import pytest

from localkube.apiserver.fields.crd_defaults import default_crd

Object = dict[str, Any]
CRD = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "default": {},
            "properties": {
                "size": {"type": "integer", "default": 1},
                "mode": {"type": "string", "nullable": True, "default": "x"},
                "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"default": 0}}}},
                "map": {"type": "object", "additionalProperties": {"properties": {"b": {"default": 0}}}},
                "plain": {"type": "string"},
            },
        }
    },
}


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        (None, {"size": 1, "mode": "x"}),
        ({"size": None, "mode": None, "plain": None}, {"size": 1, "mode": None}),
        ({"size": 2, "mode": "", "list": [{}, {"a": 1}]}, {"size": 2, "mode": "", "list": [{"a": 0}, {"a": 1}]}),
        ({"size": 2, "mode": "", "map": {"k": {}}}, {"size": 2, "mode": "", "map": {"k": {"b": 0}}}),
    ],
)
def test_structural_defaults(spec: Object | None, wanted: Object) -> None:
    """Defaults replace missing values and nulls of non-nullable fields. Other such nulls are dropped."""
    assert default_crd(CRD, {} if spec is None else {"spec": spec})["spec"] == wanted


def test_defaults_are_not_shared() -> None:
    """Changing a result must not change the schema."""
    schema_with_list = {"properties": {"l": {"default": [{}], "items": {"properties": {"a": {"default": 1}}}}}}
    default_crd(schema_with_list, {})["l"].append(1)
    assert default_crd(schema_with_list, {}) == {"l": [{"a": 1}]}


def test_a_resource_with_all_defaults_is_returned_unchanged() -> None:
    obj = {"spec": {"size": 1, "mode": "x"}}
    assert default_crd(CRD, obj) is obj

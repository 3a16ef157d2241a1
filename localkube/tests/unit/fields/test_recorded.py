"""Decoding and defaulting must not change objects that a real API server returned."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubeschema import decode, schema
from kubeschema.kinds import defaults
from localkube.apiserver.fields import managed
from localkube.apiserver.fields.fieldset import ordered, paths
from localkube.apiserver.fields.typed import fields_of

Object = dict[str, Any]
RECORDING = Path(__file__).parents[2] / "conformance" / "recorded-1.36.json"


def _objects() -> Iterator[tuple[str, Object]]:
    for name, answer in json.loads(RECORDING.read_text("utf-8")).items():
        body = answer.get("body")
        found = [body, *(event["object"] for event in answer.get("events", ()))]
        yield from (
            (name, obj)
            for obj in found
            if isinstance(obj, dict) and {"apiVersion", "metadata"} <= obj.keys() and schema.builtin(*_gvk(obj))
        )


def _gvk(obj: Object) -> tuple[str, str, str]:
    group, _, version = obj["apiVersion"].rpartition("/")
    return group, version, obj["kind"]


def _unmasked(obj: Object) -> Object:
    """The recording masks allocated addresses with a star."""
    spec = obj.get("spec", {})
    return {**obj, "spec": {**spec, "clusterIPs": ["10.0.0.1"]}} if "clusterIPs" in spec else obj


STORED = [(name, _unmasked(obj)) for name, obj in _objects() if obj["kind"] != "Status"]


@pytest.mark.parametrize("obj", [row[1] for row in STORED], ids=[row[0] for row in STORED])
def test_a_stored_object_is_complete(obj: Object) -> None:
    gvk = _gvk(obj)
    node = schema.builtin(*gvk)
    assert node is not None
    found = decode.decode(node, obj, gvk)
    assert (found.obj, found.problems) == (obj, [])
    assert defaults.default(gvk, obj) == obj


@pytest.mark.parametrize("obj", [row[1] for row in STORED], ids=[row[0] for row in STORED])
def test_managers_own_existing_fields(obj: Object) -> None:
    """The fields of a manager exist in the object, and the recorded order is that of `ordered`."""
    node = schema.builtin(*_gvk(obj))
    assert node is not None
    there = set(paths(fields_of(node, obj) or {}))
    for entry in managed.read(obj).values():
        assert ordered(entry.fields) == entry.fields
        if entry.operation == "Apply":
            assert set(paths(entry.fields)) <= there

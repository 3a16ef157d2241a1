"""Decoding like Go: dropped fields, filled structs, refused types; bodies in JSON and YAML."""

from typing import Any

import pytest

from kubeschema import decode, schema
from kubeschema.body import parse_json, parse_yaml
from kubeschema.errors import FieldsError

Object = dict[str, Any]

CONFIG_MAP = ("", "v1", "ConfigMap")
POD = ("", "v1", "Pod")
DEPLOYMENT = ("apps", "v1", "Deployment")


def _decode(gvk: tuple[str, str, str], obj: Object) -> decode.Decoded:
    node = schema.builtin(*gvk)
    assert node is not None
    return decode.decode(node, obj, gvk)


def test_unknown_fields_are_dropped_and_reported() -> None:
    given = {"spec": {"containers": [{"name": "c", "x": 1}], "y": 1}, "z": 1}
    found = _decode(POD, given)
    assert found.problems == [
        'unknown field "spec.containers[0].x"',
        'unknown field "spec.y"',
        'unknown field "z"',
    ]
    assert "z" not in found.obj
    assert "y" not in found.obj["spec"]


def test_zero_values_are_written_like_go_does() -> None:
    """Empty values are dropped, structs and zeros of pointers are kept."""
    spec = {
        "replicas": 0,
        "paused": False,
        "minReadySeconds": 0,
        "template": {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "c", "env": [], "stdin": False}]}},
    }
    found = _decode(DEPLOYMENT, {"metadata": {"name": "x", "labels": None}, "spec": spec}).obj
    assert found["spec"] == {
        "replicas": 0,
        "selector": None,
        "strategy": {},
        "template": {"metadata": {}, "spec": {"containers": [{"name": "c", "resources": {}}]}},
    }
    assert found["status"] == {}
    assert found["metadata"] == {"name": "x"}


def test_pointers_keep_false_and_empty_values() -> None:
    context = {"runAsNonRoot": False, "runAsUser": 0}
    volume = {"name": "v", "emptyDir": {}}
    spec = {"containers": [{"name": "c", "securityContext": context}], "volumes": [volume]}
    found = _decode(POD, {"spec": spec}).obj["spec"]
    assert found["containers"][0]["securityContext"] == context
    assert found["volumes"] == [volume]


def test_quantities_become_canonical() -> None:
    resources = {"limits": {"cpu": 2, "memory": "2048Mi"}}
    found = _decode(POD, {"spec": {"containers": [{"name": "c", "resources": resources}]}}).obj
    assert found["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "2", "memory": "2Gi"}}


@pytest.mark.parametrize(
    ("gvk", "obj", "detail"),
    [
        (
            CONFIG_MAP,
            {"data": {"k": 5}},
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
        ),
        (
            CONFIG_MAP,
            {"data": []},
            "json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string",
        ),
        (
            DEPLOYMENT,
            {"spec": {"replicas": "3"}},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            POD,
            {"spec": {"containers": {}}},
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            POD,
            {"spec": {"hostNetwork": "yes"}},
            "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
        ),
        (("", "v1", "Secret"), {"data": {"K": "***"}}, "illegal base64 data at input byte 0"),
        (
            POD,
            {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "lots"}}}]}},
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ],
)
def test_wrong_types(gvk: tuple[str, str, str], obj: Object, detail: str) -> None:
    """The message is that of Go's decoder, with 400."""
    with pytest.raises(FieldsError) as found:
        _decode(gvk, obj)
    kind = gvk[2]
    assert found.value.code == 400
    assert found.value.message == f'{kind} in version "v1" cannot be handled as a {kind}: {detail}'


def test_strict_error() -> None:
    error = decode.strict_error(CONFIG_MAP, ['unknown field "a"', 'duplicate field "data.b"'])
    assert error.message == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: '
        'strict decoding error: unknown field "a", duplicate field "data.b"'
    )


def test_custom_resources_are_pruned() -> None:
    """Unknown fields are dropped, open ones are kept, metadata is ObjectMeta."""
    node = schema.from_crd(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {"free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            },
        }
    )
    given = {"metadata": {"name": "x", "bogus": 1}, "spec": {"free": {"a": {"b": 1}}, "extra": 1}}
    found = decode.prune(node, given)
    assert found.obj == {"metadata": {"name": "x"}, "spec": {"free": {"a": {"b": 1}}}}
    assert found.problems == ['unknown field "spec.extra"', 'unknown field "metadata.bogus"']
    with pytest.raises(FieldsError, match="cannot unmarshal number into Go struct field ObjectMeta"):
        decode.prune(node, {"metadata": {"name": 5}})


def test_duplicate_fields() -> None:
    """Every duplicate is reported with its path; the last value is used, in plain dicts."""
    found = parse_json(b'{"a": 1, "a": 2, "l": [{"b": {"c": 1, "c": 3}}]}')
    assert found.value == {"a": 2, "l": [{"b": {"c": 3}}]}
    assert found.problems == ['duplicate field "a"', 'duplicate field "l[0].b.c"']
    assert type(found.value) is dict
    assert parse_yaml(b"a: 1\na: 2\n").problems == ['duplicate field "a"']


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"a: 1\nb: [x, 'y']\nc: {d: null}\n", {"a": 1, "b": ["x", "y"], "c": {"d": None}}),
        (b"t: 2026-01-01T00:00:00Z\n", {"t": "2026-01-01T00:00:00Z"}),
        (b"x: &x {k: v}\nz:\n  <<: *x\ny: 0o17\n", {"x": {"k": "v"}, "z": {"k": "v"}, "true": 15}),
        (b'{"a": 1}', {"a": 1}),
        (b"{a: 1}", {"a": 1}),
        (b"1: one\ntrue: t\n", {"1": "one", "true": "t"}),
        (b"", None),
    ],
)
def test_yaml(body: bytes, wanted: Any) -> None:
    """Dates and keys are read as strings, because JSON has neither dates nor keys of other types."""
    assert parse_yaml(body).value == wanted


@pytest.mark.parametrize("body", [b"{nope", b"", b"[1", b"\xff", b'{"a" 1}', b"{} x"])
def test_malformed_json(body: bytes) -> None:
    with pytest.raises(FieldsError) as found:
        parse_json(body, "ConfigMap")
    assert found.value.code == 400
    assert found.value.message.startswith("the object provided is unrecognized (must be of type ConfigMap): ")


def test_malformed_yaml() -> None:
    with pytest.raises(FieldsError):
        parse_yaml(b"a: [1\nb: }")


def test_a_syntax_error_names_its_position() -> None:
    with pytest.raises(FieldsError) as found:
        parse_json(b"{nope", "ConfigMap")
    assert "invalid character 'n' looking for beginning of object key string ({nope)" in found.value.message


def test_the_content_of_an_object_in_the_place_of_another_type_is_dropped() -> None:
    node = schema.from_crd({"properties": {"spec": {"type": "object", "properties": {"text": {"type": "string"}}}}})
    found = decode.prune(node, {"spec": {"text": {"a": {"b": 1}}}})

    assert found.obj == {"spec": {"text": {}}}
    assert found.problems == ['unknown field "spec.text.a"']

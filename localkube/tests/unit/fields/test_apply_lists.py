"""Server-side apply of custom resources: sets, keyed lists, atomic maps, and properties of any history."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeschema import schema
from kubeschema.errors import FieldsError
from localkube.apiserver.fields import managed
from localkube.apiserver.fields.apply import apply

Object = dict[str, Any]
WIDGET = schema.from_crd(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer"},
                    "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                    "items": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {
                            "type": "object",
                            "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
                        },
                    },
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "atom": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {}},
                },
            }
        },
    }
)


def _widget(spec: Object) -> Object:
    return {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}


def _apply(live: Object | None, spec: Object, manager: str, *, force: bool = False, now: str = "1") -> Object:
    more: Any = {"manager": manager, "api_version": "example.org/v1", "now": now, "force": force}
    return apply(WIDGET, live, _widget(spec), **more)


def test_sets_and_keyed_lists_merge(owner: Callable[..., Object]) -> None:
    """Two managers share a list; each removes only its own items."""
    first = {"size": 2, "tags": ["a", "b"], "items": [{"name": "x", "value": "1"}], "labels": {"k": "v"}}
    live = _apply(None, first, "one")
    live = _apply(live, {"tags": ["c"], "items": [{"name": "y", "value": "2"}]}, "two")
    assert live["spec"]["tags"] == ["a", "b", "c"]
    assert [item["name"] for item in live["spec"]["items"]] == ["x", "y"]
    live = _apply(live, {"size": 2, "tags": ["a"]}, "one")
    assert live["spec"] == {"size": 2, "tags": ["a", "c"], "items": [{"name": "y", "value": "2"}]}
    assert owner(live, "one") == {"f:spec": {"f:size": {}, "f:tags": {'v:"a"': {}}}}


def test_an_atomic_map_has_one_owner() -> None:
    live = _apply(None, {"atom": {"a": 1}}, "one")
    with pytest.raises(FieldsError, match=r'conflict with "one": \.spec\.atom'):
        _apply(live, {"atom": {"b": 1}}, "two")
    assert _apply(live, {"atom": {"b": 1}}, "two", force=True)["spec"]["atom"] == {"b": 1}


SPECS = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(0, 3),
        "tags": st.lists(st.sampled_from("abcd"), unique=True, min_size=1),
        "labels": st.dictionaries(st.sampled_from("klm"), st.sampled_from("xy"), min_size=1),
        "items": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from("pqr")}, optional={"value": st.sampled_from("12")}),
            unique_by=lambda item: item["name"],
            min_size=1,
        ),
    },
)


@given(SPECS, SPECS, SPECS)
def test_apply_is_idempotent(first: Object, second: Object, third: Object) -> None:
    """To apply the last configuration again changes nothing, after any history."""
    live = _apply(None, first, "one", force=True)
    live = _apply(live, second, "two", force=True)
    live = _apply(live, third, "one", force=True)
    assert _apply(live, third, "one", force=True, now="2") is live


@given(SPECS, SPECS)
def test_a_forced_configuration_is_in_the_result(first: Object, second: Object) -> None:
    """The result contains the configuration, and the manager owns it."""
    live = _apply(_apply(None, first, "one"), second, "two", force=True)
    for key, value in second.items():
        if isinstance(value, dict):
            assert live["spec"][key].items() >= value.items()
        elif isinstance(value, list) and value and isinstance(value[0], str):
            assert [item for item in live["spec"][key] if item in value] == value
        elif not isinstance(value, list):
            assert live["spec"][key] == value


@given(SPECS, SPECS)
def test_fields_of_a_single_manager_are_those_that_it_applied_last(first: Object, second: Object) -> None:
    live = _apply(_apply(None, first, "one"), second, "one")
    fresh = _apply(None, second, "one")
    assert (live.get("spec") or {}) == (fresh.get("spec") or {})
    assert managed.read(live) == managed.read(fresh)


@given(SPECS, SPECS)
def test_apply_does_not_change_its_arguments(first: Object, second: Object) -> None:
    live = _apply(None, first, "one")
    before = copy.deepcopy((live, second))
    _apply(live, second, "two", force=True)
    assert (live, second) == before


@pytest.mark.parametrize("secrets", [[{"name": ""}], [{}]])
def test_a_reference_without_a_name_has_an_empty_name(secrets: list[Object]) -> None:
    """The name is the key of the list, and its default is empty. The list can be changed afterwards."""
    deployment = schema.builtin("apps", "v1", "Deployment")
    assert deployment is not None
    more: Any = {"manager": "m", "api_version": "apps/v1", "now": "1", "force": False}

    def applied(live: Object | None, pull_secrets: list[Object]) -> Object:
        spec = {"template": {"spec": {"containers": [], "imagePullSecrets": pull_secrets}}}
        obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
        return apply(deployment, live, obj, **more)

    live = applied(None, secrets)
    live = applied(live, [{"name": "x"}])

    assert live["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "x"}]

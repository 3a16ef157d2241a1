"""Strategic merge patch and JSON merge patch."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeschema import schema
from kubeschema.errors import FieldsError
from localkube.apiserver.fields.merge import merge_patch
from localkube.apiserver.fields.strategic import strategic_merge

Object = dict[str, Any]

LIVE: Object = {
    "metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x/a", "x/b"]},
    "spec": {
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        "template": {
            "spec": {
                "containers": [
                    {"name": "c", "image": "1", "args": ["a"], "env": [{"name": "A", "value": "1"}]},
                    {"name": "d", "image": "1"},
                ]
            }
        },
    },
}
PATCHES = [
    ("maps merge, null removes", {"metadata": {"labels": {"a": None, "c": "3"}}}, {"b": "2", "c": "3"}, "labels"),
    ("maps are replaced", {"metadata": {"labels": {"$patch": "replace", "z": "1"}}}, {"z": "1"}, "labels"),
    ("maps are emptied", {"metadata": {"labels": {"$patch": "delete"}}}, {}, "labels"),
    ("primitives are added", {"metadata": {"finalizers": ["x/c"]}}, ["x/c", "x/a", "x/b"], "finalizers"),
    (
        "primitives are deleted",
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/a"]}},
        ["x/b"],
        "finalizers",
    ),
    (
        "primitives are ordered",
        {"metadata": {"$setElementOrder/finalizers": ["x/b", "x/a"], "finalizers": []}},
        ["x/b", "x/a"],
        "finalizers",
    ),
]


def _merged(patch: Object) -> Object:
    node = schema.builtin("apps", "v1", "Deployment")
    assert node is not None
    return strategic_merge(node, LIVE, patch)


@pytest.mark.parametrize(("patch", "wanted", "field"), [row[1:] for row in PATCHES], ids=[row[0] for row in PATCHES])
def test_directives(patch: Object, wanted: Any, field: str) -> None:
    assert _merged(patch)["metadata"][field] == wanted


def _containers(*patch: Object, **more: Any) -> list[Object]:
    found = _merged({"spec": {"template": {"spec": {"containers": list(patch), **more}}}})
    containers: list[Object] = found["spec"]["template"]["spec"]["containers"]
    return containers


def test_lists_are_merged_by_key_with_new_items_first() -> None:
    """Like in the real server, items of the patch come before other items."""
    found = _containers({"name": "new", "image": "2"}, {"name": "d", "image": "2"})
    assert [(item["name"], item["image"]) for item in found] == [("new", "2"), ("c", "1"), ("d", "2")]


def test_nested_lists_are_merged_and_atomic_ones_replaced() -> None:
    found = _containers({"name": "c", "args": ["b"], "env": [{"name": "B", "value": "2"}]})
    assert found[0]["args"] == ["b"]
    assert [item["name"] for item in found[0]["env"]] == ["B", "A"]
    assert found[0]["image"] == "1"


def test_items_are_deleted_and_lists_replaced() -> None:
    assert [item["name"] for item in _containers({"name": "c", "$patch": "delete"})] == ["d"]
    assert _containers({"name": "e"}, {"$patch": "replace"}) == [{"name": "e"}]


def test_set_element_order_sorts_items() -> None:
    """`$setElementOrder` sorts the items."""
    order = {"$setElementOrder/containers": [{"name": "d"}, {"name": "c"}]}
    assert [item["name"] for item in _containers({"name": "c", "image": "2"}, **order)] == ["d", "c"]


def test_retain_keys() -> None:
    """A change of the strategy drops the fields of the old one."""
    found = _merged({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}})
    assert found["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": {"labels": {"$patch": "explode"}}},
        {"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}},
        {"spec": {"strategy": {"$retainKeys": "type"}}},
        {"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}},
        {"spec": {"template": {"spec": {"containers": [{"name": "c", "$patch": "merge"}]}}}},
        {"spec": {"template": {"spec": {"containers": ["c"]}}}},
    ],
)
def test_invalid_directives_are_refused(patch: Object) -> None:
    with pytest.raises(FieldsError) as found:
        _merged(patch)
    assert found.value.code == 400


def test_a_strategic_patch_does_not_change_its_arguments() -> None:
    before = copy.deepcopy(LIVE)
    _containers({"name": "c", "image": "2"}, {"name": "d", "$patch": "delete"})
    assert before == LIVE


# RFC 7386, appendix A.
RFC = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "wanted"), RFC)
def test_merge_patch(target: Any, patch: Any, wanted: Any) -> None:
    assert merge_patch(target, patch) == wanted


JSON = st.recursive(
    st.integers() | st.text(max_size=2), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)


@given(JSON, JSON)
def test_a_merge_patch_is_idempotent(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once

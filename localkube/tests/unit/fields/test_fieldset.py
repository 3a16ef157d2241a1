"""Field sets: operations, text, and their computation from values."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeschema.schema import ANYTHING, builtin
from localkube.apiserver.fields import fieldset
from localkube.apiserver.fields.fieldset import FieldSet
from localkube.apiserver.fields.typed import TypedError, fields_of, merged_order

ELEMENTS = st.sampled_from(["f:a", "f:b", "f:c", 'k:{"name":"x"}', 'v:"s"', "i:0"])


def _sets(depth: int = 3) -> st.SearchStrategy[FieldSet]:
    leaf: st.SearchStrategy[FieldSet] = st.just({})
    node = leaf
    for _ in range(depth):
        children = st.dictionaries(ELEMENTS, node, min_size=1, max_size=3)
        marked = children.map(lambda found: {".": {}, **found})
        node = st.one_of(leaf, children, marked)
    return st.dictionaries(ELEMENTS, node, max_size=3)


SETS = _sets()


def _paths(fields: FieldSet) -> set[str]:
    return set(fieldset.paths(fields))


@given(SETS, SETS)
def test_operations_are_those_on_sets_of_paths(one: FieldSet, two: FieldSet) -> None:
    """Union, intersection and difference of trees are those of their paths."""
    assert _paths(fieldset.union(one, two)) == _paths(one) | _paths(two)
    assert _paths(fieldset.intersection(one, two)) == _paths(one) & _paths(two)
    assert _paths(fieldset.difference(one, two)) == _paths(one) - _paths(two)
    assert fieldset.contains(one, two) == (_paths(two) <= _paths(one))


@given(SETS, SETS)
def test_operations_do_not_change_their_arguments(one: FieldSet, two: FieldSet) -> None:
    before = (repr(one), repr(two))
    for operation in (fieldset.union, fieldset.intersection, fieldset.difference, fieldset.without):
        operation(one, two)
    assert (repr(one), repr(two)) == before


@given(SETS, SETS)
def test_equal_sets_have_one_representation(one: FieldSet, two: FieldSet) -> None:
    """Different computations give the same tree, because FieldsV1 has one text per set."""
    assert fieldset.union(one, two) == fieldset.union(two, one)
    assert fieldset.union(fieldset.difference(one, two), fieldset.intersection(one, two)) == one


@given(SETS, SETS)
def test_without_removes_descendants(one: FieldSet, two: FieldSet) -> None:
    roots = tuple(_paths(two))
    left = {path for path in _paths(one) if not any(_below(path, root) for root in roots)}
    assert _paths(fieldset.without(one, two)) == left


def _below(path: str, root: str) -> bool:
    return path == root or (path.startswith(root) and path[len(root)] in ".[")


def test_path_elements_are_sorted_like_the_api_server() -> None:
    """The order in managedFields is `.`, `f:` (fields), `k:` (list keys), `v:` (values), `i:` (indexes)."""
    fields: FieldSet = {"v:1": {}, 'k:{"a":1}': {}, "f:b": {"f:z": {}, ".": {}, "f:y": {}}, "f:a": {}}
    assert list(fieldset.ordered(fields)) == ["f:a", "f:b", 'k:{"a":1}', "v:1"]
    assert list(fieldset.ordered(fields)["f:b"]) == [".", "f:y", "f:z"]


def test_paths_are_formatted_like_in_messages() -> None:
    fields: FieldSet = {
        "f:spec": {
            "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:name": {}}},
            "f:finalizers": {'v:"x/y"': {}},
            "f:list": {"i:2": {}},
        }
    }
    assert list(fieldset.paths(fields)) == [
        '.spec.finalizers[="x/y"]',
        ".spec.list[2]",
        '.spec.ports[containerPort=80,protocol="TCP"]',
        '.spec.ports[containerPort=80,protocol="TCP"].name',
    ]


def _pod(value: Any) -> FieldSet | None:
    node = builtin("", "v1", "Pod")
    assert node is not None
    return fields_of(node, value)


def test_fields_of_an_object() -> None:
    """Labels are granular, selectors and lists of strings atomic, containers keyed."""
    labels = {"a.b/c": "1"}
    container = {"name": "c", "args": ["x"], "ports": [{"containerPort": 1}], "resources": {}}
    assert _pod({"metadata": {"labels": labels}, "spec": {"containers": [container], "nodeSelector": {"a": "b"}}}) == {
        "f:metadata": {"f:labels": {"f:a.b/c": {}}},
        "f:spec": {
            "f:containers": {
                'k:{"name":"c"}': {
                    ".": {},
                    "f:name": {},
                    "f:args": {},
                    "f:ports": {'k:{"containerPort":1,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
                    "f:resources": {},
                }
            },
            "f:nodeSelector": {},
        },
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"bogus": 1}, ".bogus: field not declared in schema"),
        ({"spec": {"hostNetwork": True, "x": 1}}, ".spec.x: field not declared in schema"),
        (
            {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}},
            '.spec.containers: duplicate entries for key [name="a"]',
        ),
        ({"metadata": {"finalizers": ["a/b", "a/b"]}}, '.metadata.finalizers: duplicate entries for key [="a/b"]'),
        ({"spec": {"containers": [{"image": "a"}]}}, "omits key field"),
        ({"spec": []}, ".spec: expected map"),
    ],
)
def test_values_that_do_not_match_the_schema_are_refused(value: Any, message: str) -> None:
    with pytest.raises(TypedError) as found:
        _pod(value)
    assert message in str(found.value)


def test_untyped_values_are_typed_by_their_content() -> None:
    assert fields_of(ANYTHING, {"a": {"b": [1]}, "c": None}) == {"f:a": {".": {}, "f:b": {}}, "f:c": {}}


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        ("abc", "abc", "abc"),
        ("abc", "", "abc"),
        ("abc", "xb", "axbc"),
        ("abc", "cba", "cba"),
        ("abx", "bay", "bxay"),
        ("ab", "cd", "abcd"),
        ("a", "bac", "bac"),
    ],
)
def test_merged_order(left: str, right: str, wanted: str) -> None:
    """Applied items are in their order; items only in the live list keep their place."""
    assert "".join(merged_order(list(left), list(right))) == wanted


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdef"), unique=True))
def test_merged_order_keeps_every_key_once_and_the_applied_order(left: list[str], right: list[str]) -> None:
    found = merged_order(left, right)
    assert sorted(found) == sorted({*left, *right})
    assert [key for key in found if key in right] == right
    assert [key for key in found if key not in right] == [key for key in left if key not in right]

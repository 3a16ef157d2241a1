"""Label and field selectors."""

from typing import Any

import pytest

from localkube.meta.selectors import FieldSelector, LabelSelector
from localkube.meta.status import ApiError


def labelled(**labels: str) -> dict[str, Any]:
    return {"metadata": {"name": "x", "labels": labels}}


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("a=1", {"a": "1"}, True),
        ("a==1", {"a": "2"}, False),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("a in (1, 2)", {"a": "2"}, True),
        ("a notin (1,2)", {"a": "2"}, False),
        ("a notin (1,2)", {}, True),
        ("a=1,b=2", {"a": "1"}, False),
        ("a=1,b=2", {"a": "1", "b": "2"}, True),
        ("a>1", {"a": "10"}, True),
        ("a<1", {"a": "10"}, False),
        ("x/y in (z)", {"x/y": "z"}, True),
        ("a=", {"a": ""}, True),
    ],
)
def test_label_selectors_match_like_in_kubernetes(text: str, labels: dict[str, str], matches: bool) -> None:
    assert LabelSelector.parse(text).matches({"metadata": {"labels": labels}}) is matches


@pytest.mark.parametrize("text", ["==", "a in", "a in (1", "(a)", "a=1 b=2", "a in (1;2"])
def test_an_invalid_label_selector_is_a_bad_request(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        LabelSelector.parse(text)
    assert caught.value.code == 400


def test_only_exact_requirements_are_for_the_index() -> None:
    assert LabelSelector.parse("a=1,b!=2,c in (3),d in (4,5),e").pairs() == [("a", "1"), ("c", "3")]


def test_field_selectors_read_nested_fields() -> None:
    selector = FieldSelector.parse("status.phase=Running,metadata.name!=b", ("status.phase",))
    assert selector.matches({"metadata": {"name": "a"}, "status": {"phase": "Running"}})
    assert not selector.matches({"metadata": {"name": "b"}, "status": {"phase": "Running"}})
    assert not selector.matches({"metadata": {"name": "a"}})


def test_a_field_that_is_not_selectable_is_named_in_the_error() -> None:
    with pytest.raises(ApiError, match=r'"data\.k" is not a known field selector'):
        FieldSelector.parse("data.k=1", ())

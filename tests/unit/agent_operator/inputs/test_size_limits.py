"""A spec that is too large is refused before anything works on it, in time that does not depend on its size."""

import json
from typing import Any

import pytest

from agent_operator.api.reasons import SpecReason
from agent_operator.inputs.size_limits import (
    MAX_CONFIG_CHARS,
    MAX_CONTAINERS,
    MAX_DEPTH,
    MAX_NAME_CHARS,
    MAX_VALUES,
    find_excess,
)
from tests.cpu_time import LIMIT, cpu_seconds


def nested(levels: int) -> Any:
    return json.loads('{"a":' * levels + "{}" + "}" * levels)


@pytest.mark.parametrize(
    ("spec", "field", "part"),
    [
        ({"env": [{}] * MAX_VALUES}, "env", "too many fields and items"),
        ({"podTemplate": {str(number): 1 for number in range(60_000)}}, "podTemplate", "too many fields and items"),
        ({"config": [[]] * 3_000, "env": [[]] * 3_000}, "env", "too many fields and items"),
        ({str(number): 1 for number in range(MAX_VALUES + 1)}, str(MAX_VALUES), "too many fields and items"),
        ({"podTemplate": nested(MAX_DEPTH)}, "podTemplate", "nested deeper than 64 levels: flatten it"),
        ({"podTemplate": {"a" * (MAX_NAME_CHARS + 1): {}}}, "podTemplate", "more than 1024 characters: shorten it"),
        ({"env": [{"name": "a" * (MAX_NAME_CHARS + 1)}]}, "env", "more than 1024 characters: shorten it"),
        ({"config": {"mcp": [{"args": ["a" * MAX_CONFIG_CHARS]}, {"name": "a"}]}}, "config", "more than 262144"),
        ({"podTemplate": {"spec": {"containers": [{}] * (MAX_CONTAINERS + 1)}}}, "podTemplate", "64 containers"),
        ({"podTemplate": {"spec": {"initContainers": [{}] * (MAX_CONTAINERS + 1)}}}, "podTemplate", "64 containers"),
    ],
)
def test_excess_is_reported_with_its_field_and_a_remedy(spec: dict[str, Any], field: str, part: str) -> None:
    problem = find_excess(spec)
    assert problem is not None
    assert (problem.reason, problem.field, problem.retry) == (SpecReason.SPEC_TOO_LARGE, f"spec.{field}", False)
    assert part in problem.message


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"podTemplate": nested(MAX_DEPTH - 1)},
        {"podTemplate": {"metadata": {"annotations": {"a": "x" * 1_000_000}}}},
        {"env": [{"name": "A", "value": "x"}] * 1_000},
        {"podTemplate": "x", "config": None},
        {"podTemplate": {"spec": "x"}},
        "not even an object",
    ],
)
def test_other_specs_pass(spec: Any) -> None:
    assert find_excess(spec) is None


def test_the_field_name_in_the_problem_is_short() -> None:
    problem = find_excess({"x" * 1_000_000: nested(MAX_DEPTH)})
    assert problem is not None
    assert len(problem.field) < 2_000


def test_a_huge_spec_takes_little_time() -> None:
    spec: dict[str, Any] = {"podTemplate": {"spec": {"containers": [[[]] for _ in range(500_000)]}}}
    assert find_excess(spec) is not None
    assert cpu_seconds(lambda: find_excess(spec)) < LIMIT

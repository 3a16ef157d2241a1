"""Which wave an agent belongs to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_operator.api.v1alpha1.channel import AgentRuntimeChannelSpec, LabelSelector
from agent_operator.fleet.waves import matches, split_into_waves


def divided(waves: list[dict[str, Any]], agents: list[Any]) -> list[tuple[str, list[str]]]:
    """Names of the waves, each with the names of its agents."""
    spec = AgentRuntimeChannelSpec.model_validate({"version": "1", "waves": waves})
    return [(wave.name, [agent.key.name for agent in wave.agents]) for wave in split_into_waves(spec, agents)]


def test_an_agent_is_in_the_first_wave_that_takes_it_and_the_rest_comes_last(make: Any) -> None:
    agents = [make("a", wave="x"), make("b", wave="y"), make("c", wave="x"), make("d")]
    first = {"selector": {"matchLabels": {"wave": "x"}}}
    second = {"name": "named", "selector": {"matchExpressions": [{"key": "wave", "operator": "Exists"}]}}

    assert divided([first, second], agents) == [("wave-1", ["a", "c"]), ("named", ["b"]), ("rest", ["d"])]


def test_percentages_count_from_the_start_and_round_up(make: Any) -> None:
    agents = [make(f"a{n}") for n in range(9)]

    found = divided([{"percent": 1}, {"percent": 50}], agents)
    assert found == [("wave-1", ["a0"]), ("wave-2", ["a1", "a2", "a3", "a4"]), ("rest", ["a5", "a6", "a7", "a8"])]


def test_no_rest_where_all_are_taken_and_one_wave_where_none_is_named(make: Any) -> None:
    assert divided([{"percent": 100}], [make("a")]) == [("wave-1", ["a"])]
    assert divided([], [make("a")]) == [("rest", ["a"])]
    assert divided([], []) == [("rest", [])]
    assert divided([{"selector": {}}], [make("a")]) == [("wave-1", ["a"])]


@given(st.data())
def test_who_comes_or_goes_moves_nobody_far(make: Any, data: st.DataObject) -> None:
    """A new agent may push one across the border of a percentage, and never changes the order of the others."""
    names = data.draw(st.lists(st.integers(0, 999), unique=True, min_size=1, max_size=60))
    agents = [make(f"{n:03}") for n in names]
    new = make(data.draw(st.sampled_from([agent.rank for agent in agents])) + "x")
    waves = [{"percent": 20}, {"percent": 60}]
    of = {name: wave for wave, taken in divided(waves, agents) for name in taken}
    now = {name: wave for wave, taken in divided(waves, [*agents, new]) for name in taken}

    assert sum(of[name] != now[name] for name in of) <= 2


@pytest.mark.parametrize(
    ("operator", "values", "fits"),
    [
        ("In", ["a", "b"], [True, False, False]),
        ("NotIn", ["a", "b"], [False, True, True]),
        ("Exists", None, [True, True, False]),
        ("DoesNotExist", None, [False, False, True]),
    ],
)
def test_requirements_mean_what_they_mean_to_kubernetes(
    operator: str, values: list[str] | None, fits: list[bool]
) -> None:
    requirement = {"key": "x", "operator": operator} | ({"values": values} if values else {})
    selector = LabelSelector.model_validate({"matchExpressions": [requirement]})

    assert [matches(selector, labels) for labels in ({"x": "a"}, {"x": "c"}, {})] == fits


def test_labels_and_requirements_must_all_fit() -> None:
    selector = LabelSelector.model_validate(
        {"matchLabels": {"x": "a"}, "matchExpressions": [{"key": "y", "operator": "Exists"}]}
    )

    assert matches(selector, {"x": "a", "y": "", "z": "1"})
    assert not matches(selector, {"x": "a"})
    assert not matches(selector, {"y": ""})

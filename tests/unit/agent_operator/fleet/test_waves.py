"""The division of agents into waves."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_operator.api.v1alpha1.channel import AgentRuntimeChannelSpec, LabelSelector
from agent_operator.fleet.waves import matches, split_into_waves
from tests.unit.agent_operator.fleet.simulation import make_member


def split(waves: list[dict[str, Any]], agents: list[Any]) -> list[tuple[str, list[str]]]:
    """Names of the waves, each with the names of its agents."""
    spec = AgentRuntimeChannelSpec.model_validate({"version": "1", "waves": waves})
    return [(wave.name, [agent.key.name for agent in wave.agents]) for wave in split_into_waves(spec, agents)]


def test_agent_belongs_to_the_first_wave_that_selects_it_or_to_the_rest() -> None:
    agents = [make_member("a", wave="x"), make_member("b", wave="y"), make_member("c", wave="x"), make_member("d")]
    first = {"selector": {"matchLabels": {"wave": "x"}}}
    second = {"name": "named", "selector": {"matchExpressions": [{"key": "wave", "operator": "Exists"}]}}

    assert split([first, second], agents) == [("wave-1", ["a", "c"]), ("named", ["b"]), ("rest", ["d"])]


def test_percentages_are_cumulative_and_round_up() -> None:
    agents = [make_member(f"a{n}") for n in range(9)]

    found = split([{"percent": 1}, {"percent": 50}], agents)
    assert found == [("wave-1", ["a0"]), ("wave-2", ["a1", "a2", "a3", "a4"]), ("rest", ["a5", "a6", "a7", "a8"])]


def test_rest_exists_only_with_agents_or_without_other_waves() -> None:
    assert split([{"percent": 100}], [make_member("a")]) == [("wave-1", ["a"])]
    assert split([], [make_member("a")]) == [("rest", ["a"])]
    assert split([], []) == [("rest", [])]
    assert split([{"selector": {}}], [make_member("a")]) == [("wave-1", ["a"])]


@given(st.data())
def test_new_agent_moves_few_others(data: st.DataObject) -> None:
    """A new agent may push another one across the bound of a percentage, but never changes the order of the others."""
    names = data.draw(st.lists(st.integers(0, 999), unique=True, min_size=1, max_size=60))
    agents = [make_member(f"{n:03}") for n in names]
    new = make_member(data.draw(st.sampled_from([agent.rank for agent in agents])) + "x")
    waves = [{"percent": 20}, {"percent": 60}]
    of = {name: wave for wave, taken in split(waves, agents) for name in taken}
    now = {name: wave for wave, taken in split(waves, [*agents, new]) for name in taken}

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
def test_requirement_matches_as_in_kubernetes(operator: str, values: list[str] | None, fits: list[bool]) -> None:
    requirement = {"key": "x", "operator": operator} | ({"values": values} if values else {})
    selector = LabelSelector.model_validate({"matchExpressions": [requirement]})

    assert [matches(selector, labels) for labels in ({"x": "a"}, {"x": "c"}, {})] == fits


def test_all_labels_and_requirements_must_match() -> None:
    selector = LabelSelector.model_validate(
        {"matchLabels": {"x": "a"}, "matchExpressions": [{"key": "y", "operator": "Exists"}]}
    )

    assert matches(selector, {"x": "a", "y": "", "z": "1"})
    assert not matches(selector, {"x": "a"})
    assert not matches(selector, {"y": ""})

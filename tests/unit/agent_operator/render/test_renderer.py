"""The cache of rendered agents."""

from dataclasses import replace
from typing import Any

import pytest

from agent_operator.api.problems import ProblemError
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs
from agent_operator.render.children import Renderer


def inputs(uid: str = "u", **spec: Any) -> Inputs:
    config = {"models": [{"name": "echo", "provider": "echo"}]}
    body = {"metadata": {"name": "support", "namespace": "team-a", "uid": uid}, "spec": {"config": config} | spec}
    return Inputs(AgentDeployment.model_validate(body))


def test_the_same_inputs_are_rendered_once() -> None:
    renderer = Renderer()
    assert renderer.render(inputs()) is renderer.render(inputs())


@pytest.mark.parametrize(
    "changed",
    [inputs(replicas=2), replace(inputs(), hashes={"s": "new"}), replace(inputs(), prompt_template="new")],
    ids=["spec", "secret", "prompt"],
)
def test_a_change_of_any_input_is_rendered_again(changed: Inputs) -> None:
    renderer = Renderer()
    before = renderer.render(inputs())
    after = renderer.render(changed)
    assert after is not before
    assert after == Renderer().render(changed)


def test_the_cache_holds_only_the_latest_agents() -> None:
    renderer = Renderer(size=2)
    first, second, _ = (renderer.render(inputs(uid)) for uid in ("a", "b", "c"))
    assert renderer.render(inputs("b")) is second
    assert renderer.render(inputs("a")) is not first


def test_problems_are_not_cached() -> None:
    renderer = Renderer()
    renderer.render(inputs())
    for _ in range(2):
        with pytest.raises(ProblemError):
            renderer.render(inputs(systemPrompt={"text": "{{"}))


def test_a_large_agent_is_not_cached() -> None:
    renderer, large = Renderer(), inputs(systemPrompt={"text": "x" * 300_000})
    assert renderer.render(large) is not renderer.render(large)
    assert renderer.render(large) == renderer.render(large)

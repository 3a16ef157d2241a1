"""Agents with templates and patterns are evaluated in the worker process. Conditions report what it refuses."""

import asyncio
from typing import Any

import pytest

from agent_operator import validation
from agent_operator.api.problems import ProblemError
from agent_operator.api.reasons import SpecReason
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs import checks
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.inputs.prompt import MAX_PROMPT_BYTES
from agent_operator.sandbox.evaluator import Evaluator
from agent_operator.sandbox.process import WorkerProcess
from agent_operator.sandbox.sandbox import Sandbox
from agent_runtime.config import MAX_PROMPT_BYTES as MAX_PROMPT_BYTES_OF_RUNTIME

CONFIG = {"models": [{"name": "echo", "provider": "echo"}]}
FROM_CONFIG_MAP = {
    "rollout": {"strategy": "Canary", "canary": {"checksFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}}
}
HUGE = "".join(rf"(\w{{900}}|{number})" for number in range(9))


def agent(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web", "namespace": "team"}, "spec": {"config": CONFIG} | spec}


def canary(*patterns: str) -> dict[str, Any]:
    listed = [{"name": f"c{index}", "prompt": "x", "regex": it} for index, it in enumerate(patterns)]
    return agent(rollout={"strategy": "Canary", "canary": {"checks": listed}})


def inputs(body: dict[str, Any], **fields: Any) -> Inputs:
    return Inputs(AgentDeployment.model_validate(body), **fields)


@pytest.fixture
def evaluator(sandbox: Sandbox) -> Evaluator:
    return Evaluator(sandbox)


async def test_plain_agents_start_no_process(evaluator: Evaluator, process: WorkerProcess) -> None:
    plain = inputs(agent(systemPrompt={"text": 'JSON {"a": {"b": 1}}'}))
    assert (await evaluator.evaluate(plain)).prompt == 'JSON {"a": {"b": 1}}'
    assert await evaluator.compile_patterns("team", agent()) is None
    assert await evaluator.compile_patterns("team", agent(rollout="x")) is None
    assert process.pid is None


async def test_a_template_is_rendered(evaluator: Evaluator, process: WorkerProcess) -> None:
    found = await evaluator.evaluate(inputs(agent(systemPrompt={"text": "{{ a }}", "variables": {"a": "b"}})))
    assert found.prompt == "b"
    assert process.pid is not None
    assert validation.check(found) == ()


@pytest.mark.parametrize(
    ("text", "reason", "part"),
    [
        ("{{ nobody }}", SpecReason.PROMPT_INVALID, "'nobody' is undefined"),
        ("{{ a }}" * 500, SpecReason.PROMPT_TOO_LARGE, f"longer than {MAX_PROMPT_BYTES} bytes"),
        ("{{ b|title|title|title|title|title|title }}" * 200, SpecReason.PROMPT_TOO_EXPENSIVE, "0.5 s of CPU time"),
    ],
)
async def test_a_refused_template_has_a_problem(evaluator: Evaluator, text: str, reason: str, part: str) -> None:
    source = {"text": text, "variables": {"a": "x" * 2_000, "b": "a b " * 1_024}}
    (problem,) = validation.check(await evaluator.evaluate(inputs(agent(systemPrompt=source))))
    assert (problem.reason, problem.field, problem.retry) == (reason, "spec.systemPrompt.text", False)
    assert part in problem.message


async def test_a_template_is_refused_for_a_while_after_many_expensive_ones(evaluator: Evaluator) -> None:
    turns = evaluator._sandbox._turns
    turns.charge("team", 60.0)
    (problem,) = validation.check(await evaluator.evaluate(inputs(agent(systemPrompt={"text": "{# #}"}))))
    assert problem.retry
    assert "has used its share of CPU time: the operator tries again" in problem.message
    with pytest.raises(ProblemError) as caught:
        await evaluator.compile_patterns("team", canary("a"))
    assert caught.value.problem.retry


async def test_patterns_of_the_spec_are_compiled_elsewhere(evaluator: Evaluator) -> None:
    context = await evaluator.compile_patterns("team", canary("a+", "(b|c)"))
    assert context == {"regex": {"a+": None, "(b|c)": None}, "pattern": {}}
    AgentDeployment.model_validate(canary("a+", "(b|c)"), context=context)
    with pytest.raises(ValueError, match="not compiled"):
        AgentDeployment.model_validate(canary("d"), context=context)


async def test_patterns_that_take_too_long_are_a_problem(evaluator: Evaluator) -> None:
    with pytest.raises(ProblemError) as caught:
        await evaluator.compile_patterns("team", canary(*(HUGE + "a" * number for number in range(50))))
    problem = caught.value.problem
    assert (problem.reason, problem.field) == (SpecReason.CHECKS_TOO_EXPENSIVE, "spec.rollout.canary.checks")
    assert "the patterns take more than 0.5 s of CPU time" in problem.message


async def test_checks_of_a_config_map_are_parsed_elsewhere(evaluator: Evaluator) -> None:
    text = "checks: [{name: a, prompt: x, regex: 'b+'}]"
    found = await evaluator.evaluate(inputs(agent(**FROM_CONFIG_MAP), checks_text=text))
    assert checks.of(found).checks[0].regex == "b+"


@pytest.mark.parametrize(
    ("text", "reason", "part"),
    [
        ("checks: [{name: a, prompt: x, regex: '('}]", SpecReason.CHECKS_INVALID, "not a regular expression"),
        ("checks: [", SpecReason.CHECKS_INVALID, "neither YAML nor JSON"),
        ("- " * 60, SpecReason.CHECKS_INVALID, "must be a mapping"),
        ("checks: [" + "[]," * 6_000 + "]", SpecReason.CHECKS_INVALID, "too many fields and items"),
        (
            "checks:\n" + "".join(f"- {{name: a, prompt: x, regex: '{HUGE}{n}'}}\n" for n in range(50)),
            SpecReason.CHECKS_TOO_EXPENSIVE,
            "the patterns take more than",
        ),
    ],
    ids=["pattern", "syntax", "list", "size", "time"],
)
async def test_invalid_checks_of_a_config_map_have_a_problem(
    evaluator: Evaluator, text: str, reason: str, part: str
) -> None:
    found = await evaluator.evaluate(inputs(agent(**FROM_CONFIG_MAP), checks_text=text))
    problems = validation.check(found)
    assert {problem.reason for problem in problems} == {reason}
    assert part in problems[0].message


async def test_concurrent_agents_share_the_process(evaluator: Evaluator) -> None:
    bodies = [agent(systemPrompt={"text": "{{ a }}", "variables": {"a": str(number)}}) for number in range(20)]
    found = await asyncio.gather(*(evaluator.evaluate(inputs(body)) for body in bodies))
    assert [one.prompt for one in found] == [str(number) for number in range(20)]


def test_the_limit_of_a_prompt_is_that_of_the_runtime() -> None:
    assert MAX_PROMPT_BYTES == MAX_PROMPT_BYTES_OF_RUNTIME

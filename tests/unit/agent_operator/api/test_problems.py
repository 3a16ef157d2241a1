"""Problems are reported completely, with fields and without secrets."""

from typing import Any

import pytest

from agent_operator import validation
from agent_operator.api.problems import MAX_MESSAGE_CHARS, MAX_PROBLEMS, Problem, ProblemError
from agent_operator.api.reasons import SpecReason
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, render


def inputs(name: str = "support", **spec: Any) -> Inputs:
    config = {"models": [{"name": "echo", "provider": "echo"}]}
    return Inputs(AgentDeployment.model_validate({"metadata": {"name": name}, "spec": {"config": config} | spec}))


def test_all_problems_are_reported_at_once() -> None:
    broken = inputs(name="1st", service={"port": 9090}, env=[{"name": "LOG_LEVEL", "value": "x"}])
    with pytest.raises(ProblemError) as caught:
        render(broken)
    assert [problem.field for problem in caught.value.problems] == ["metadata.name", "spec.env[0]", "spec.service.port"]
    assert caught.value.problem.reason == SpecReason.NAME_INVALID
    assert caught.value.problem.field == "metadata.name"
    assert "spec.service.port: port and metricsPort are both" in caught.value.problem.message
    assert str(caught.value).startswith("metadata.name: must be")


def test_error_is_retried_only_if_every_problem_may_resolve_by_itself() -> None:
    missing = {"systemPrompt": {"configMapKeyRef": {"name": "p", "key": "k"}}}
    for spec, retry in ((missing, True), (missing | {"service": {"port": 9090}}, False)):
        with pytest.raises(ProblemError) as caught:
            render(inputs(**spec))
        assert caught.value.problem.retry is retry


def test_text_of_a_problem_has_field_and_message() -> None:
    assert str(Problem(SpecReason.NAME_INVALID, "a.b", "wrong: fix it")) == "a.b: wrong: fix it"
    assert str(Problem(SpecReason.NAME_INVALID, "", "wrong: fix it")) == "wrong: fix it"


def test_no_message_contains_a_secret() -> None:
    secret = "hunter2"
    spec: dict[str, Any] = {
        "credentials": {"values": {"LOG_LEVEL": secret}},
        "config": {"models": [{"name": "o", "provider": "openai", "baseUrl": f"http://user:{secret}@x/"}]},
        "env": [{"name": "LOG_LEVEL", "value": secret}],
    }
    problems = validation.check(inputs(**spec))
    assert len(problems) == 3
    assert secret not in str(problems)


def test_many_problems_are_reported_in_a_short_message() -> None:
    many = [Problem(SpecReason.NAME_INVALID, f"a{number}", "wrong") for number in range(60_000)]
    message = ProblemError(*many).problem.message
    assert "a19: wrong; and 59980 more" in message
    assert message.count("wrong") == MAX_PROBLEMS


def test_a_long_problem_is_shortened() -> None:
    message = ProblemError(Problem(SpecReason.NAME_INVALID, "a", "x" * 1_000_000)).problem.message
    assert len(message) == MAX_MESSAGE_CHARS
    assert message.endswith("x…")

"""Parameters of a model, and how they combine with those of a caller."""

from typing import Any

import orjson
import pytest

from agent_runtime.config import ModelConfig
from agent_runtime.models.parameters import Parameters

MESSAGES: dict[str, Any] = {"messages": []}


def parameters(provider: str = "openai", *, is_openai: bool = False, **given: Any) -> Parameters:
    deployment = {"deployment": "d"} if provider == "azure_openai" else {}
    config = ModelConfig.model_validate({"name": "m", "provider": provider, "parameters": given, **deployment})
    return Parameters(config, is_openai=is_openai)


ALL: dict[str, Any] = {
    "temperature": 0.5,
    "topP": 0.9,
    "reasoningEffort": "low",
    "seed": 7,
    "stop": ["x"],
    "extra": {"top_k": 3},
}
SENT = {"temperature": 0.5, "top_p": 0.9, "reasoning_effort": "low", "seed": 7, "stop": ("x",), "top_k": 3}


def test_without_parameters_a_request_is_the_same_object() -> None:
    config = ModelConfig(name="m", provider="openai")

    assert Parameters(config, is_openai=True).applied(MESSAGES) is MESSAGES


@pytest.mark.parametrize(
    ("request_fields", "expected"),
    [
        ({}, SENT),
        ({"temperature": 0, "top_k": 9, "stop": "y"}, SENT | {"temperature": 0, "top_k": 9, "stop": "y"}),
        ({"temperature": None, "user": None}, SENT | {"user": None}),
    ],
)
def test_the_parameters_of_the_caller_take_precedence(request_fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert parameters(**ALL).applied(MESSAGES | request_fields) == MESSAGES | expected


@pytest.mark.parametrize(
    ("request_fields", "expected"),
    [
        ({}, {"max_tokens": 100}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"max_tokens": 101}, {"max_tokens": 100}),
        ({"max_tokens": None}, {"max_tokens": 100}),
        ({"max_completion_tokens": 101}, {"max_tokens": 100}),
        ({"max_completion_tokens": 1}, {"max_tokens": 1}),
        ({"max_tokens": 101, "max_completion_tokens": 9}, {"max_tokens": 9}),
        ({"max_tokens": None, "max_completion_tokens": -1}, {"max_tokens": 100}),
        ({"max_tokens": -1}, {"max_tokens": 100}),
        ({"max_tokens": 0}, {"max_tokens": 100}),
        ({"max_tokens": "5000"}, {"max_tokens": 100}),
        ({"max_tokens": True}, {"max_tokens": 100}),
        ({"max_tokens": 1e9}, {"max_tokens": 100}),
        ({"n_predict": -1}, {"n_predict": 100, "max_tokens": 100}),
        ({"max_output_tokens": 500}, {"max_output_tokens": 100, "max_tokens": 100}),
    ],
)
def test_no_caller_gets_more_than_max_tokens(request_fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert parameters(maxTokens=100).applied(MESSAGES | request_fields) == MESSAGES | expected


@pytest.mark.parametrize(
    ("found", "field"),
    [
        (parameters(maxTokens=1), "max_tokens"),
        (parameters(maxTokens=1, is_openai=True), "max_completion_tokens"),
        (parameters("azure_openai", maxTokens=1), "max_tokens"),
        (parameters("azure_openai", maxTokens=1, reasoningEffort="low"), "max_completion_tokens"),
    ],
)
def test_each_server_gets_the_field_that_it_knows(found: Parameters, field: str) -> None:
    assert found.applied(MESSAGES)[field] == 1
    assert found.applied(MESSAGES).keys() & {"max_tokens", "max_completion_tokens"} == {field}


def test_without_a_maximum_the_fields_of_the_caller_are_kept() -> None:
    request = MESSAGES | {"max_completion_tokens": 5, "max_tokens": 6}

    assert parameters(temperature=1).applied(request) == request | {"temperature": 1}


@pytest.mark.parametrize(
    ("message", "other"),
    [
        ("Unsupported parameter: 'max_tokens' is not supported with this model.", "max_completion_tokens"),
        ("Unrecognized request argument supplied: max_tokens", "max_completion_tokens"),
        ("max_tokens: Extra inputs are not permitted", "max_completion_tokens"),
        ("temperature is not supported", None),
        ("This model's maximum context length is 4096 tokens. You requested 5000: reduce max_tokens.", None),
        ("max_tokens is too large: 5000. This model supports at most 4096 completion tokens.", None),
        ("max_tokens must be greater than 15", None),
        ("the sum of the prompt and max_tokens exceeds 2048", None),
    ],
)
def test_only_a_server_that_does_not_know_the_field_gets_the_other_one(message: str, other: str | None) -> None:
    """A server that ignores the other field would answer without a maximum."""
    answer = orjson.dumps({"error": {"message": message}})
    found = parameters(maxTokens=1)

    assert found.other_cap("max_tokens", 400, answer) == other
    assert found.other_cap("max_tokens", 500, answer) is None
    assert parameters().other_cap("max_tokens", 400, answer) is None
    # It is remembered only after a request with it has succeeded.
    assert found.cap_field == "max_tokens"

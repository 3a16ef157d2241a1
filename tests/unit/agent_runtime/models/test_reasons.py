"""Reasons of refused requests: where they are found, and which of them repeat the prompt or a secret."""

import time

import orjson
import pytest

from agent_runtime.models import reasons
from tests.cpu_time import LIMIT, cpu_seconds

PROMPT = "You answer questions about Contoso's unreleased phone, codenamed Heron."
QUESTION = "My password is hunter2-x. Where do I change it?"
REQUEST = {
    "messages": [
        {"role": "system", "content": PROMPT},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": "Hello.", "reasoning_content": "The customer is in Berlin."},
        {"role": "assistant", "tool_calls": [{"function": {"name": "find", "arguments": '{"who": "Ada Lovelace"}'}}]},
        {"role": "user", "content": "\u4f60\u597d\u4e16\u754c\uff0c\u6211\u7684\u540d\u5b57\u662f\u674e\u56db"},
    ]
}


@pytest.mark.parametrize(
    "reason",
    [
        "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) is supported.",
        "Invalid schema for function 'find': 'str' is not of type 'object'.",
        "tools[3].function.name: string does not match pattern",
        "You exceeded the rate of 20 requests.",
    ],
)
def test_a_reason_about_the_request_is_shown(reason: str) -> None:
    assert reasons.shown(reason, REQUEST, ["sk-secret-key"]) == reason


@pytest.mark.parametrize(
    "reason",
    [
        f"not allowed: {PROMPT}",
        "not allowed: answer questions about contoso s unreleased phone",
        "blocked word 'Heron'",
        'blocked word "hunter2-x"',
        "input_value=`hunter2-x.`",
        'cannot parse {"who": "Ada Lovelace"}',
        "bad text: " + orjson.dumps(QUESTION).decode(),
        "bad text '\\u4f60\\u597d\\u4e16\\u754c'",
        "bad text: \u4f60\u597d\u4e16\u754c\uff0c\u6211\u7684\u540d\u5b57\u662f\u674e\u56db",
        "bad text: the customer is in Berlin",
        "Incorrect API key provided: sk-secret-key",
        "Incorrect API key provided: sk-sec*****",
    ],
)
def test_a_reason_that_repeats_a_message_or_a_secret_is_not_shown(reason: str) -> None:
    assert reasons.shown(reason, REQUEST, ["sk-secret-key"]) == ""


def test_a_short_message_is_found_as_a_whole() -> None:
    request = {"messages": [{"role": "user", "content": "Project Heron"}]}

    assert reasons.shown("refused: project heron is secret", request, []) == ""


@pytest.mark.parametrize("messages", [None, 1, [1], [{}], [{"content": {}}], [{"content": [1, {"text": 1}]}],
                                      [{"tool_calls": 1}], [{"tool_calls": [1, {"function": 1}]}]])  # fmt: skip
def test_messages_may_have_any_shape(messages: object) -> None:
    assert reasons.shown("why", {"messages": messages}, []) == "why"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", ""),
        (b"<html>", ""),
        (b"[]", ""),
        (b"7", ""),
        (b'{"error": {"message": 7}}', ""),
        (b'{"error": {"message": "a\\n b\\u001b[31m"}}', "a b\ufffd"),
        (b'{"error": "a"}', "a"),
        (b'{"message": "a"}', "a"),
        (b'{"detail": "a"}', "a"),
        (b'[{"error": {"message": "a"}}]', "a"),
        (b'{"error": {"message": "%b"}}' % (b"a" * 9000), "a" * reasons.MAX_REASON),
    ],
)
def test_the_reason_is_one_bounded_line(body: bytes, reason: str) -> None:
    assert reasons.reason_of(body) == reason


def test_a_long_request_is_searched_quickly() -> None:
    request = {"messages": [{"role": "user", "content": "a b" * 160_000}]}
    reason = " ".join(["ab' 'ac"] * 70)[: reasons.MAX_REASON]

    began = time.thread_time()
    reasons.shown(reason, request, [])

    assert time.thread_time() - began < 2


@pytest.mark.parametrize(
    "messages",
    [
        [{"content": "a b" * 3_000_000}],
        [{"content": "a b" * 100_000}] * 30,
        [{"content": "a"}] * 200_000,
        [{"content": None, "tool_calls": [{"function": {"arguments": "a b" * 3_000_000}}]}],
    ],
)
def test_a_request_that_is_too_long_is_not_searched(messages: list[object]) -> None:
    """The event loop is not blocked: the search of these took up to a second."""

    def search() -> None:
        assert reasons.shown("not supported", {"messages": messages}, []) == ""

    assert cpu_seconds(search) < LIMIT

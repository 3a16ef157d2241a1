"""Requests, responses and events of the Responses API, from and to chat completions."""

import json
from typing import Any

import pytest
from openai.types.responses import Response
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from agent_runtime.agent.streamed_message import StreamedMessage
from agent_runtime.errors import Problem
from agent_runtime.models import chunks, responses_api
from agent_runtime.models.response_events import ResponseChunks

FUNCTION: Any = {"name": "f", "arguments": "{}"}
CALL = {"id": "call_1", "type": "function", "function": FUNCTION}
TOOL: Any = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
REASONING = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "e"}
USAGE = {
    "input_tokens": 3,
    "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 5,
}


def test_a_request_has_the_form_of_the_sdk() -> None:
    """The SDK's types accept it. Functions are not strict unless the caller says so."""
    image = {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}}
    schema: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
    chat = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}, image]},
            {"role": "assistant", "content": "a", "tool_calls": [CALL], "reasoning_items": [REASONING]},
            {"role": "tool", "tool_call_id": "call_1", "content": "r"},
        ],
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": schema,
        "reasoning_effort": "low",
        "verbosity": "low",
        "max_completion_tokens": 7,
        "temperature": 0,
        "stream_options": {"include_usage": True},
        "seed": 1,
        "user": None,
    }

    body = responses_api.request(chat)

    TypeAdapter(ResponseCreateParamsNonStreaming).validate_python(body)
    assert [item.get("type") or item["role"] for item in body.pop("input")] == [
        *("system", "user", "reasoning", "assistant", "function_call", "function_call_output")
    ]
    assert body == {
        "store": False,
        "model": "m",
        "temperature": 0,
        "max_output_tokens": 7,
        "reasoning": {"effort": "low"},
        "tools": [{"strict": False, "type": "function", **TOOL["function"]}],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": {"type": "json_schema", **schema["json_schema"]}, "verbosity": "low"},
    }


MESSAGES: Any = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    "field",
    [
        {"store": True},
        {"background": True},
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "pmpt_1"}},
        {"input": "x"},
        {"instructions": "x"},
        {"context_management": [{"type": "compaction"}]},
    ],
    ids=str,
)
def test_callers_cannot_use_what_the_server_keeps(field: Any) -> None:
    """The configuration may."""
    chat = {"model": "m", "messages": MESSAGES}

    assert responses_api.request(responses_api.checked(chat | field)) == responses_api.request(chat)
    if "input" not in field:
        assert field.items() <= responses_api.request(chat | field).items()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": 5}, "tools"),
        ({"tools": {"type": "function"}}, "tools"),
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [TOOL, {}]}, "tools[1]"),
        ({"tools": [{"type": ["function"]}]}, "tools[0]"),
        *(({"tools": [{"type": kind}]}, "tools[0]") for kind in ("mcp", "web_search", "file_search")),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "tools[0]"),
        ({"reasoning": 5}, "reasoning"),
        ({"messages": [*MESSAGES, {"role": "assistant", "reasoning_items": 5}]}, "reasoning_items"),
    ],
    ids=str,
)
def test_what_cannot_be_translated_is_refused_by_name(fields: Any, param: str) -> None:
    with pytest.raises(Problem) as raised:
        responses_api.checked({"model": "m", "messages": MESSAGES} | fields)

    assert (raised.value.status, raised.value.param) == (400, param)
    assert raised.value.detail.startswith(f"{param}: ")


@pytest.mark.parametrize(
    "item",
    [
        *(5, None, "x", {}, {"type": "item_reference", "id": "msg_1"}),
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "mcp_call", "encrypted_content": "e"},
    ],
    ids=str,
)
def test_only_whole_reasoning_goes_back(item: Any) -> None:
    message = {"role": "assistant", "content": "a", "reasoning_items": [item, REASONING]}

    sent = responses_api.request(responses_api.checked({"messages": [message]}))["input"]

    assert sent == [REASONING, {"role": "assistant", "content": "a"}]


def response(*output: Any, **fields: Any) -> dict[str, Any]:
    """Return a response with these items."""
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "error": None}
    return head | {"output": list(output), "usage": USAGE, "incomplete_details": None} | fields


def text(*texts: str) -> dict[str, Any]:
    """Return the item of an answer."""
    content = [{"type": "output_text", "text": one, "annotations": []} for one in texts]
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}


ITEM = {"id": "fc_1", "type": "function_call", "call_id": "call_1", **FUNCTION}
REFUSAL = {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}
THOUGHT = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "I think"}]}
CUT = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
FILTERED = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}


@pytest.mark.parametrize(
    ("found", "message", "reason"),
    [
        (response(text("a", "b")), {"content": "ab"}, "stop"),
        (response(ITEM), {"content": None, "tool_calls": [CALL]}, "tool_calls"),
        (response(THOUGHT, text("a")), {"content": "a", "reasoning_content": "I think"}, "stop"),
        (response(REASONING, ITEM), {"tool_calls": [CALL], "reasoning_items": [REASONING]}, "tool_calls"),
        (response(REFUSAL), {"content": None, "refusal": "No."}, "stop"),
        (response(text("half"), **CUT), {"content": "half"}, "length"),
        (response(**FILTERED), {"content": None}, "content_filter"),
        (response({"type": "web_search_call"}, text("a"), 5), {"content": "a"}, "stop"),
    ],
)
def test_a_response_becomes_a_completion(found: dict[str, Any], message: dict[str, Any], reason: str) -> None:
    completion = responses_api.completion("m", json.dumps(found).encode())

    choice = completion["choices"][0]
    assert choice["message"].items() >= message.items()
    assert choice["finish_reason"] == reason
    assert completion["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "prompt_tokens_details": USAGE["input_tokens_details"],
        "completion_tokens_details": USAGE["output_tokens_details"],
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"code": "rate_limit_exceeded", "message": "secret words"}}, 429),
        (response(status="failed", error={"code": "server_error", "message": "secret words"}), 502),
        (response(status="failed", error=None), 502),
        ({"output": None}, 502),
        ([], 502),
    ],
)
def test_a_failed_response_is_a_problem(body: Any, status: int) -> None:
    with pytest.raises(Problem) as raised:
        responses_api.completion("m", json.dumps(body).encode())

    assert raised.value.status == status
    assert "secret" not in raised.value.detail


def event(kind: str, **fields: Any) -> dict[str, Any]:
    """Return an event."""
    return {"type": f"response.{kind}", "sequence_number": 0, **fields}


CREATED = event("created", response=response(status="in_progress", usage=None))
CALL_EVENTS = [
    event("output_item.added", output_index=1, item=ITEM | {"arguments": ""}),
    event("function_call_arguments.delta", output_index=1, item_id="fc_1", delta="{"),
    event("function_call_arguments.delta", output_index=1, item_id="fc_1", delta="}"),
    event("function_call_arguments.done", output_index=1, item_id="fc_1", arguments="{}"),
    event("output_item.done", output_index=1, item=ITEM),
]


def read(*events: Any) -> tuple[StreamedMessage, str | None, Any]:
    """Return the message, the finish reason and the usage of a stream."""
    found, message = ResponseChunks("m"), StreamedMessage()
    reason = usage = None
    for one in events:
        for data in found.add(b"", json.dumps(one).encode()):
            chunk = json.loads(data)
            message.add(chunk)
            reason = chunks.finish_reason(chunks.choice(chunk)) or reason
            usage = chunks.usage(chunk) or usage
    return message, reason, usage


@pytest.mark.parametrize(
    ("events", "expected", "reason"),
    [
        ([event("output_text.delta", delta="a"), event("output_text.delta", delta="b")], {"content": "ab"}, "stop"),
        ([event("refusal.delta", delta="No.")], {"refusal": "No."}, "stop"),
        (
            [event("reasoning_summary_text.delta", delta="I"), event("output_text.delta", delta="a")],
            {"reasoning_content": "I", "content": "a"},
            "stop",
        ),
        (CALL_EVENTS, {"tool_calls": [CALL]}, "tool_calls"),
        (CALL_EVENTS[-1:], {"tool_calls": [CALL]}, "tool_calls"),
        ([event("output_item.done", output_index=0, item=REASONING)], {"reasoning_items": [REASONING]}, "stop"),
        ([event("output_text.delta", delta=5), event("unknown", x=1), event("output_item.added"), 7], {}, "stop"),
    ],
)
def test_events_become_chunks(events: list[Any], expected: dict[str, Any], reason: str) -> None:
    end = event("completed", response=response(text("ab")) if expected.get("content") else response())

    message, found_reason, usage = read(CREATED, *events, end)

    assert message.as_json().items() >= expected.items()
    assert found_reason == reason
    assert usage["total_tokens"] == 5


def test_a_stream_may_have_only_its_last_event() -> None:
    message, reason, _ = read(event("completed", response=response(text("a"), ITEM)))

    assert (message.as_json()["content"], message.tool_calls, reason) == ("a", [CALL], "tool_calls")


@pytest.mark.parametrize(
    "last",
    [
        {"type": "error", "code": "server_error", "message": "secret words"},
        event("failed", response=response(status="failed", error={"code": "server_error", "message": "secret words"})),
        event("failed", response=None),
        event("completed", response=5),
        {"error": {"message": "secret words"}},
    ],
)
def test_a_failure_in_a_stream_is_a_problem(last: Any) -> None:
    with pytest.raises(Problem) as raised:
        read(CREATED, event("output_text.delta", delta="a"), last)

    assert raised.value.status == 502
    assert "secret" not in raised.value.detail


def test_the_example_is_a_response_of_the_sdk() -> None:
    assert Response.model_validate(response(text("a"), tools=[], tool_choice="auto", parallel_tool_calls=True))

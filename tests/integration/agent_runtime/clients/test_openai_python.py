"""OpenAI's Python client, synchronous and asynchronous, on both agents."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest

from tests.integration.agent_runtime.clients.conftest import Target
from tests.integration.agent_runtime.conftest import PROMPT, USER_CANARY, ModelServer, eventually

SAY: Any = [{"role": "user", "content": "one two"}]
NOW: Any = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
WITH_USAGE: Any = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
def client(target: Target, model: ModelServer) -> Iterator[openai.OpenAI]:
    """The synchronous client."""
    with openai.OpenAI(base_url=target.openai_url, api_key="anything", max_retries=0) as client:
        yield client


@pytest.fixture
async def later(target: Target, model: ModelServer) -> AsyncIterator[openai.AsyncOpenAI]:
    """The asynchronous client."""
    async with openai.AsyncOpenAI(base_url=target.openai_url, api_key="anything", max_retries=0) as client:
        yield client


def test_a_completion(client: openai.OpenAI) -> None:
    """Parsed into every field."""
    completion = client.chat.completions.create(model="gpt", messages=SAY)

    assert (completion.object, completion.choices[0].finish_reason) == ("chat.completion", "stop")
    assert completion.choices[0].message.content == "model: one two"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 14


def test_the_models(client: openai.OpenAI) -> None:
    """By the names that callers use."""
    assert [(one.id, one.object) for one in client.models.list()] == [("gpt", "model"), ("echo", "model")]


async def test_a_completion_later(later: openai.AsyncOpenAI) -> None:
    """Many at once, each with its own answer."""
    completions = [later.chat.completions.create(model="gpt", messages=[{"role": "user", "content": n}]) for n in "abc"]

    contents = [(await completion).choices[0].message.content for completion in completions]

    assert contents == ["model: a", "model: b", "model: c"]
    assert [one.id async for one in later.models.list()] == ["gpt", "echo"]


def test_a_stream(client: openai.OpenAI) -> None:
    """Role, contents, finish reason, then the usage that was asked for."""
    *chunks, last = client.chat.completions.create(model="gpt", messages=SAY, **WITH_USAGE)

    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(one.choices[0].delta.content or "" for one in chunks) == "model: one two"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 14


async def test_a_stream_later(later: openai.AsyncOpenAI) -> None:
    """With the helper that yields events and joins the chunks."""
    async with later.chat.completions.stream(model="gpt", messages=SAY) as stream:
        events = [event.type async for event in stream]
        completion = await stream.get_final_completion()

    assert "content.delta" in events
    assert completion.choices[0].message.content == "model: one two"


@pytest.mark.parametrize("stream", [False, True])
def test_the_callers_tools(client: openai.OpenAI, model: ModelServer, stream: bool) -> None:
    """Tools are sent to the model unchanged; its calls reach the caller, whose results are sent to the model."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    delta = {"role": "assistant", "tool_calls": [{"index": 0, **CALL}]}
    chunks = [
        head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    model.script(completions=[{"chunks": chunks}] if stream else [{"message": {"content": None, "tool_calls": [CALL]}}])
    asked: Any = {"model": "gpt", "messages": SAY, "tools": [NOW], "tool_choice": "auto"}

    if stream:
        with client.chat.completions.stream(**asked) as helper:
            choice: Any = helper.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**asked).choices[0]
    (call,) = choice.message.tool_calls
    results: Any = [*SAY, {"role": "assistant", "tool_calls": [CALL]}]
    results += [{"role": "tool", "tool_call_id": call.id, "content": "noon"}]
    answer = client.chat.completions.create(model="gpt", messages=results, tools=[NOW])

    assert (choice.finish_reason, call.id, call.function.name) == ("tool_calls", "call_1", "now")
    assert answer.choices[0].message.content == "model: noon"
    first, second = (one["body"] for one in model.seen("/chat/completions"))
    assert (first["tools"], first["tool_choice"]) == ([NOW], "auto")
    assert second["messages"][1:] == results


@pytest.mark.parametrize(
    "refusal",
    [
        ({"status": 400, "json": {"error": {"code": "content_filter", "message": PROMPT}}},
         openai.BadRequestError, "content_filter", False),
        ({"status": 401, "text": USER_CANARY}, openai.InternalServerError, "model_credentials_refused", False),
        ({"status": 404}, openai.InternalServerError, "model_not_found_upstream", False),
        ({"status": 429, "headers": {"Retry-After": "30"}}, openai.RateLimitError, "model_rate_limited", True),
        ({"status": 503}, openai.InternalServerError, "model_unavailable", True),
        ({"text": "<html>"}, openai.InternalServerError, "model_bad_response", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("streamed", [False, True])
async def test_errors_are_typed(
    later: openai.AsyncOpenAI,
    model: ModelServer,
    refusal: tuple[dict[str, Any], type[openai.APIStatusError], str, bool],
    streamed: bool,
) -> None:
    """Streamed or not, with the header that tells the client whether to retry."""
    step, error, code, retry = refusal
    model.script(completions=[step | {"always": True}])

    with pytest.raises(error) as raised:
        await later.chat.completions.create(model="gpt", messages=SAY, stream=streamed)

    assert raised.value.code == code
    assert raised.value.request_id
    assert raised.value.response.headers["x-should-retry"] == ("true" if retry else "false")


def test_the_caller_at_fault(client: openai.OpenAI) -> None:
    """An unknown model, an unknown role, no message."""
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="none", messages=SAY)
    wrong: Any = [{"role": "king", "content": "x"}]
    with pytest.raises(openai.BadRequestError) as role:
        client.chat.completions.create(model="gpt", messages=wrong)
    with pytest.raises(openai.BadRequestError) as empty:
        client.chat.completions.create(model="gpt", messages=[])

    told = [(one.value.code, one.value.param) for one in (unknown, role, empty)]
    assert told == [
        ("model_not_found", "model"),
        ("invalid_request", "messages[0].role"),
        ("invalid_request", "messages"),
    ]


def test_the_client_tries_again_what_may_pass(target: Target, model: ModelServer) -> None:
    """The client honours Retry-After, and its second attempt succeeds."""
    # Longer than the agent waits before its own retry.
    model.script(completions=[{"status": 429, "headers": {"Retry-After": "6"}}])

    with openai.OpenAI(base_url=target.openai_url, api_key="x", max_retries=1) as client:
        completion = client.chat.completions.create(model="gpt", messages=SAY)

    assert completion.choices[0].message.content == "model: one two"
    assert len(model.seen("/chat/completions")) == 2


async def test_a_stream_that_is_left(later: openai.AsyncOpenAI, model: ModelServer) -> None:
    """Closing the stream closes the request to the model."""
    model.script(completions=[{"step_by_step": True}])
    model.go()

    stream = await later.chat.completions.create(model="gpt", messages=SAY, stream=True)
    await anext(stream)
    await stream.close()

    eventually("the upstream call is closed", lambda: model.seen("/chat/completions")[0]["closed"])


def test_a_stream_that_breaks(client: openai.OpenAI, model: ModelServer) -> None:
    """The client raises after the received chunks."""
    model.script(completions=[{"break_after": 3}])
    contents: list[str | None] = []

    with pytest.raises(openai.APIError) as raised:
        contents.extend(
            chunk.choices[0].delta.content
            for chunk in client.chat.completions.create(model="gpt", messages=SAY, stream=True)
        )

    assert contents == ["", "model:", " one"]
    assert raised.value.code == "model_bad_response"

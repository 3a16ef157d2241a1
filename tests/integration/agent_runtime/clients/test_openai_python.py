"""OpenAI's Python client, synchronous and asynchronous, with both agents."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest

from tests.integration.agent_runtime import openai_clients
from tests.integration.agent_runtime.clients.conftest import Target
from tests.integration.agent_runtime.conftest import PROMPT, USER_CANARY
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually

MESSAGES: Any = [{"role": "user", "content": "one two"}]
NOW: Any = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
CALL_DELTA = {"role": "assistant", "tool_calls": [{"index": 0, **CALL}]}
CALL_CHUNKS = [
    CHUNK | {"choices": [{"index": 0, "delta": CALL_DELTA, "finish_reason": None}]},
    CHUNK | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
]
WITH_USAGE: Any = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
def client(target: Target, model: ModelServer) -> Iterator[openai.OpenAI]:
    """The synchronous client."""
    with openai_clients.sync_client(target.openai_url) as client:
        yield client


@pytest.fixture
async def async_client(target: Target, model: ModelServer) -> AsyncIterator[openai.AsyncOpenAI]:
    """The asynchronous client."""
    async with openai_clients.async_client(target.openai_url) as client:
        yield client


def test_a_completion_has_all_fields(client: openai.OpenAI) -> None:
    """The client parses them."""
    completion = client.chat.completions.create(model="gpt", messages=MESSAGES)

    assert (completion.object, completion.choices[0].finish_reason) == ("chat.completion", "stop")
    assert completion.choices[0].message.content == "model: one two"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 14


def test_the_models_have_the_names_of_the_config(client: openai.OpenAI) -> None:
    """Callers choose a model by its name."""
    assert [(model.id, model.object) for model in client.models.list()] == [("gpt", "model"), ("echo", "model")]


async def test_concurrent_requests_get_their_own_answers(async_client: openai.AsyncOpenAI) -> None:
    """The requests differ in their messages."""
    completions = [
        async_client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": n}]) for n in "abc"
    ]

    contents = [(await completion).choices[0].message.content for completion in completions]

    assert contents == ["model: a", "model: b", "model: c"]
    assert [model.id async for model in async_client.models.list()] == ["gpt", "echo"]


def test_a_stream_ends_with_the_usage(client: openai.OpenAI) -> None:
    """Before it come role, contents and finish reason."""
    *chunks, last = client.chat.completions.create(model="gpt", messages=MESSAGES, **WITH_USAGE)

    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "model: one two"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 14


async def test_the_stream_helper_assembles_the_completion(async_client: openai.AsyncOpenAI) -> None:
    """The helper of the asynchronous client yields events and the whole completion."""
    async with async_client.chat.completions.stream(model="gpt", messages=MESSAGES) as stream:
        events = [event.type async for event in stream]
        completion = await stream.get_final_completion()

    assert "content.delta" in events
    assert completion.choices[0].message.content == "model: one two"


@pytest.mark.parametrize("stream", [False, True])
def test_calls_of_the_callers_tools_reach_the_caller(client: openai.OpenAI, model: ModelServer, stream: bool) -> None:
    """The model gets the tools unchanged. The caller sends the result of the call back."""
    step = {"chunks": CALL_CHUNKS} if stream else {"message": {"content": None, "tool_calls": [CALL]}}
    model.script(completions=[step])
    request: Any = {"model": "gpt", "messages": MESSAGES, "tools": [NOW], "tool_choice": "auto"}

    if stream:
        with client.chat.completions.stream(**request) as helper:
            choice: Any = helper.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**request).choices[0]
    (call,) = choice.message.tool_calls
    results: Any = [*MESSAGES, {"role": "assistant", "tool_calls": [CALL]}]
    results += [{"role": "tool", "tool_call_id": call.id, "content": "noon"}]
    answer = client.chat.completions.create(model="gpt", messages=results, tools=[NOW])

    assert (choice.finish_reason, call.id, call.function.name) == ("tool_calls", "call_1", "now")
    assert answer.choices[0].message.content == "model: noon"
    first, second = (seen["body"] for seen in model.seen("/chat/completions"))
    assert (first["tools"], first["tool_choice"]) == ([NOW], "auto")
    assert second["messages"][1:] == results


@pytest.mark.parametrize(
    "expected",
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
async def test_errors_have_the_clients_types(
    async_client: openai.AsyncOpenAI,
    model: ModelServer,
    expected: tuple[dict[str, Any], type[openai.APIStatusError], str, bool],
    streamed: bool,
) -> None:
    """The errors have a stable code, and x-should-retry says whether a retry makes sense."""
    step, error, code, retry = expected
    model.script(completions=[step | {"always": True}])

    with pytest.raises(error) as raised:
        await async_client.chat.completions.create(model="gpt", messages=MESSAGES, stream=streamed)

    assert raised.value.code == code
    assert raised.value.request_id
    assert raised.value.response.headers["x-should-retry"] == ("true" if retry else "false")


def test_an_invalid_request_names_the_field(client: openai.OpenAI) -> None:
    """The requests have an unknown model, an unknown role, and no messages."""
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="none", messages=MESSAGES)
    wrong: Any = [{"role": "king", "content": "x"}]
    with pytest.raises(openai.BadRequestError) as role:
        client.chat.completions.create(model="gpt", messages=wrong)
    with pytest.raises(openai.BadRequestError) as empty:
        client.chat.completions.create(model="gpt", messages=[])

    errors = [(raised.value.code, raised.value.param) for raised in (unknown, role, empty)]
    assert errors == [
        ("model_not_found", "model"),
        ("invalid_request", "messages[0].role"),
        ("invalid_request", "messages"),
    ]


def test_the_client_retries_a_temporary_error(target: Target, model: ModelServer) -> None:
    """The client waits for the time in Retry-After, and the second attempt succeeds."""
    # The agent itself does not wait this long.
    model.script(completions=[{"status": 429, "headers": {"Retry-After": "6"}}])

    with openai_clients.sync_client(target.openai_url, max_retries=1) as client:
        completion = client.chat.completions.create(model="gpt", messages=MESSAGES)

    assert completion.choices[0].message.content == "model: one two"
    assert len(model.seen("/chat/completions")) == 2


async def test_a_closed_stream_stops_the_model_call(async_client: openai.AsyncOpenAI, model: ModelServer) -> None:
    """The client closes the stream after the first chunk."""
    model.script(completions=[{"step_by_step": True}])
    model.go()

    stream = await async_client.chat.completions.create(model="gpt", messages=MESSAGES, stream=True)
    await anext(stream)
    await stream.close()

    eventually("the model call is closed", lambda: model.seen("/chat/completions")[0]["closed"])


def test_a_broken_stream_is_an_error(client: openai.OpenAI, model: ModelServer) -> None:
    """The client raises it after the chunks that arrived."""
    model.script(completions=[{"break_after": 3}])
    contents: list[str | None] = []

    with pytest.raises(openai.APIError) as raised:
        contents.extend(
            chunk.choices[0].delta.content
            for chunk in client.chat.completions.create(model="gpt", messages=MESSAGES, stream=True)
        )

    assert contents == ["", "model:", " one"]
    assert raised.value.code == "model_bad_response"

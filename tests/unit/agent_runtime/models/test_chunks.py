"""Streams and completions, compared with what the openai SDK reads in the same bytes."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import httpx2
import openai
import pytest

from agent_runtime.errors import Problem
from agent_runtime.models import chunks, sse
from tests.stream_cases import ACCEPTED, ERRORS, LENIENT, PLAIN, REFUSED


class Parts:
    """The parts of a response, each as one read returns it."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self.parts = parts

    async def iter_any(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part


async def ours(*parts: bytes) -> list[Any]:
    """Return the chunks that the runtime reads."""
    return [
        json.loads(chunks.read_chunk("m", kind, data)[0])
        async for kind, data in sse.events(Parts(parts))
        if data != sse.DONE and not data.startswith(sse.DONE)
    ]


async def oracles(text: str) -> list[Any]:
    """Return the chunks that the openai SDK reads."""

    def respond(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=text.encode(), headers={"Content-Type": "text/event-stream"})

    transport = httpx2.MockTransport(respond)
    http = httpx2.AsyncClient(transport=transport)
    async with openai.AsyncOpenAI(api_key="x", base_url="http://m", http_client=http, max_retries=0) as client:
        stream = await client.chat.completions.create(model="m", messages=[], stream=True)
        return [chunk.to_dict(warnings=False) async for chunk in stream]


def splits(text: bytes) -> Iterable[Sequence[bytes]]:
    """Yield the text in parts of several sizes: also within a line end or a character."""
    yield [text]
    if len(text) < 10_000:
        for size in (1, 2, 3, 7, 64):
            yield [text[start : start + size] for start in range(0, len(text), size)]


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
async def test_the_runtime_reads_what_the_sdk_reads(text: str) -> None:
    # JSON has no NaN. The runtime reads null.
    expected = json.loads(json.dumps(await oracles(text)).replace("NaN", "null").replace("-Infinity", "null"))

    for parts in splits(text.encode()):
        assert await ours(*parts) == expected


@pytest.mark.parametrize("text", LENIENT.values(), ids=LENIENT)
async def test_the_runtime_reads_more_than_the_sdk(text: str) -> None:
    expected = await oracles(PLAIN)

    for parts in splits(text.encode()):
        assert await ours(*parts) == expected


@pytest.mark.parametrize("text", [*REFUSED.values(), *ERRORS.values()], ids=[*REFUSED, *ERRORS])
async def test_an_error_in_a_stream_is_a_problem(text: str) -> None:
    """The problem does not quote the server."""
    if text in REFUSED.values():
        with pytest.raises((openai.APIError, ValueError)):
            await oracles(text)

    with pytest.raises(Problem) as raised:
        await ours(text.encode())

    assert raised.value.status >= 400
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 429}, (429, "model_rate_limited")),
        ({"code": "rate_limit_exceeded"}, (429, "model_rate_limited")),
        ({"code": "insufficient_quota"}, (429, "insufficient_quota")),
        ({"code": "content_filter", "status": 400}, (400, "content_filter")),
        ({"type": "invalid_request_error"}, (400, "model_refused_request")),
        ({"code": 401}, (502, "model_credentials_refused")),
        ({"code": 9999}, (502, "model_unavailable")),
        ({"code": ["x"], "type": {}}, (502, "model_unavailable")),
        ("words", (502, "model_unavailable")),
    ],
)
def test_an_error_in_a_response_has_the_status_of_its_code(error: Any, expected: tuple[int, str]) -> None:
    problem = chunks.in_band_error("m", {"error": error})

    assert (problem.status, problem.code) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"{}", b"7", b'{"choices": [{}]}', b'{"choices": [{"message": "x"}]}', b'{"choices": {}}',
        b'{"choices": [1]}', b'{"choices": []}', b'{"choices": null}', b"[" * 300 + b"]" * 300,
        b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=range(13),
)  # fmt: skip
def test_an_invalid_completion_is_a_bad_response(body: bytes) -> None:
    with pytest.raises(Problem) as raised:
        chunks.completion("m", body)

    assert (raised.value.status, raised.value.code) == (502, "model_bad_response")


def test_an_error_in_a_completion_is_a_problem() -> None:
    """Also if the completion has choices."""
    with pytest.raises(Problem, match="failed with 503"):
        chunks.completion("m", b'{"choices": [{"message": {"content": "x"}}], "error": {"code": 503}}')


def test_a_filtered_choice_without_a_message_gets_one() -> None:
    completion = chunks.completion("m", b'{"choices": [{"finish_reason": "content_filter"}]}')

    assert completion["choices"][0]["message"] == {"role": "assistant", "content": None}


def test_a_completion_becomes_chunks() -> None:
    """The SDK's helper for streams puts the same message together."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "x", "reasoning_content": "r", "tool_calls": [call, call | {"id": "2"}]}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}

    first, last = map(json.loads, chunks.as_chunks(whole))

    delta = first["choices"][0]["delta"]
    assert first["object"] == "chat.completion.chunk"
    assert first["choices"][0]["finish_reason"] == "tool_calls"
    assert [(part["index"], part["id"]) for part in delta["tool_calls"]] == [(0, "1"), (1, "2")]
    assert delta["reasoning_content"] == "r"
    assert (last["choices"], last["usage"]) == ([], usage)

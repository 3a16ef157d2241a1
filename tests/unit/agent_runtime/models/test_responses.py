"""Responses of a model's server, as completions and problems."""

import pytest

from agent_runtime.errors import Problem
from agent_runtime.models import responses


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"choices": [{}]}', b'{"choices": [{"message": "x"}]}', b'{"choices": {}}']
)
def test_an_invalid_completion_is_a_bad_response(body: bytes) -> None:
    with pytest.raises(Problem) as raised:
        responses.completion("m", body)

    assert (raised.value.status, raised.value.code) == (502, "model_bad_response")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        b"[]",
        b"{}",
        b'{"choices": {}}',
        b'{"choices": [1]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"delta": {"content": 1}}]}',
        b'{"choices": [{"delta": {"tool_calls": 1}}]}',
        b'{"choices": [{"delta": {"tool_calls": [1]}}]}',
        b'{"choices": [{"delta": {"tool_calls": [{"function": 1}]}}]}',
        b'{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": 1}}]}}]}',
        b'{"choices": [], "usage": 1}',
        b'{"error": {"message": "m"}}',
    ],
)
def test_an_invalid_chunk_is_a_bad_response(data: bytes) -> None:
    with pytest.raises(Problem) as raised:
        responses.check_chunk("m", data)

    assert raised.value.status == 502


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices": []}',
        b'{"choices": [{"delta": {}}], "usage": null}',
        b'{"choices": [{"delta": {"content": null, "tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}}]}',
    ],
)
def test_a_valid_chunk_passes(data: bytes) -> None:
    responses.check_chunk("m", data)

"""The usage of several rounds of a request with tools."""

from typing import Any

import pytest

from agent_runtime.agent.tool_loop import MAX_DETAILS, MAX_TOKENS, Usage


def total(*rounds: Any) -> Any:
    usage = Usage()
    for one in rounds:
        usage.add(one)
    return usage.total


def test_details_are_summed() -> None:
    """Cached and reasoning tokens are not lost."""
    first = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }

    assert total(first, None, first | {"completion_tokens_details": None}) == {
        "prompt_tokens": 20,
        "completion_tokens": 10,
        "total_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 16, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


@pytest.mark.parametrize("details", [None, [], "x", {"cached_tokens": "x"}, {"cached_tokens": True}, {}])
def test_malformed_details_are_left_out(details: Any) -> None:
    found = total({"prompt_tokens": 1, "prompt_tokens_details": details})

    assert found["prompt_tokens"] == 1
    assert not found.get("prompt_tokens_details")


def test_details_are_bounded() -> None:
    many = {"prompt_tokens_details": {f"{number}": 10**30 for number in range(10_000)}}

    found = total(many, many)["prompt_tokens_details"]

    assert len(found) == MAX_DETAILS
    assert set(found.values()) == {MAX_TOKENS}

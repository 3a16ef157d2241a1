"""Which mode of streaming later requests get after a model refused one."""

from typing import Any

import pytest

from agent_runtime.models.streaming import REMEMBERED_SECONDS, StreamMode, StreamModes, concerns_all
from tests.clock import ManualClock

BODY: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
PICTURE: Any = [{"type": "image_url", "image_url": {"url": "data:x"}}]


@pytest.mark.parametrize(
    ("fields", "param", "expected"),
    [
        ({}, None, True),
        ({"temperature": 1, "max_tokens": 5, "audio": None}, None, True),
        ({"stream_options": {"include_usage": True}}, None, True),
        ({"tools": [{}]}, "stream_options", True),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}, "stream", True),
        ({}, "stream_options.include_usage", False),
        ({}, "audio", False),
        ({"stream_options": {"bogus": 1}}, None, False),
        ({"stream_options": {"bogus": 1}}, "stream_options", False),
        ({"audio": {"voice": "v"}}, None, False),
        ({"audio": {"voice": "v"}}, "stream", False),
        ({"modalities": ["audio"]}, None, False),
        ({"tools": [{}]}, None, False),
        ({"messages": [{"role": "user", "content": PICTURE}]}, "stream", False),
    ],
    ids=str,
)
def test_a_refusal_concerns_all_callers_unless_the_request_may_be_the_cause(
    fields: Any, param: str | None, expected: bool
) -> None:
    assert concerns_all(BODY | fields, param) is expected


def test_a_mode_is_remembered_for_some_minutes() -> None:
    clock = ManualClock()
    modes = StreamModes(StreamMode.WITH_USAGE, clock)

    found: list[StreamMode] = []
    for mode, concerns, seconds in (
        (StreamMode.NONE, False, 0),
        (StreamMode.PLAIN, True, REMEMBERED_SECONDS - 1),
        (StreamMode.NONE, False, 1),
    ):
        modes.remember(mode, concerns_all=concerns)
        clock.now += seconds
        found.append(modes.current)

    assert found == [StreamMode.WITH_USAGE, StreamMode.PLAIN, StreamMode.WITH_USAGE]

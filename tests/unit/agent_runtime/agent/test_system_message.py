"""The prompt and the caller's system messages become one message."""

from typing import Any

import pytest

from agent_runtime.agent.system_message import with_prompt

USER = {"role": "user", "content": "hi"}
PART = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize(
    ("own", "content"),
    [
        ([], "P"),
        ([{"role": "system", "content": "a"}], "P\n\na"),
        ([{"role": "developer", "content": "a"}, {"role": "system", "content": "b"}], "P\n\na\n\nb"),
        ([{"role": "system", "content": None}], "P"),
        ([{"role": "system", "content": "a"}, {"role": "system", "content": [PART]}],
         [{"type": "text", "text": "P"}, {"type": "text", "text": "a"}, PART]),
    ],
)  # fmt: skip
def test_there_is_one_system_message_and_it_is_first(own: list[dict[str, Any]], content: Any) -> None:
    """Wherever the caller's are."""
    for messages in ([*own, USER], [USER, *own]):
        assert with_prompt("P", messages) == [{"role": "system", "content": content}, USER]


def test_without_a_prompt_the_messages_are_unchanged() -> None:
    messages = [{"role": "system", "content": "a"}, USER, {"role": "developer", "content": "b"}]

    assert with_prompt("", messages) == messages

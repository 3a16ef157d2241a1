"""The history of a conversation of the Responses API."""

from typing import Any

import pytest

from agent_runtime.agent.conversations import Conversations, ResponseId, first_id, history
from agent_runtime.errors import Problem
from agent_runtime.memory.local import LocalStore

CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "r"}


def turn(tokens: int, *messages: Any) -> Any:
    return {"id": "x", "messages": list(messages), "tokens": tokens}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


PLAIN = [turn(10, user("a"), assistant("b")), turn(10, user("c"), assistant("d"))]
CALLING = [turn(10, user("a"), assistant("b")), turn(10, user("c"), CALL)]
ANSWERED = [*CALLING, turn(10, RESULT, assistant("d"))]


@pytest.mark.parametrize(
    ("turns", "messages", "tokens", "expected"),
    [
        (PLAIN, [user("e")], 100, ["a", "b", "c", "d"]),
        (PLAIN, [user("e")], 15, ["c", "d"]),
        (PLAIN, [user("e")], 0, []),
        (CALLING, [RESULT], 0, ["c", None]),
        (CALLING, [RESULT], 20, ["a", "b", "c", None]),
        (ANSWERED, [user("e")], 25, ["c", None, "r", "d"]),
        (ANSWERED, [user("e")], 15, []),
        (ANSWERED[2:], [user("e")], 100, []),
    ],
)
def test_calls_and_their_results_stay_together(
    turns: list[Any], messages: list[Any], tokens: int, expected: list[Any]
) -> None:
    """Models refuse results without calls."""
    assert [message["content"] for message in history(turns, messages, tokens)] == expected


async def test_each_caller_has_its_own_conversations() -> None:
    sessions = LocalStore(60)
    one, two = Conversations(sessions, "one:{}".format), Conversations(sessions, "two:{}".format)
    first = first_id()
    second = first.next()
    await one.store(first, None, [user("a")], assistant("b"), {"id": str(first)})
    await one.store(second, first, [user("c")], assistant("d"), {"id": str(second)})

    turns = await one.turns(ResponseId.parse(str(second)))

    assert [turn["messages"][0]["content"] for turn in turns] == ["a", "c"]
    for caller, response in ((two, second), (one, second.next()), (one, first_id())):
        with pytest.raises(Problem, match="does not exist or has expired"):
            await caller.turns(response)
    await one.delete(first)
    with pytest.raises(Problem):
        await one.turns(second)


@pytest.mark.parametrize("text", ["", "resp_", "resp_1", "RESP_" + "a" * 64, "resp_" + "A" * 64, "resp_" + "a" * 65])
def test_another_id_is_not_found(text: str) -> None:
    with pytest.raises(Problem) as raised:
        ResponseId.parse(text, "previous_response_id")

    assert (raised.value.status, raised.value.param) == (404, "previous_response_id")


async def test_turns_that_name_each_other_end() -> None:
    """Another program may have written them."""
    sessions = LocalStore(60)
    found = first_id()
    entry: Any = {"id": found.turn, "messages": [user("a")], "tokens": 1, "parent": found.turn, "response": {}}
    await sessions.append(f"response-{found.session}", entry)

    assert len(await Conversations(sessions, str).turns(found)) == 1

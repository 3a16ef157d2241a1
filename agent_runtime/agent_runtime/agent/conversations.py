"""Conversations of the Responses API, kept as turns of sessions.

Each response is a turn, which names the turn before it. So a caller may continue from any response of a conversation.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agent_runtime.agent.metering import message_tokens
from agent_runtime.errors import Problem
from agent_runtime.memory.base import MAX_TURN_BYTES, SessionStore, Turn, latest
from agent_runtime.memory.tokens import answer_tokens
from agent_runtime.models.base import Json

_RESPONSE_ID = re.compile(r"resp_([0-9a-f]{32})([0-9a-f]{32})")


class ResponseTurn(Turn, total=False):
    """A turn of a conversation.

    Attributes:
        parent: id of the turn before it; "" if it is the first.
        response: the response object without its output, which is in the messages.
    """

    parent: str
    response: Json


@dataclass(frozen=True, slots=True)
class ResponseId:
    """The id of a response: those of its session and of its turn."""

    session: str
    turn: str

    @classmethod
    def parse(cls, text: str, param: str | None = None) -> "ResponseId":
        """Return the parts of an id.

        Raises:
            Problem: no response has this id.
        """
        match = _RESPONSE_ID.fullmatch(text)
        if match is None:
            raise not_found(param)
        return cls(*match.groups())

    def next(self) -> "ResponseId":
        """Return the id of a later response of the same conversation."""
        return ResponseId(self.session, secrets.token_hex(16))

    def __str__(self) -> str:
        return f"resp_{self.session}{self.turn}"


def first_id() -> ResponseId:
    """Return the id of the first response of a new conversation."""
    return ResponseId(secrets.token_hex(16), secrets.token_hex(16))


class Conversations:
    """The conversations of one caller."""

    def __init__(self, sessions: SessionStore, key: Callable[[str], str]) -> None:
        """Create them; `key` returns the id of a session in the store, which differs between callers."""
        self._sessions = sessions
        self._key = key

    async def turns(self, response_id: ResponseId, param: str | None = None) -> list[Any]:
        """Return the turns up to a response, oldest first.

        Raises:
            Problem: the caller has no such response, or it has expired.
        """
        stored = await self._sessions.history(self._session(response_id))
        turns: dict[str, Any] = {turn["id"]: turn for turn in stored}
        found: list[Any] = []
        current = response_id.turn
        while (turn := turns.pop(current, None)) is not None and isinstance(turn.get("response"), dict):
            found.append(turn)
            current = str(turn.get("parent"))
        if not found:
            raise not_found(param)
        return found[::-1]

    async def store(
        self, response_id: ResponseId, parent: ResponseId | None, asked: Sequence[Json], answer: Json, response: Json
    ) -> bool:
        """Store the messages that were sent, the model's answer, and the response object, unless they are huge.

        Returns:
            Whether they are stored.
        """
        usage = response.get("usage") or {}
        reported = {"completion_tokens": usage.get("output_tokens")}
        turn: ResponseTurn = {
            "id": response_id.turn,
            "messages": [*asked, answer],
            "tokens": sum(map(message_tokens, asked)) + answer_tokens(answer, reported),
            "parent": parent.turn if parent else "",
            "response": {name: value for name, value in response.items() if name != "output"},
        }
        if len(orjson.dumps(turn)) > MAX_TURN_BYTES:
            return False
        await self._sessions.append(self._session(response_id), turn)
        return True

    async def delete(self, response_id: ResponseId) -> None:
        """Delete the conversation of a response.

        Raises:
            Problem: the caller has no such response.
        """
        await self.turns(response_id)
        await self._sessions.delete(self._session(response_id))

    def _session(self, response_id: ResponseId) -> str:
        return self._key(f"response-{response_id.session}")


def history(turns: Sequence[Turn], messages: Sequence[Json], max_tokens: int) -> list[Json]:
    """Return the messages of the newest turns that fit.

    A turn that begins with results of tools needs the turn before it, which has the calls. So do the new messages.
    """
    groups: list[Turn] = []
    for turn in turns:
        if _begins_with_results(turn["messages"]):
            if groups:
                before = groups[-1]
                joined = [*before["messages"], *turn["messages"]]
                groups[-1] = {"id": turn["id"], "messages": joined, "tokens": before["tokens"] + turn["tokens"]}
        else:
            groups.append(turn)
    if groups and _begins_with_results(messages):
        last = groups.pop()
        return [*latest(groups, max_tokens - last["tokens"]), *last["messages"]]
    return latest(groups, max_tokens)


def _begins_with_results(messages: Sequence[Json]) -> bool:
    return bool(messages) and messages[0].get("role") == "tool"


def not_found(param: str | None = None) -> Problem:
    """Return the problem that the caller has no such response."""
    code = "previous_response_not_found" if param else "response_not_found"
    where = f"{param}: " if param else ""
    return Problem(404, code, f"{where}The response does not exist or has expired: send the whole input", param=param)

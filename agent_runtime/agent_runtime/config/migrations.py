"""From one schema of agent.toml to the next, a step at a time.

A runtime may be newer or older than the operator that writes its file: versions are pinned, and fleets roll wave by
wave. So a file says its schema where that is not 1, a runtime brings an older file up to what it knows, and the
operator writes the oldest schema that says the same, which most runtimes can read. Only what changes the meaning of a
file, or makes every file say something new, needs a step; a field that only its users write does not.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

KEY = "schema"


@dataclass(frozen=True, slots=True)
class Step:
    """What changed from one schema to the next. Both ways may change the document that they are given.

    Attributes:
        change: what changed, for people.
        upgrade: makes a document of the older schema say the same in the newer; once or twice, it is all one.
        downgrade: makes a document of the newer schema say the same in the older; False if that cannot.
    """

    change: str
    upgrade: Callable[[Document], None]
    downgrade: Callable[[Document], bool]


def _memory(document: Document) -> Document | None:
    """The memory table, if there is one; the rest of the document may be anything."""
    agent = document.get("agent")
    memory = agent.get("memory") if isinstance(agent, dict) else None
    return memory if isinstance(memory, dict) else None


# 64,000 characters were what a model was shown of a conversation, whatever the file said: about so many tokens.
_FIXED_BOUND = 16_000


def _say_bound(document: Document) -> None:
    if (memory := _memory(document)) is not None:
        memory.setdefault("max_history_tokens", _FIXED_BOUND)


def _leave_bound_out(document: Document) -> bool:
    memory = _memory(document) or {}
    bound: object = memory.pop("max_history_tokens", _FIXED_BOUND)
    return bound == _FIXED_BOUND


# In order; the first leads from schema 1 to 2. A step that was released stays as it is.
STEPS: tuple[Step, ...] = (
    Step("memory.max_history_tokens takes the place of a fixed bound in characters", _say_bound, _leave_bound_out),
)


def upgraded(document: Document, steps: Sequence[Step] = STEPS) -> Document:
    """The document of agent.toml in the newest schema, which it then does not say.

    Raises:
        ValueError: it is of a schema that is newer than this version, or none; the message begins with `schema: `.
    """
    made = deepcopy(document)
    number, newest = made.pop(KEY, 1), len(steps) + 1
    if type(number) is not int or number < 1:
        raise ValueError(f"{KEY}: must be a whole number, 1 or more")
    if number > newest:
        raise ValueError(f"{KEY}: {number} is newer than this version, which reads 1 to {newest}: use a newer image")
    for step in steps[number - 1 :]:
        step.upgrade(made)
    return made


def oldest(document: Document, steps: Sequence[Step] = STEPS) -> Document:
    """The document of the newest schema in the oldest one that says the same; without a number that is schema 1.

    Args:
        document: complete, as the models dump it: what it leaves out has the newest schema's default.
        steps: all of them.
    """
    made, number = document, len(steps) + 1
    for step in reversed(steps):
        older = deepcopy(made)
        if not step.downgrade(older):
            break
        made, number = older, number - 1
    return {KEY: number, **made} if number > 1 else made

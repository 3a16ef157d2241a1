"""Migrations between the schema versions of agent.toml.

The runtime may be newer or older than the operator that writes its file, because versions are pinned and fleets are
upgraded wave by wave. So a file names its schema unless that is 1, a runtime upgrades an older file to its own schema,
and the operator writes the oldest schema with the same meaning, which most runtimes can read. A change needs a step
only if it changes the meaning of existing files or adds a value to every file; a new optional field does not.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

KEY = "schema"


@dataclass(frozen=True, slots=True)
class Step:
    """The step between two consecutive schemas. Both functions may modify their argument.

    Attributes:
        change: description of the change.
        upgrade: converts a document of the older schema to the newer one; idempotent.
        downgrade: converts a document of the newer schema to the older one; returns False if that is impossible.
    """

    change: str
    upgrade: Callable[[Document], None]
    downgrade: Callable[[Document], bool]


def _memory(document: Document) -> Document | None:
    """Return the memory table of a document that is not validated yet; None if there is none."""
    agent = document.get("agent")
    memory = agent.get("memory") if isinstance(agent, dict) else None
    return memory if isinstance(memory, dict) else None


# Schema 1 has no field for it. A model received 64,000 characters of a conversation, which are about so many tokens.
_FIXED_BOUND = 16_000


def _add_bound(document: Document) -> None:
    if (memory := _memory(document)) is not None:
        memory.setdefault("max_history_tokens", _FIXED_BOUND)


def _remove_bound(document: Document) -> bool:
    memory = _memory(document) or {}
    bound: object = memory.pop("max_history_tokens", _FIXED_BOUND)
    return bound == _FIXED_BOUND


# In order; the first step is from schema 1 to 2. A released step never changes.
STEPS: tuple[Step, ...] = (
    Step("memory.max_history_tokens replaces a fixed limit of characters", _add_bound, _remove_bound),
)


def upgraded(document: Document, steps: Sequence[Step] = STEPS) -> Document:
    """Return the document in the newest schema, without the field `schema`.

    Raises:
        ValueError: the schema is unknown or newer than this version; the message begins with `schema: `.
    """
    result = deepcopy(document)
    number, newest = result.pop(KEY, 1), len(steps) + 1
    if type(number) is not int or number < 1:
        raise ValueError(f"{KEY}: must be a whole number, 1 or more")
    if number > newest:
        raise ValueError(f"{KEY}: {number} is newer than this version, which reads 1 to {newest}: use a newer image")
    for step in steps[number - 1 :]:
        step.upgrade(result)
    return result


def oldest(document: Document, steps: Sequence[Step] = STEPS) -> Document:
    """Convert a document of the newest schema to the oldest schema with the same meaning.

    Args:
        document: complete, as the models dump it. A missing field has the default of the newest schema.
        steps: all steps.
    """
    result, number = document, len(steps) + 1
    for step in reversed(steps):
        older = deepcopy(result)
        if not step.downgrade(older):
            break
        result, number = older, number - 1
    return {KEY: number, **result} if number > 1 else result

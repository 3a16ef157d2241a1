"""Whether an answer is as a check expects. Pure but for a clock of CPU time; judges are asked elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from agent_runtime.checks.report import shortened
from agent_runtime.config.checks import CheckConfig, matcher

if TYPE_CHECKING:
    from jsonschema import ValidationError

# Patterns in a schema are Python's, and some take for ever. In seconds of CPU, so a busy machine changes nothing.
SCHEMA_CPU_SECONDS = 2.0
MAX_QUOTE = 60


class CannotJudgeError(Exception):
    """Why an answer can be called neither right nor wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the agent said.

    Attributes:
        latency: seconds from the request to the answer's end.
        tokens: that the request used in all; None when the agent did not say.
    """

    text: str
    latency: float
    tokens: int | None


def unmet(check: CheckConfig, answer: Answer) -> tuple[str, ...]:
    """What the answer is not, an expectation each; quotes expectations, never the answer.

    Raises:
        CannotJudgeError: an expectation cannot be looked at.
    """
    return tuple(_unmet(check, answer))


def _unmet(check: CheckConfig, answer: Answer) -> Iterator[str]:
    if check.max_latency_seconds is not None and answer.latency > check.max_latency_seconds:
        yield f"took {answer.latency:.1f} s, more than {check.max_latency_seconds} s"
    if check.max_tokens is not None:
        if answer.tokens is None:
            raise CannotJudgeError("maxTokens: the agent does not tell how many tokens it used")
        if answer.tokens > check.max_tokens:
            yield f"used {answer.tokens} tokens, more than {check.max_tokens}"
    yield from (f"does not contain {quoted(part)}" for part in check.contains or () if part not in answer.text)
    yield from (f"contains {quoted(part)}" for part in check.not_contains or () if part in answer.text)
    if check.regex is not None and not matcher(check.regex)(answer.text):
        yield f"does not match {quoted(check.regex)}"
    if check.json_schema is not None and (told := _unlike(check.json_schema, answer.text)):
        yield told


def quoted(text: str) -> str:
    """The beginning of an expectation, in quotes and on one line."""
    return json.dumps(shortened(text, MAX_QUOTE), ensure_ascii=False)


def unfenced(text: str) -> str:
    """The text, without the fence when all of it is one fenced block, of JSON or of nothing said."""
    stripped = text.strip()
    opening, newline, rest = stripped.partition("\n")
    if newline and opening.strip().lower() in {"```", "```json"} and rest.endswith("```"):
        return rest[:-3]
    return stripped


def _unlike(schema: dict[str, Any], text: str) -> str | None:
    """Why the text is no JSON of this schema, if it is not."""
    try:
        value = orjson.loads(unfenced(text))
    except orjson.JSONDecodeError:
        return "is not JSON"
    # Imported here: the import takes 0.15 s, and most checks have no schema.
    from jsonschema import SchemaError  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    from agent_runtime.tools.json_schema import compiled, mismatch  # noqa: PLC0415

    try:
        error = mismatch(compiled(schema, SCHEMA_CPU_SECONDS), value, SCHEMA_CPU_SECONDS)
    except TimeoutError:
        raise CannotJudgeError(f"jsonSchema: not decided within {SCHEMA_CPU_SECONDS:g} s of CPU time") from None
    except SchemaError:
        raise CannotJudgeError("jsonSchema: not a valid JSON Schema") from None
    except Unresolvable:
        raise CannotJudgeError("jsonSchema: $ref: refers to something that is not there") from None
    except RecursionError:
        raise CannotJudgeError("jsonSchema: schema or answer is nested too deeply") from None
    return None if error is None else _misfit(error)


def _misfit(error: "ValidationError") -> str:
    """Where in the schema, and what it asks for there; nothing of the answer, whose very keys may be anything."""
    path = "jsonSchema"
    for part in error.absolute_schema_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    asked = json.dumps(error.validator_value, ensure_ascii=False)
    return f"does not fit {path}: {shortened(asked, MAX_QUOTE)}"

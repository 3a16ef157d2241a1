"""The expectations of a check on an answer, except for the judge. Pure, apart from a limit on CPU time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from agent_runtime.checks.report import shortened
from agent_runtime.config.checks import CheckConfig, matcher

if TYPE_CHECKING:
    from jsonschema import ValidationError

# Limit for a JSON Schema: a pattern may take exponential time. CPU time does not depend on the machine's load.
SCHEMA_CPU_SECONDS = 2.0
MAX_QUOTE = 60


class CannotJudgeError(Exception):
    """There is no verdict on an answer. The message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the agent.

    Attributes:
        latency: seconds from the request to the answer's end.
        tokens: total tokens of the request; None if the agent did not report them.
    """

    text: str
    latency: float
    tokens: int | None


def unmet(check: CheckConfig, answer: Answer) -> tuple[str, ...]:
    """Return the expectations that the answer does not meet. Each text quotes the expectation, never the answer.

    Raises:
        CannotJudgeError: an expectation cannot be checked.
    """
    return tuple(_unmet(check, answer))


def _unmet(check: CheckConfig, answer: Answer) -> Iterator[str]:
    if check.max_latency_seconds is not None and answer.latency > check.max_latency_seconds:
        yield f"took {answer.latency:.1f} s, more than {check.max_latency_seconds} s"
    if check.max_tokens is not None:
        if answer.tokens is None:
            raise CannotJudgeError("maxTokens: the agent does not report how many tokens it used")
        if answer.tokens > check.max_tokens:
            yield f"used {answer.tokens} tokens, more than {check.max_tokens}"
    yield from (f"does not contain {quoted(part)}" for part in check.contains or () if part not in answer.text)
    yield from (f"contains {quoted(part)}" for part in check.not_contains or () if part in answer.text)
    if check.regex is not None and not matcher(check.regex)(answer.text):
        yield f"does not match {quoted(check.regex)}"
    if check.json_schema is not None and (mismatch := _schema_mismatch(check.json_schema, answer.text)):
        yield mismatch


def quoted(text: str) -> str:
    """Return the beginning of an expectation, in quotes and on one line."""
    return json.dumps(shortened(text, MAX_QUOTE), ensure_ascii=False)


def unfenced(text: str) -> str:
    """Return the text, without the fence if all of it is one fenced block, with the language json or none."""
    stripped = text.strip()
    opening, newline, rest = stripped.partition("\n")
    if newline and opening.strip().lower() in {"```", "```json"} and rest.endswith("```"):
        return rest[:-3]
    return stripped


def _schema_mismatch(schema: dict[str, Any], text: str) -> str | None:
    """Return why the text is not JSON of this schema; None if it is."""
    try:
        value = orjson.loads(unfenced(text))
    except orjson.JSONDecodeError:
        return "is not JSON"
    # Imported here: the import takes 0.15 s, and most checks have no schema.
    from jsonschema import SchemaError  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    from agent_runtime.checks.json_schema import compiled, first_error  # noqa: PLC0415

    try:
        error = first_error(compiled(schema, SCHEMA_CPU_SECONDS), value, SCHEMA_CPU_SECONDS)
    except TimeoutError:
        raise CannotJudgeError(f"jsonSchema: not decided within {SCHEMA_CPU_SECONDS:g} s of CPU time") from None
    except SchemaError:
        raise CannotJudgeError("jsonSchema: not a valid JSON Schema") from None
    except Unresolvable:
        raise CannotJudgeError("jsonSchema: $ref: refers to something that the schema does not contain") from None
    except RecursionError:
        raise CannotJudgeError("jsonSchema: schema or answer is nested too deeply") from None
    return None if error is None else _violated(error)


def _violated(error: "ValidationError") -> str:
    """Return the path in the schema and its value there. Nothing of the answer is quoted, not even its keys."""
    path = "jsonSchema"
    for part in error.absolute_schema_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    expected = json.dumps(error.validator_value, ensure_ascii=False)
    return f"does not fit {path}: {shortened(expected, MAX_QUOTE)}"

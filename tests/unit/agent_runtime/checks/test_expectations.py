"""Each expectation, met and not met."""

import signal
from typing import Any

import pytest

from agent_runtime.checks import expectations
from agent_runtime.checks.expectations import Answer, CannotJudgeError, quoted, unfenced, unmet
from agent_runtime.config.checks import CheckConfig

SCHEMA = {
    "type": "object",
    "required": ["total"],
    "properties": {"total": {"type": "number", "minimum": 0}, "items": {"type": "array", "maxItems": 2}},
}


def reasons(text: str, latency: float = 1.0, tokens: int | None = 10, **fields: Any) -> tuple[str, ...]:
    """The reasons why an answer does not pass."""
    check = CheckConfig.model_validate({"name": "a", "prompt": "hi", **fields})
    return unmet(check, Answer(text, latency, tokens))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"contains": ["Paris", "Seine"]}, "Paris lies on the Seine."),
        ({"notContains": ["London"]}, "Paris"),
        ({"regex": r"\d+ EUR"}, "It costs\n7 EUR."),
        ({"regex": "(?i)^yes"}, "Yes."),
        ({"regex": r"^\p{Lu}"}, "Éclair"),
        ({"maxLatencySeconds": 1}, ""),
        ({"maxTokens": 10}, ""),
        ({"jsonSchema": SCHEMA}, '{"total": 1.5}'),
        ({"jsonSchema": SCHEMA}, ' \n```json\n{"total": 1}\n```\n'),
        ({"jsonSchema": SCHEMA}, '```\n{"total": 1}\n```'),
        ({"jsonSchema": {"const": None}}, "null"),
        ({"jsonSchema": {"$defs": {"t": {"type": "string"}}, "$ref": "#/$defs/t"}}, '"x"'),
    ],
)
def test_an_answer_that_meets_the_expectation_passes(fields: dict[str, Any], text: str) -> None:
    assert reasons(text, **fields) == ()


@pytest.mark.parametrize(
    ("fields", "text", "reason"),
    [
        ({"contains": ["Paris", "Seine"]}, "paris, Seine", 'does not contain "Paris"'),
        ({"notContains": ["EUR", "USD"]}, "7 USD", 'contains "USD"'),
        ({"regex": "^yes$"}, "no\nyes", 'does not match "^yes$"'),
        ({"maxTokens": 9}, "", "used 10 tokens, more than 9"),
        ({"jsonSchema": SCHEMA}, "", "is not JSON"),
        ({"jsonSchema": SCHEMA}, 'Here it is: {"total": 1}', "is not JSON"),
        ({"jsonSchema": SCHEMA}, '{"total": 1} {"total": 1}', "is not JSON"),
        ({"jsonSchema": SCHEMA}, '{"total": NaN}', "is not JSON"),
        ({"jsonSchema": SCHEMA}, "[" * 100_000, "is not JSON"),
        ({"jsonSchema": SCHEMA}, "{}", 'does not fit jsonSchema.required: ["total"]'),
        ({"jsonSchema": SCHEMA}, "[]", 'does not fit jsonSchema.type: "object"'),
        ({"jsonSchema": SCHEMA}, '{"total": -1}', "does not fit jsonSchema.properties.total.minimum: 0"),
        ({"jsonSchema": {"allOf": [{"type": "null"}]}}, "1", 'does not fit jsonSchema.allOf[0].type: "null"'),
        ({"jsonSchema": {"not": {}}}, "1", "does not fit jsonSchema.not: {}"),
    ],
)
def test_a_reason_quotes_the_expectation_and_never_the_answer(fields: dict[str, Any], text: str, reason: str) -> None:
    assert reasons(text, **fields) == (reason,)


def test_a_slow_answer_fails() -> None:
    assert reasons("", latency=1.26, maxLatencySeconds=1) == ("took 1.3 s, more than 1 s",)


def test_every_reason_is_reported() -> None:
    assert len(reasons("b", tokens=20, contains=["a"], notContains=["b"], regex="c", maxTokens=1)) == 4


def test_unreported_tokens_are_an_error_and_no_failure() -> None:
    with pytest.raises(CannotJudgeError, match="maxTokens"):
        reasons("", tokens=None, maxTokens=1)


def test_a_schema_has_a_limit_on_cpu_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next schema has its own time, and the signal has its former handler."""
    monkeypatch.setattr(expectations, "SCHEMA_CPU_SECONDS", 0.2)
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(CannotJudgeError, match="not decided within"):
        reasons('"' + "a" * 40 + '!"', jsonSchema={"pattern": "^(a+)+$"})

    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert reasons('"a"', jsonSchema={"pattern": "^(a+)+$"}) == ()


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"$ref": "#/$defs/none"}])
def test_a_reference_in_a_circle_or_to_nothing_is_an_error(schema: dict[str, Any]) -> None:
    with pytest.raises(CannotJudgeError, match="jsonSchema: "):
        reasons("1", jsonSchema=schema)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (" a ", "a"),
        ("```json\n1\n```", "1\n"),
        ("``` JSON\n1```", "``` JSON\n1```"),
        ("```JSON\n1```", "1"),
        ("```python\n1\n```", "```python\n1\n```"),
        ("```json\n1", "```json\n1"),
        ("```", "```"),
    ],
)
def test_only_a_fence_around_the_whole_text_is_removed(text: str, content: str) -> None:
    """The fence has the language json or none."""
    assert unfenced(text) == content


def test_a_quote_is_short_and_on_one_line() -> None:
    assert quoted('a\n"b"') == r'"a\n\"b\""'
    assert len(quoted("x" * 1000)) == 62

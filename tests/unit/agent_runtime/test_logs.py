"""JSON logs: the format, and what they leave out."""

import asyncio
import io
import json
import logging
import sys

import pytest

from agent_runtime.logs import LINES_AT_ONCE, MASK, PERIOD_SECONDS, JsonFormatter, RequestLog, pseudonym


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    """Return a log record like one of a logger."""
    created = logging.LogRecord("agent_runtime.x", logging.INFO, "file", 1, message, arguments, None)
    created.__dict__.update(extra)
    return created


def test_a_record_is_one_object_with_its_fields() -> None:
    """A line break in a message does not start a new line."""
    line = JsonFormatter().format(record("two\nlines %s", 3, fields={"route": "/x"}))

    assert "\n" not in line
    assert json.loads(line) | {"time": ""} == {
        "time": "",
        "level": "INFO",
        "logger": "agent_runtime.x",
        "message": "two\nlines 3",
        "route": "/x",
    }


def test_an_exception_is_logged_without_its_message() -> None:
    """The message may quote a prompt. Type and stack remain."""
    try:
        int("the prompt")
    except ValueError:
        line = JsonFormatter().format(record("failed", exc_info=sys.exc_info()))

    assert "the prompt" not in line
    assert json.loads(line)["exception"] == "ValueError"
    assert json.loads(line)["at"][0].endswith("test_an_exception_is_logged_without_its_message")


def test_a_secret_that_a_library_logs_is_masked() -> None:
    """A very short secret is not masked, because it would mask ordinary words."""
    line = JsonFormatter(("sk-secret", "in")).format(record("sent sk-secret in a header"))

    assert json.loads(line)["message"] == f"sent {MASK} in a header"


def test_a_pseudonym_identifies_a_session_without_revealing_it() -> None:
    """Equal sessions have equal pseudonyms, and other sessions have others."""
    assert pseudonym("a") == pseudonym("a") != pseudonym("b")
    assert "session-1" not in pseudonym("session-1")


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("x" * 1_000_000, {}),
        ("x", {"reason": "y" * 1_000_000}),
        ("x", {"details": {"error": ["y" * 1_000_000] * 3}}),
        ("\ud800", {"reason": "\udcff", "large": 2**70}),
    ],
)
def test_a_foreign_text_cannot_make_a_line_long_or_fail(message: str, fields: dict[str, object]) -> None:
    line = JsonFormatter().format(record(message, fields=fields | {"status": 200}))

    assert len(line) < 10_000
    assert json.loads(line)["status"] == 200


def test_the_stack_of_an_endless_recursion_is_cut() -> None:
    def recurse() -> None:
        recurse()

    try:
        recurse()
    except RecursionError:
        line = JsonFormatter().format(record("failed", exc_info=sys.exc_info()))

    assert len(json.loads(line)["at"]) == 30


class _Stream(io.StringIO):
    """Counts how often it is flushed."""

    flushes = 0

    def flush(self) -> None:
        self.flushes += 1


async def test_the_lines_of_many_requests_are_written_together() -> None:
    """The first ones are written at once, and the others at the end of the period."""
    stream = _Stream()
    requests = RequestLog(stream)
    logging.getLogger("agent_runtime").setLevel(logging.INFO)

    for number in range(100):
        requests.write(logging.INFO, {"route": "/x", "status": 200, "number": number})
    assert stream.flushes <= LINES_AT_ONCE + 1
    await asyncio.sleep(2 * PERIOD_SECONDS)

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["number"] for line in lines] == list(range(100))
    assert lines[0].keys() == {"time", "level", "logger", "message", "route", "status", "number"}
    assert lines[0]["message"] == "request"
    assert LINES_AT_ONCE + 1 <= stream.flushes < 50


async def test_a_request_log_masks_secrets_and_respects_the_level() -> None:
    stream = _Stream()
    requests = RequestLog(stream, ("sk-secret",))
    logging.getLogger("agent_runtime").setLevel(logging.INFO)

    requests.write(logging.DEBUG, {"route": "/health"})
    requests.write(logging.INFO, {"route": "/sk-secret"})

    assert "sk-secret" not in stream.getvalue()
    assert json.loads(stream.getvalue())["route"] == f"/{MASK}"


async def test_a_stream_that_is_closed_does_not_affect_requests() -> None:
    stream = _Stream()
    stream.close()

    RequestLog(stream).write(logging.WARNING, {"route": "/x"})

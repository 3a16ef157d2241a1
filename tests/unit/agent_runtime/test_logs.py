"""JSON logs."""

import json
import logging
import sys

from agent_runtime.logs import MASK, JsonFormatter, pseudonym


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    """A log record as a logger would make it."""
    made = logging.LogRecord("agent_runtime.x", logging.INFO, "file", 1, message, arguments, None)
    made.__dict__.update(extra)
    return made


def test_a_record_is_one_object_with_its_fields() -> None:
    """Also when the message has line breaks."""
    line = JsonFormatter().format(record("two\nlines %s", 3, fields={"route": "/x"}))

    assert "\n" not in line
    assert json.loads(line) | {"time": ""} == {
        "time": "",
        "level": "INFO",
        "logger": "agent_runtime.x",
        "message": "two\nlines 3",
        "route": "/x",
    }


def test_an_exception_is_told_by_type_and_place_only() -> None:
    """Its text may quote a prompt."""
    try:
        int("the prompt")
    except ValueError:
        line = JsonFormatter().format(record("failed", exc_info=sys.exc_info()))

    assert "the prompt" not in line
    assert json.loads(line)["exception"] == "ValueError"
    assert json.loads(line)["at"][0].endswith("test_an_exception_is_told_by_type_and_place_only")


def test_a_secret_that_a_library_logs_is_masked() -> None:
    """But not a value so short that it would mask words."""
    line = JsonFormatter(("sk-secret", "in")).format(record("sent sk-secret in a header"))

    assert json.loads(line)["message"] == f"sent {MASK} in a header"


def test_pseudonyms() -> None:
    """Equal for equal sessions, else different, and not the session."""
    assert pseudonym("a") == pseudonym("a") != pseudonym("b")
    assert "session-1" not in pseudonym("session-1")

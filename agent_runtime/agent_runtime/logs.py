"""JSON logs: one object per line, without prompts and secrets."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from hashlib import blake2s
from typing import Any

import orjson

from agent_runtime.config.terminal import escaped

MASK = "***"
# Shorter values are not masked, because they may be ordinary words.
_MIN_SECRET_LENGTH = 6
# Characters of a message and of a field. A library or a field may quote what a server sent.
MAX_TEXT = 4_096
# Innermost frames of a stack. That of a RecursionError has a thousand.
MAX_FRAMES = 30


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object, together with the dict that the caller passes as extra={"fields": ...}."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if len(secret) >= _MIN_SECRET_LENGTH)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        } | getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["at"] = _frames(record.exc_info)
        text = escaped(_encoded(line))
        # The runtime logs no secret, but a library may.
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def _encoded(line: dict[str, Any]) -> str:
    """Return a line as JSON, in which no text is longer than MAX_TEXT."""
    try:
        text = orjson.dumps(line, default=str).decode()
        if len(text) <= MAX_TEXT:
            return text
    except orjson.JSONEncodeError:  # such as surrogates, which stand for bytes that are not UTF-8
        pass
    return orjson.dumps({name: _shortened(value) for name, value in line.items()}).decode()


def _shortened(value: Any) -> str | float | list[str]:
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, list):
        return [str(_shortened(item)) for item in value[:MAX_FRAMES]]
    text = value if isinstance(value, str) else str(value)
    return text[:MAX_TEXT].encode(errors="backslashreplace").decode()


def _frames(exc_info: Any) -> list[str]:
    """Return the stack of an exception. Its message is left out because it may quote a prompt."""
    frames = traceback.extract_tb(exc_info[2], limit=-MAX_FRAMES)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def setup(level: str, secrets: tuple[str, ...] = ()) -> None:
    """Log to stdout: records of the runtime from `level` up, and warnings of libraries."""
    # Do not collect what the format omits: file and line of the caller, thread and process.
    logging._srcfile = None  # noqa: SLF001  (see "Optimization" in the logging HOWTO)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(secrets))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("agent_runtime").setLevel(level)
    # The MCP SDK logs what servers send, at any rate. The runtime logs and reports failures of servers itself.
    logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)


def pseudonym(session_id: str) -> str:
    """Return the name of a session in logs. It identifies the session, but gives no access to it."""
    return blake2s(session_id.encode(), digest_size=6).hexdigest()

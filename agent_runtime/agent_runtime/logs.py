"""JSON logs: one object a line, no prompt, no secret."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from hashlib import blake2s
from typing import Any

import orjson

MASK = "***"
# Shorter values would mask ordinary words.
_SHORTEST_SECRET = 6


class JsonFormatter(logging.Formatter):
    """Writes a record, and what it carries under `fields`, as one JSON object."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)

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
        text = orjson.dumps(line, default=str).decode()
        # The code above logs no secret; a library may, so this is the last line of defence.
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def _frames(exc_info: Any) -> list[str]:
    """Where an exception came from. Its text is left out: it may quote a prompt."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(exc_info[2])]


def setup(level: str, secrets: tuple[str, ...] = ()) -> None:
    """Send our records of at least `level`, and other libraries' warnings, to stdout."""
    # What no line shows need not be found out for each: the caller's file and line, and the thread and process.
    logging._srcfile = None  # noqa: SLF001  (as the logging HOWTO tells under "Optimization")
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(secrets))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("agent_runtime").setLevel(level)


def pseudonym(session_id: str) -> str:
    """Stands for a session in logs: equal for equal sessions, useless to whoever would read the session."""
    return blake2s(session_id.encode(), digest_size=6).hexdigest()

"""JSON logs: one object per line, without prompts and secrets."""

import asyncio
import logging
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2s
from typing import Any, TextIO

import orjson

from agent_runtime.config.terminal import escaped

MASK = "***"
# Shorter values are not masked, because they may be ordinary words.
_MIN_SECRET_LENGTH = 6
# Characters of a message and of a field. A library or a field may quote what a server sent.
MAX_TEXT = 4_096
# A larger number is logged as a text, as orjson cannot write it.
_LARGEST_INT = 2**63
# Innermost frames of a stack. That of a RecursionError has a thousand.
MAX_FRAMES = 30
# In each period, so many lines of requests are written at once, and the others together at its end.
LINES_AT_ONCE = 4
PERIOD_SECONDS = 0.05


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object, together with the dict that the caller passes as extra={"fields": ...}."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if len(secret) >= _MIN_SECRET_LENGTH)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            **_first_fields(record.created, record.levelname, record.name, record.getMessage()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["at"] = _frames(record.exc_info)
        return self.line(line)

    def line(self, fields: dict[str, Any]) -> str:
        """Return the fields as one line of JSON, in which secrets are masked."""
        text = escaped(_encoded(fields))
        # The runtime logs no secret, but a library may.
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


class RequestLog:
    """Writes one line per request.

    A LogRecord, its handlers and a system call per line would take a tenth of the CPU time of a request.
    """

    def __init__(self, stream: TextIO | None = None, secrets: tuple[str, ...] = ()) -> None:
        self._stream = stream or sys.stdout
        self._line = JsonFormatter(secrets).line
        self._logger = logging.getLogger("agent_runtime.requests")
        # Start of the period by the event loop's clock, and the number of its lines.
        self._start, self._lines = float("-inf"), 0

    def write(self, level: int, fields: Mapping[str, Any]) -> None:
        """Write the line of a request that has ended."""
        if not self._logger.isEnabledFor(level):
            return
        first = _first_fields(time.time(), logging.getLevelName(level), self._logger.name, "request")
        # As in logging, a line that cannot be written does not affect the request.
        with suppress(OSError, ValueError):
            self._stream.write(self._line({**first, **fields}) + "\n")
            if self._may_flush():
                self._stream.flush()

    def _may_flush(self) -> bool:
        """Return whether the line is one of the first of its period; otherwise flush at the end of the period."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now >= self._start + PERIOD_SECONDS:
            self._start, self._lines = now, 0
        self._lines += 1
        if self._lines == LINES_AT_ONCE + 1:
            loop.call_at(self._start + PERIOD_SECONDS, self._flush)
        return self._lines <= LINES_AT_ONCE

    def _flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def _first_fields(created: float, level: str, logger: str, message: str) -> dict[str, Any]:
    second = int(created)
    moment = f"{_second(second)}.{int((created - second) * 1000):03d}+00:00"
    return {"time": moment, "level": level, "logger": logger, "message": message}


@lru_cache(maxsize=2)
def _second(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%S")


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
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < _LARGEST_INT):
        return float(value)
    if isinstance(value, list):
        return [str(_shortened(item)) for item in value[:MAX_FRAMES]]
    text = value if isinstance(value, str) else str(value)
    return text[:MAX_TEXT].encode(errors="backslashreplace").decode()


def _frames(exc_info: Any) -> list[str]:
    """Return the stack of an exception. Its message is left out because it may quote a prompt."""
    frames = traceback.extract_tb(exc_info[2], limit=-MAX_FRAMES)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def setup(level: str, secrets: tuple[str, ...] = ()) -> RequestLog:
    """Log to stdout: records of the runtime from `level` up, and warnings of libraries. Return the log of requests."""
    # Do not collect what the format omits: file and line of the caller, thread and process.
    logging._srcfile = None  # noqa: SLF001  (see "Optimization" in the logging HOWTO)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(secrets))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("agent_runtime").setLevel(level)
    # The MCP SDK logs what servers send, at any rate. The runtime logs and reports failures of servers itself.
    logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)
    return RequestLog(sys.stdout, secrets)


def pseudonym(session_id: str) -> str:
    """Return the name of a session in logs. It identifies the session, but gives no access to it."""
    return blake2s(session_id.encode(), digest_size=6).hexdigest()

"""Logs: one JSON object a line, or text for a terminal. No secret: not even an exception's message is logged."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

_OWN = "agent_operator"
# What every record carries; all else was given as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the caller gave as `extra`, and where an exception came from.

    The text of an exception is left out unless it is ours: pydantic's and aiohttp's quote what they were given.
    """
    found: dict[str, Any] = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, trace = record.exc_info
        found["exception"] = kind.__name__
        if kind.__module__.startswith(_OWN):
            found["error"] = str(error)
        found["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
    return found


class JsonFormatter(logging.Formatter):
    """A record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Write it."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        return json.dumps(line | fields(record), default=str)


class TextFormatter(logging.Formatter):
    """A record as one line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Write it."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        told = " ".join(f"{key}={value}" for key, value in fields(record).items())
        return f"{time} {record.levelname:7} {record.getMessage()} {told}".rstrip()


def is_relevant(record: logging.LogRecord) -> bool:
    """Leave out kopf's errors about single attempts of its requests.

    The transport sees these requests too, and states once that the API server is unreachable; that AgentDeployments
    cannot be watched is stated by kube/agent_watch.py and by /readyz.
    """
    return not (record.name.startswith("kopf.") and str(record.msg).startswith("Request attempt "))


def setup(style: str, level: str) -> None:
    """Send our records of at least `level`, and other libraries' warnings, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(is_relevant)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_OWN).setLevel(level)

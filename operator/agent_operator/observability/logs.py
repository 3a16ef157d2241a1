"""Log formats: one JSON object per line, or text for a terminal. Messages of exceptions of libraries are not logged."""

import json
import logging
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import Any

from agent_operator.observability.rate_limit import LogLimit
from agent_runtime.config.terminal import printable

_OWN = "agent_operator"
# Attributes of every record. All others come from `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the `extra` of a record, and the type and traceback of an exception.

    Only exceptions of the operator keep their text. Those of pydantic and aiohttp quote their input, which may be
    secret.
    """
    values: dict[str, Any] = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, trace = record.exc_info
        values["exception"] = kind.__name__
        if kind.__module__.startswith(_OWN):
            values["error"] = str(error)
        values["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
    return values


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        return json.dumps(line | fields(record), default=str)


class TextFormatter(logging.Formatter):
    """Formats a record as one line of text."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        extra = " ".join(f"{key}={value}" for key, value in fields(record).items())
        return printable(f"{time} {record.levelname:7} {record.getMessage()} {extra}".rstrip())


def is_relevant(record: logging.LogRecord) -> bool:
    """Filter out errors of kopf about single attempts of a request.

    kube/reachability.py logs once that the API server is unreachable. kube/agent_watch.py and /readyz report a failing
    watch of AgentDeployments.
    """
    return not (record.name.startswith("kopf.") and str(record.msg).startswith("Request attempt "))


def setup(style: str, level: str) -> None:
    """Log the records of the operator from `level` up, and warnings of libraries, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(is_relevant)
    handler.addFilter(LogLimit(time.monotonic))
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_OWN).setLevel(level)

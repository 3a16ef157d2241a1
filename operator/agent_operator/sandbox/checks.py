"""The handler of checks in the worker process."""

from typing import Any

from agent_operator.inputs.checks_text import ChecksError, load
from agent_runtime.config.checks import find_faults


def evaluate(payload: dict[str, Any]) -> dict[str, Any]:
    """Parse the `text` of checks and compile their patterns: the `document` and the `faults`, or an `error`."""
    try:
        document = load(payload["text"]) if "text" in payload else payload["document"]
    except ChecksError as error:
        return {"error": str(error)}
    return {"document": document if "text" in payload else None, "faults": find_faults(document)}

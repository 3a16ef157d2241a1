"""The handler of prompts in the worker process."""

from typing import Any

from agent_operator.inputs.prompt import PromptError, render


def evaluate(payload: dict[str, Any]) -> dict[str, Any]:
    """Render a prompt: its `text`, or an `error` and whether the prompt is `too_large`."""
    try:
        return {"text": render(payload["template"], payload["variables"])}
    except PromptError as error:
        return {"error": str(error), "too_large": error.too_large}

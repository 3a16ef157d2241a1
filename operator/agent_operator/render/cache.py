"""A cache of rendered agents. While pods start, an agent is reconciled several times in a row."""

from collections import OrderedDict
from dataclasses import fields
from typing import Any

from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render import Rendered, render

# The manifests of one agent take about 30 KiB, so the cache does not hold all agents.
_SIZE = 64


class Renderer:
    """Renders agents and caches the results. Callers must not change a result."""

    def __init__(self, size: int = _SIZE) -> None:
        self._size = size
        self._latest: OrderedDict[str, tuple[Any, Rendered]] = OrderedDict()

    def render(self, inputs: Inputs) -> Rendered:
        """Render an agent, or return the cached result for the same inputs.

        Raises:
            ProblemError: the spec cannot be rendered.
        """
        # Compare the fields: an Inputs object also caches what it derives from them.
        uid, values = inputs.agent.metadata.uid, tuple([getattr(inputs, field.name) for field in fields(inputs)])
        cached = self._latest.pop(uid, None)
        rendered = cached[1] if cached and cached[0] == values else render(inputs)
        self._latest[uid] = (values, rendered)
        if len(self._latest) > self._size:
            self._latest.popitem(last=False)
        return rendered

"""Renders, and remembers the latest agents: while pods come up, an agent is looked at several times in a row."""

from collections import OrderedDict
from dataclasses import fields
from typing import Any

from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render import Rendered, render

# What one agent is rendered to takes some 30 KiB; so not for all of them.
_REMEMBERED = 64


class Renderer:
    """What `render` returns, and raises; whoever takes it must not change it."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._latest: OrderedDict[str, tuple[Any, Rendered]] = OrderedDict()

    def render(self, inputs: Inputs) -> Rendered:
        """Render an agent, unless it was rendered from the same just before."""
        uid, made_from = inputs.agent.metadata.uid, tuple(getattr(inputs, field.name) for field in fields(inputs))
        known = self._latest.pop(uid, None)
        rendered = known[1] if known and known[0] == made_from else render(inputs)
        self._latest[uid] = (made_from, rendered)
        if len(self._latest) > self._remembered:
            self._latest.popitem(last=False)
        return rendered

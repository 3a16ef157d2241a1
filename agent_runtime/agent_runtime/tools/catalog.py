"""The tools that a server lists, within bounds. Every request to a model contains them."""

import logging
from collections.abc import Mapping
from typing import Any

import orjson

from agent_runtime.tools.offer import Tool

MAX_PAGES = 100
MAX_TOOLS = 512
# Bytes of the names, descriptions and schemas of one server's tools together.
MAX_BYTES = 1024 * 1024

log = logging.getLogger(__name__)


class Catalog:
    """Collects the tools of one server, page by page.

    Attributes:
        tools: the accepted tools by name.
        left_out: number of the tools that exceed the bounds.
    """

    def __init__(self, server: str, allowed: tuple[str, ...]) -> None:
        self.tools: dict[str, Tool] = {}
        self._server = server
        self._allowed = allowed
        self._bytes = 0
        self.left_out = 0

    def add(self, name: str, description: str, schema: Mapping[str, Any]) -> None:
        """Add a tool, unless the config excludes it or it exceeds the bounds."""
        if self._allowed and name not in self._allowed:
            return
        try:
            size = len(orjson.dumps([name, description, schema]))
        except orjson.JSONEncodeError:
            # The schema is nested too deeply. It would make every request to the model fail.
            size = MAX_BYTES + 1
        if len(self.tools) >= MAX_TOOLS or self._bytes + size > MAX_BYTES:
            self.left_out += 1
            return
        self._bytes += size
        self.tools[name] = Tool(name, description, schema)

    def report(self, previous: Mapping[str, Tool]) -> None:
        """Log how many tools are left out, if the tools differ from the previous ones."""
        if self.left_out and previous.keys() != self.tools.keys():
            fields = {"server": self._server, "left_out": self.left_out, "tools": len(self.tools)}
            log.warning("tools are left out: too many, too long or nested too deeply", extra={"fields": fields})

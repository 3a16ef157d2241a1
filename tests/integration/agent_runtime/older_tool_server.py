"""An MCP server of version 1 of the SDK: `older_tool_server.py TRANSPORT PORT`. It needs its own environment."""

import sys
from importlib import import_module

transport, port = sys.argv[1], int(sys.argv[2])
# Version 2 of the SDK, with which mypy runs, has no such module.
server = import_module("mcp.server.fastmcp").FastMCP("older", port=port)


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("out of stock")


server.run(transport=transport)

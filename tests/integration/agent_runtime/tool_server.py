"""An MCP server for tests, with the official SDK. Usage: `tool_server.py stdio|PORT|sse PORT`."""

import asyncio
import os
import sys
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from pydantic import Field

server = MCPServer("tests")


@server.tool()
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool()
async def sleep(seconds: float) -> str:
    """Sleep."""
    await asyncio.sleep(seconds)
    return "slept"


@server.tool()
def big(characters: int) -> str:
    """Return a long text."""
    return "x" * characters


@server.tool()
def fail() -> str:
    """Raise an error."""
    raise ValueError("no such record")


@server.tool()
def variable(name: str) -> str:
    """Return an environment variable of this process."""
    return os.environ.get(name, "unset")


@server.tool()
def hostile(word: Annotated[str, Field(pattern="^(a+)+$")]) -> str:
    """Declare a pattern that takes Python's regular expressions exponential time."""
    return word


@server.tool()
def trace(context: Context) -> str:
    """Return the trace of the call: in `_meta`, in the header, and the baggage."""
    meta = context.request_context.meta or {}
    headers = context.headers or {}
    return f"{meta.get('traceparent')} {headers.get('traceparent')} {headers.get('baggage')}"


@server.tool()
def die() -> str:
    """End the process."""
    os._exit(1)


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    elif sys.argv[1] == "sse":
        server.run("sse", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))

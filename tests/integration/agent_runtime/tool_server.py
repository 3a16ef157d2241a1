"""An MCP server for tests, through the official SDK, as a process: `tool_server.py stdio|PORT`."""

import asyncio
import os
import sys
from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

server = MCPServer("tests")


@server.tool()
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool()
async def sleep(seconds: float) -> str:
    """Take this long."""
    await asyncio.sleep(seconds)
    return "slept"


@server.tool()
def big(characters: int) -> str:
    """Say a lot."""
    return "x" * characters


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("no such record")


@server.tool()
def variable(name: str) -> str:
    """Return a variable of the environment of this process."""
    return os.environ.get(name, "unset")


@server.tool()
def hostile(word: Annotated[str, Field(pattern="^(a+)+$")]) -> str:
    """Declare a pattern that needs exponential time in Python's regular expressions."""
    return word


@server.tool()
def die() -> str:
    """End the process."""
    os._exit(1)


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))

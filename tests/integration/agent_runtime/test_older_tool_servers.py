"""Servers of version 1 of the MCP SDK from PyPI work like those of version 2, over each of its transports."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.integration.agent_runtime.test_tool_servers import call, tools_of
from tests.patience import free_port
from tests.polling import eventually

SERVER = Path(__file__).with_name("older_tool_server.py")
SDK = "mcp==1.30.0"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the older SDK, which cannot be installed next to the newer one."""
    folder, uv = tmp_path_factory.mktemp("older") / "venv", Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", folder, SDK], check=True)
    return folder / "bin" / "python"


@contextmanager
def server(python: Path, transport: str, path: str) -> Iterator[dict[str, Any]]:
    """Run the server; yield the fields of its config."""
    if transport == "stdio":
        yield {"type": "stdio", "command": str(python), "args": (str(SERVER), transport, "0")}
        return
    port = free_port()
    process = subprocess.Popen([python, SERVER, transport, str(port)], stderr=subprocess.DEVNULL)
    try:
        eventually("the server listens", lambda: _answers(port))
        yield {"type": "http", "url": f"http://127.0.0.1:{port}{path}"}
    finally:
        process.kill()
        process.communicate()


def _answers(port: int) -> bool:
    try:
        return bool(httpx2.get(f"http://127.0.0.1:{port}/", timeout=2, verify=False).status_code)
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize(("transport", "path"), [("stdio", ""), ("streamable-http", "/mcp"), ("sse", "/sse")])
async def test_tools_of_the_older_sdk_are_called(python: Path, transport: str, path: str) -> None:
    with server(python, transport, path) as fields:
        async with tools_of(**fields) as (toolbox, _):
            await toolbox.probe()

            assert await call(toolbox, "s__add", '{"a": 2, "b": 3}') == "5"
            assert "out of stock" in await call(toolbox, "s__fail")

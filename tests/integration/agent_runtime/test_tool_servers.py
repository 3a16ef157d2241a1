"""MCP servers as they are: what goes wrong is named, and a restart of the server is not noticed."""

import asyncio
import logging
import socket
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent_runtime.config import McpServerConfig
from agent_runtime.health import UnhealthyError
from agent_runtime.metrics import Metrics
from agent_runtime.tools.mcp import McpServer
from agent_runtime.tools.toolbox import Toolbox
from tests.integration.agent_runtime.mcp_server import ScriptedServer, error, serving
from tests.patience import free_port
from tests.polling import eventually

TOOL_SERVER = Path(__file__).parent / "tool_server.py"


@asynccontextmanager
async def tools_of(**fields: Any) -> AsyncIterator[tuple[Toolbox, McpServer]]:
    """A toolbox with one server."""
    config = McpServerConfig.model_validate({"name": "s"} | fields)
    server = McpServer(config, asyncio.Event())
    running = asyncio.create_task(server.run())
    try:
        await asyncio.wait_for(server.settled(), 20)
        yield Toolbox([server], Metrics("1.2.3", "")), server
    finally:
        running.cancel()
        await asyncio.wait([running])


async def call(toolbox: Toolbox, name: str = "s__t", arguments: str = "{}") -> str:
    """Return the result of one tool call."""
    (message,) = await toolbox.answer([{"id": "1", "function": {"name": name, "arguments": arguments}}])
    return str(message["content"])


async def fault(**fields: Any) -> tuple[str, str]:
    """Return the reason and the message of the fault of a server."""
    async with tools_of(**fields) as (toolbox, _):
        with pytest.raises(UnhealthyError) as found:
            await toolbox.probe()
    return found.value.reason, str(found.value)


@pytest.mark.parametrize(
    ("response", "reason", "remedy"),
    [
        (lambda: web.Response(status=401), "CredentialsRefused", "HTTP 401): set its credentials in headersFrom"),
        (lambda: web.json_response({"error": "x"}, status=403), "CredentialsRefused", "HTTP 403"),
        (lambda: web.json_response(error(-32600, "no"), status=401), "CredentialsRefused", "HTTP 401"),
        (lambda: web.Response(status=404), "EndpointNotFound", "HTTP 404): correct url"),
        (lambda: web.Response(status=405), "NotAnMcpServer", "answers HTTP 405, so it is no MCP server"),
        (lambda: web.Response(status=500), "ServerError", "fails with HTTP 500: check that server"),
        (lambda: web.Response(status=429), "ServerError", "HTTP 429"),
        (lambda: web.Response(text="<p>", content_type="text/html"), "NotAnMcpServer", "HTTP 200 and text/html"),
        (lambda: web.Response(status=308, headers={"Location": "http://127.0.0.1:9/"}), "Redirected", "set url to it"),
        (lambda: web.json_response(error(-32603, "x" * 10**6, 1)), "ProtocolError", "the MCP error -32603"),
    ],
)
async def test_a_refusal_is_named(response: Any, reason: str, remedy: str) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        if request.method == "POST" and response().content_type == "application/json" and response().status == 200:
            return web.json_response(error(-32603, "x" * 10**6, (await request.json()).get("id")))
        found: web.StreamResponse = response()
        return found

    async with serving(refuse) as url:
        found, message = await fault(type="http", url=url)

    assert found == reason
    assert remedy in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "the variable TOKEN of the header X-Key is not set"), (" ", "is not set"), ("ä", "not printable ASCII")],
)
async def test_a_missing_variable_of_a_header_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str | None, expected: str
) -> None:
    if value is not None:
        monkeypatch.setenv("TOKEN", value)

    reason, message = await fault(type="http", url="http://127.0.0.1:9/mcp", headersFrom={"X-Key": "TOKEN"})

    assert reason == "NotConfigured"
    assert expected in message


async def test_a_line_end_after_a_header_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret\n")
    scripted = ScriptedServer()

    async with (
        serving(scripted.handle) as url,
        tools_of(type="http", url=url, headersFrom={"X-Key": "TOKEN"}) as (toolbox, _),
    ):
        assert await call(toolbox) == "fine"

    assert {headers["X-Key"] for headers in scripted.headers} == {"secret"}


CRASH = "import os, sys; sys.stderr.write('x' * 9000 + 'no database: ' + os.environ['KEY']); sys.exit(3)"


async def test_the_reason_of_a_crash_is_logged_without_secrets(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KEY", "canary-1234")

    reason, message = await fault(type="stdio", command=sys.executable, args=["-c", CRASH], env=["KEY"])

    assert reason == "ProcessExited"
    assert "ended with status 3" in message
    fields = next(vars(record)["fields"] for record in caplog.records if record.message == "MCP server lost")
    assert fields["stderr"].endswith("xxno database: ***")
    assert len(fields["stderr"]) <= 2048
    assert "canary" not in caplog.text + str(fields) + message


@pytest.mark.parametrize(
    ("fields", "reason", "expected"),
    [
        ({"command": "no-such-program"}, "ProgramUnusable", "no-such-program cannot be run: No such file"),
        ({"command": "/"}, "ProgramUnusable", "/ cannot be run"),
        ({"command": "true"}, "ProcessExited", "true ended with status 0"),
        (
            {"command": sys.executable, "args": ["-c", "import os; os.kill(os.getpid(), 9)"]},
            "ProcessExited",
            "by signal 9",
        ),
    ],
)
async def test_a_program_that_does_not_run_is_named(fields: dict[str, Any], reason: str, expected: str) -> None:
    found, message = await fault(type="stdio", **fields)

    assert found == reason
    assert expected in message


REFUSALS = {
    "python sdk": lambda: web.json_response(error(-32600, "Session not found"), status=404),
    "typescript sdk": lambda: web.json_response(error(-32001, "Session not found"), status=404),
    "bare 404": lambda: web.Response(status=404),
    "400": lambda: web.json_response(error(-32000, "Bad Request: No valid session ID provided"), status=400),
}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_forgotten_session_begins_again_without_an_error(
    refusal: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The server is initialized again and gets each of the calls once."""
    caplog.set_level(logging.INFO)
    scripted = ScriptedServer()
    scripted.refuse_unknown_session = REFUSALS[refusal]
    async with serving(scripted.handle) as url, tools_of(type="http", url=url) as (toolbox, server):
        assert await call(toolbox) == "fine"
        scripted.forget()

        assert await asyncio.gather(*(call(toolbox) for _ in range(8))) == ["fine"] * 8

        assert server.fault is None
        assert scripted.initialized == 2
        assert len(scripted.calls) == 9
    assert "MCP server lost" not in [record.message for record in caplog.records]


async def test_a_call_is_repeated_only_once() -> None:
    """A server that forgets each session before the call gives an error, and no endless loop."""
    scripted = ScriptedServer()

    async def forgetful(request: web.Request) -> web.StreamResponse:
        if (await request.json() if request.method == "POST" else {}).get("method") == "tools/call":
            scripted.forget()
        return await scripted.handle(request)

    async with serving(forgetful) as url, tools_of(type="http", url=url) as (toolbox, _):
        assert (await call(toolbox)).startswith("error: ")

        assert scripted.initialized <= 3
        assert scripted.calls == []


async def test_an_error_of_a_tool_about_sessions_is_not_repeated() -> None:
    scripted = ScriptedServer()
    scripted.result = lambda _: {"content": [{"type": "text", "text": "Session not found"}], "isError": True}
    async with serving(scripted.handle) as url, tools_of(type="http", url=url) as (toolbox, _):
        assert await call(toolbox) == "error: Session not found"

    assert len(scripted.calls) == 1


async def test_names_that_models_refuse_are_mapped_and_back() -> None:
    scripted = ScriptedServer()
    scripted.tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("calendar.list", "x" * 100, "ok")]
    scripted.result = lambda name: {"content": [{"type": "text", "text": name}]}
    async with serving(scripted.handle) as url, tools_of(type="http", url=url) as (toolbox, _):
        functions = [spec["function"] for spec in toolbox.specs()]

        assert await call(toolbox, "s__calendar_list") == "calendar.list"
        assert [await call(toolbox, function["name"]) for function in functions] == ["calendar.list", "x" * 100, "ok"]
        assert all(function["parameters"] == {"type": "object", "properties": {}} for function in functions)


async def test_tools_beyond_the_limit_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    """In the log, in health and in metrics."""
    scripted = ScriptedServer()
    scripted.tools = [{"name": f"t{number}", "inputSchema": {"type": "object"}} for number in range(600)]
    async with serving(scripted.handle) as url, tools_of(type="http", url=url) as (toolbox, _):
        details = await toolbox.probe()

        assert details["tool_count"] == len(toolbox.specs()) == 128
        assert details["tools_left_out"] == 600 - 128
        assert details["left_out"][0] == "s/t128"
        assert 'agent_tools_left_out{server="s"} 472.0' in toolbox._metrics.exposition("")[0].decode()
    assert "models do not get all tools: name fewer in mcp.tools" in [record.message for record in caplog.records]


async def test_a_large_result_over_events_arrives() -> None:
    """The SDK limits an event to 1 MiB by default."""
    scripted = ScriptedServer()
    large = {"content": [{"type": "image", "data": "A" * 4_000_000, "mimeType": "image/png"}]}
    scripted.result = lambda _: large

    async def with_events(request: web.Request) -> web.StreamResponse:
        response = await scripted.handle(request)
        if not isinstance(response, web.Response) or b'"content"' not in (response.body or b""):  # type: ignore[operator]
            return response
        return web.Response(text=f"data: {response.text}\n\n", content_type="text/event-stream")

    async with serving(with_events) as url, tools_of(type="http", url=url) as (toolbox, _):
        assert await call(toolbox) == "[image: image/png, 3000000 bytes, not shown]"


@asynccontextmanager
async def sse_server() -> AsyncIterator[str]:
    """The SDK's server of the legacy transport; yields the URL of its stream."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, TOOL_SERVER, "sse", str(port), stderr=DEVNULL)
    try:
        await asyncio.to_thread(eventually, "the server listens", lambda: is_listening(port))
        yield f"http://127.0.0.1:{port}/sse"
    finally:
        process.kill()
        await process.wait()


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_the_legacy_transport_is_used_where_the_server_has_no_other() -> None:
    async with sse_server() as url, tools_of(type="http", url=url) as (toolbox, server):
        assert server.fault is None
        assert await call(toolbox, "s__add", '{"a": 1, "b": 2}') == "3"
        assert len(await call(toolbox, "s__big", '{"characters": 200000}')) > 60_000

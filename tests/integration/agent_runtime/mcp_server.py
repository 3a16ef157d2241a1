"""A scripted MCP server over HTTP, in the event loop of the test. It speaks the protocol without an SDK."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Json = dict[str, Any]
INITIALIZED = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "scripted", "version": "1"},
}


class ScriptedServer:
    """Lists `tools`, and answers each call with `result`. `forget()` forgets all sessions, like a restart."""

    def __init__(self) -> None:
        self.tools: list[Json] = [{"name": "t", "inputSchema": {"type": "object"}}]
        self.result: Callable[[str], Json] = lambda _: {"content": [{"type": "text", "text": "fine"}]}
        self.calls: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.initialized = 0
        self.refuse_unknown_session = lambda: web.json_response(error(-32600, "Session not found"), status=404)
        self._sessions: set[str] = set()

    def forget(self) -> None:
        self._sessions.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return web.Response(status=405)
        self.headers.append(dict(request.headers))
        message = await request.json()
        method, session = message["method"], request.headers.get("mcp-session-id")
        if method in {"initialize", "server/discover"}:
            return self._begin(message)
        if session not in self._sessions:
            return self.refuse_unknown_session()
        if "id" not in message:
            return web.Response(status=202)
        if method == "tools/list":
            return web.json_response(answer(message, {"tools": self.tools}))
        self.calls.append(message["params"])
        return web.json_response(answer(message, self.result(message["params"]["name"])))

    def _begin(self, message: Json) -> web.Response:
        if message["method"] == "server/discover":
            return web.json_response(error(-32601, "Method not found", message["id"]))
        self.initialized += 1
        session = secrets.token_hex(8)
        self._sessions.add(session)
        return web.json_response(answer(message, INITIALIZED), headers={"mcp-session-id": session})


def answer(message: Json, result: Json) -> Json:
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def error(code: int, message: str, identifier: Any = None) -> Json:
    return {"jsonrpc": "2.0", "id": identifier, "error": {"code": code, "message": message}}


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    """Serve every request with this handler; yield the URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/mcp"))

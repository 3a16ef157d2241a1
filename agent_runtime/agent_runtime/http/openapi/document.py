"""The document: the endpoints and their responses."""

from typing import Any

import orjson
from aiohttp import web

from agent_runtime.config import AgentConfig, identifies_callers
from agent_runtime.environment import version
from agent_runtime.http.middleware import GUARDED
from agent_runtime.http.openapi.paths import JSON, PATH, paths
from agent_runtime.http.openapi.schemas import components

Json = dict[str, Any]


def add_openapi(app: web.Application, config: AgentConfig) -> None:
    """Serve the document. It is built at the first request, when all routes are known."""
    document: list[bytes] = []

    async def show(_: web.Request) -> web.Response:
        """GET /openapi.json."""
        if not document:
            document.append(orjson.dumps(build_document(app, config)))
        return web.Response(body=document[0], content_type=JSON)

    app.router.add_get(PATH, show)


def build_document(app: web.Application, config: AgentConfig) -> Json:
    """Return the document of an application. It lists only the endpoints that the application serves."""
    served = {resource.canonical for resource in app.router.resources()}
    listed = {path: methods for path, methods in paths().items() if path in served}
    keys = identifies_callers(config)
    if keys:
        _require_keys(listed)
    scheme = {"securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}}} if keys else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": (config.card and config.card.name) or "Agent",
            "description": "One AI agent: OpenAI's API, chat sessions, A2A and health.",
            "version": version(),
        },
        "paths": listed,
        "components": {"schemas": components()} | scheme,
    }


def _require_keys(listed: Json) -> None:
    for path, methods in listed.items():
        if path.startswith(GUARDED):
            for operation in methods.values():
                operation["security"] = [{"apiKey": []}]

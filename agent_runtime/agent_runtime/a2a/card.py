"""The agent card, which other agents read before they call the agent."""

import re
from typing import Any

from aiohttp import web

from agent_runtime.config import AgentConfig, CardConfig, identifies_callers
from agent_runtime.environment import Environment, version

PATH = "/.well-known/agent-card.json"
TEXT = ["text/plain"]
DEFAULT_DESCRIPTION = "Answers messages in natural language and remembers the conversation."
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_SECURITY = {
    "securitySchemes": {"apiKey": {"httpAuthSecurityScheme": {"scheme": "bearer"}, "type": "http", "scheme": "bearer"}},
    "securityRequirements": [{"schemes": {"apiKey": {"list": []}}}],
    "security": [{"apiKey": []}],
}


def base_url(config: AgentConfig, request: web.Request) -> str:
    """Return the URL of the agent: card.url if it is set, else the URL that this request used."""
    if config.card and config.card.url:
        return config.card.url.rstrip("/")
    forwarded = request.headers.get("X-Forwarded-Proto", "")
    scheme = forwarded if forwarded in {"http", "https"} else request.scheme
    host = request.host if _HOST.fullmatch(request.host) else "localhost"
    return f"{scheme}://{host}"


def card(config: AgentConfig, environment: Environment, url: str) -> dict[str, Any]:
    """Return the card. It has the fields of both protocol versions, because clients ignore unknown fields."""
    settings = config.card or CardConfig()
    address = f"{url}/a2a"
    fields: dict[str, Any] = {
        "name": settings.name or environment.agent_name,
        "description": settings.description or DEFAULT_DESCRIPTION,
        "version": environment.agent_revision or version(),
        "supportedInterfaces": [
            {"url": address, "protocolBinding": "JSONRPC", "protocolVersion": protocol} for protocol in ("1.0", "0.3")
        ],
        "protocolVersion": "0.3.0",
        "url": address,
        "preferredTransport": "JSONRPC",
        "capabilities": {"streaming": True, "pushNotifications": False},
        "defaultInputModes": TEXT,
        "defaultOutputModes": TEXT,
        "skills": _skills(settings),
    }
    return fields | (_SECURITY if identifies_callers(config) else {})


def _skills(settings: CardConfig) -> list[dict[str, Any]]:
    if not settings.skills:
        description = settings.description or DEFAULT_DESCRIPTION
        return [{"id": "chat", "name": "Chat", "description": description, "tags": ["chat"]}]
    return [
        {
            "id": skill.id,
            "name": skill.name or skill.id,
            "description": skill.description,
            "tags": list(skill.tags),
            "examples": list(skill.examples),
        }
        for skill in settings.skills
    ]

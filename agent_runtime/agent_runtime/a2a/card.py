"""The agent card: what other agents read about this one before they talk to it."""

import re
from typing import Any

from aiohttp import web

from agent_runtime.config import AgentConfig, CardConfig
from agent_runtime.environment import Environment, version

PATH = "/.well-known/agent-card.json"
TEXT = ["text/plain"]
DEFAULT_DESCRIPTION = "Answers messages in natural language and remembers the conversation."
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


def base_url(config: AgentConfig, request: web.Request) -> str:
    """Where callers reach the agent: as configured, or as this caller did."""
    if config.card and config.card.url:
        return config.card.url.rstrip("/")
    forwarded = request.headers.get("X-Forwarded-Proto", "")
    scheme = forwarded if forwarded in {"http", "https"} else request.scheme
    host = request.host if _HOST.fullmatch(request.host) else "localhost"
    return f"{scheme}://{host}"


def card(config: AgentConfig, environment: Environment, url: str) -> dict[str, Any]:
    """The card, in the words of both versions of the protocol: each reads its own and leaves the other's alone."""
    about = config.card or CardConfig()
    address = f"{url}/a2a"
    told: dict[str, Any] = {
        "name": about.name or environment.agent_name,
        "description": about.description or DEFAULT_DESCRIPTION,
        "version": environment.agent_revision or version(),
        "supportedInterfaces": [
            {"url": address, "protocolBinding": "JSONRPC", "protocolVersion": spoken} for spoken in ("1.0", "0.3")
        ],
        "protocolVersion": "0.3.0",
        "url": address,
        "preferredTransport": "JSONRPC",
        "capabilities": {"streaming": True, "pushNotifications": False},
        "defaultInputModes": TEXT,
        "defaultOutputModes": TEXT,
        "skills": _skills(about),
    }
    if config.server and config.server.api_keys_file:
        told |= {
            "securitySchemes": {
                "apiKey": {"httpAuthSecurityScheme": {"scheme": "bearer"}, "type": "http", "scheme": "bearer"}
            },
            "securityRequirements": [{"schemes": {"apiKey": {"list": []}}}],
            "security": [{"apiKey": []}],
        }
    return told


def _skills(about: CardConfig) -> list[dict[str, Any]]:
    if not about.skills:
        description = about.description or DEFAULT_DESCRIPTION
        return [{"id": "chat", "name": "Chat", "description": description, "tags": ["chat"]}]
    return [
        {
            "id": skill.id,
            "name": skill.name or skill.id,
            "description": skill.description,
            "tags": list(skill.tags),
            "examples": list(skill.examples),
        }
        for skill in about.skills
    ]

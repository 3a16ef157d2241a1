"""Config of the API for callers: limits, API keys, agent card and chat page."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from agent_runtime.config import patterns
from agent_runtime.config.base import ConfigModel, HttpUrl, Name

KEEP_ALIVE_SECONDS = 15
MAX_BODY_BYTES = 10 * 1024 * 1024


def _network(cidr: str) -> str:
    try:
        ipaddress.ip_network(cidr)
    except ValueError as error:
        reason = "has host bits set" if "host bits" in str(error) else "is not a network"
        raise ValueError(f"{reason}: write a CIDR, such as 10.0.0.0/8 or fd00::/8") from None
    return cidr


Cidr = Annotated[
    str,
    StringConstraints(pattern=patterns.CIDR, max_length=49),
    Field(description=patterns.REMEDIES[patterns.CIDR]),
    AfterValidator(_network),
]
Origin = Annotated[
    str,
    StringConstraints(pattern=patterns.ORIGIN, max_length=253),
    Field(description=patterns.REMEDIES[patterns.ORIGIN]),
]


class LimitsConfig(ConfigModel):
    """Limits of requests."""

    requests_per_minute: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Requests per minute that a client may send to one replica. A client is an API key, or an IP "
        "address if no API key is required. Default: no limit.",
    )
    max_concurrent_requests: int = Field(
        1_000,
        ge=1,
        le=100_000,
        description="Concurrent requests that one replica answers; others get 503 with Retry-After. Default: 1000.",
    )
    request_timeout_seconds: int = Field(
        300,
        ge=1,
        le=3600,
        description="Seconds that a request may take, including retries and tools. Default: 300.",
    )
    max_tool_rounds: int = Field(
        8,
        ge=1,
        le=64,
        description="Rounds of tool calls for one request; then the model must answer. Default: 8.",
    )
    max_input_chars: int = Field(
        32_000,
        ge=1,
        le=1_000_000,
        description="Characters that the messages of a request may have together, with the arguments of tool calls and "
        "without the prompt and the earlier turns of the agent; or the input for embeddings, where a token counts 4. "
        "Default: 32000.",
    )
    max_body_bytes: int | None = Field(
        None,
        ge=1024,
        le=64 * 1024 * 1024,
        description="Bytes of the body of a request, which may contain pictures as data URLs. An Ingress of the agent "
        "gets the same limit, unless ingress.maxBodySize sets another. Default: 10485760 (10 MiB).",
    )


class ServerConfig(ConfigModel):
    """Who may call the agent."""

    api_keys_file: str | None = Field(
        None,
        pattern=r"^[^\s]+$",
        max_length=1024,
        description="Path of a mounted file with one API key per line. A relative path is relative to agent.toml, or "
        "else to the working directory. Callers send a key as a bearer token, and see only their own sessions. The "
        "file is read again when it changes. In an AgentDeployment use apiKeys, which mounts the file. Default: none; "
        "every client that can connect may call the agent.",
    )
    cors_origins: tuple[Origin, ...] = Field(
        (),
        max_length=32,
        description="Origins of web pages that may call the agent, such as https://app.example.com, or * for all. "
        "Default: none.",
    )
    trusted_proxies: tuple[Cidr, ...] | None = Field(
        None,
        max_length=32,
        description="Networks (CIDRs) of proxies in front of the agent, such as the pods of the Ingress controller. "
        "The client of a request that they forward is the last address in X-Forwarded-For that is not one of them; "
        "rate limits, logs and traces use it. Default: none; the client is the one that connects.",
    )
    keep_alive_seconds: int | None = Field(
        None,
        ge=1,
        le=300,
        description="Seconds without an event after which a stream sends a comment, so that proxies do not close it. "
        "Default: 15.",
    )


class ChatPageConfig(ConfigModel):
    """A web page to try the agent."""

    enabled: bool = Field(False, description="Serve the chat page at /. Default: false.")


class SkillConfig(ConfigModel):
    """A skill of the agent on its agent card."""

    id: Name = Field(description="Identifier of the skill, unique within the agent.")
    name: str | None = Field(None, min_length=1, max_length=128, description="Display name. Default: the id.")
    description: str = Field(min_length=1, max_length=2048, description="What the agent can do.")
    tags: tuple[Annotated[str, StringConstraints(min_length=1, max_length=63)], ...] = Field(
        (), max_length=16, description="Keywords to find the skill. Default: none."
    )
    examples: tuple[Annotated[str, StringConstraints(min_length=1, max_length=1024)], ...] = Field(
        (), max_length=16, description="Example messages that use the skill. Default: none."
    )


class CardConfig(ConfigModel):
    """How the agent describes itself on its A2A agent card and on the chat page."""

    name: str | None = Field(
        None, min_length=1, max_length=128, description="Display name. Default: the name of the AgentDeployment."
    )
    description: str | None = Field(
        None, min_length=1, max_length=2048, description="What the agent does. Default: a general sentence."
    )
    url: HttpUrl | None = Field(
        None,
        description="Base URL at which other agents reach the agent. Default: that of the request for the card.",
    )
    skills: tuple[SkillConfig, ...] = Field(
        (), max_length=32, description="Skills of the agent. Default: one skill, chat."
    )

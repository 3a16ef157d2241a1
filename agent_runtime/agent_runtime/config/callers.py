"""What callers meet: limits, budget, keys, and how the agent presents itself."""

from typing import Annotated

from pydantic import Field, StringConstraints

from agent_runtime.config.base import ConfigModel, HttpUrl, Name


class LimitsConfig(ConfigModel):
    """What a request may ask for, and how many there may be."""

    requests_per_minute: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Requests that a client may send in a minute to one replica; a client is an API key, or an address "
        "where no keys are asked for. Default: no limit.",
    )
    max_concurrent_requests: int = Field(
        1_000,
        ge=1,
        le=100_000,
        description="Requests that one replica answers at a time; more get 503 with Retry-After. Default: 1000.",
    )
    request_timeout_seconds: int = Field(
        300,
        ge=1,
        le=3600,
        description="Seconds that a request may take, all attempts and tools included. Default: 300.",
    )
    max_tool_rounds: int = Field(
        8,
        ge=1,
        le=64,
        description="Times that the model may call tools for one request; then it has to answer. Default: 8.",
    )
    max_input_chars: int = Field(
        32_000,
        ge=1,
        le=1_000_000,
        description="Characters that the messages of a request may have together, without the agent's own prompt and "
        "memory. Default: 32000.",
    )


class BudgetConfig(ConfigModel):
    """How much the agent may use."""

    tokens_per_day: int | None = Field(
        None,
        ge=1,
        description="Tokens, of prompts and answers, that all replicas together may use from midnight to midnight UTC; "
        "then requests get 429. Replicas count together through memory.cache, whose prefix no other agent may use; "
        "without it each counts for itself. Default: no limit.",
    )


class ServerConfig(ConfigModel):
    """Who may reach the agent."""

    api_keys_file: str | None = Field(
        None,
        pattern=r"^[^\s]+$",
        max_length=1024,
        description="Path of a mounted file with one API key a line. A relative path resolves next to agent.toml, "
        "then from the working directory. Callers send one as a bearer token, and see only their own sessions. Read "
        "again when it changes. In an AgentDeployment use apiKeys, which mounts the file. Default: none; whoever "
        "reaches the agent may call it.",
    )
    cors_origins: tuple[Annotated[str, StringConstraints(pattern=r"^(\*|https?://[^\s/*]+)$", max_length=253)], ...] = (
        Field(
            (),
            max_length=32,
            description="Origins of web pages that may call the agent, such as https://app.example.com, or * for all. "
            "Default: none.",
        )
    )


class ChatPageConfig(ConfigModel):
    """A page in the browser to try the agent."""

    enabled: bool = Field(
        False, description="Serve the chat page at /. Default: false; an agent is an API and needs no page."
    )


class SkillConfig(ConfigModel):
    """Something that the agent is good at, told to other agents."""

    id: Name = Field(description="Name of the skill, unique within the agent.")
    name: str | None = Field(None, min_length=1, max_length=128, description="Name for people. Default: the id.")
    description: str = Field(min_length=1, max_length=2048, description="What the agent can do.")
    tags: tuple[Annotated[str, StringConstraints(min_length=1, max_length=63)], ...] = Field(
        (), max_length=16, description="Words to find the skill by. Default: none."
    )
    examples: tuple[Annotated[str, StringConstraints(min_length=1, max_length=1024)], ...] = Field(
        (), max_length=16, description="Messages that ask for it. Default: none."
    )


class CardConfig(ConfigModel):
    """What the agent says about itself: on its A2A agent card and on the chat page."""

    name: str | None = Field(
        None, min_length=1, max_length=128, description="Name for people. Default: the name of the AgentDeployment."
    )
    description: str | None = Field(
        None, min_length=1, max_length=2048, description="What the agent is for. Default: a general sentence."
    )
    url: HttpUrl | None = Field(
        None,
        description="Base URL under which other agents reach it. Default: the one that the card was asked for under.",
    )
    skills: tuple[SkillConfig, ...] = Field(
        (), max_length=32, description="What the agent is good at. Default: one skill, chat."
    )

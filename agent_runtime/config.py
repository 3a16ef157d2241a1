"""The contract between operator and runtime: what `agent.toml` may say.

The operator writes the file from these models, the runtime reads it back into them, and the CRD's `spec.config` is
generated from them. Fields are snake_case in TOML and camelCase in the CR. Only pydantic and the standard library here.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.alias_generators import to_camel, to_snake
from pydantic_core import ErrorDetails

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=63)]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+[^\s]*$", max_length=2048)]
# A prompt travels in a ConfigMap beside agent.toml, and a ConfigMap may hold 1 MiB.
MAX_PROMPT_BYTES = 900_000
PROMPT_FILE = "system_prompt.txt"
CONFIG_FILE = "agent.toml"
_FIELD_LIST = re.compile(r"[a-z]\w*(, [a-z]\w*)*")


class ConfigModel(BaseModel):
    """Immutable, closed, camelCase from outside and snake_case within."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class ModelConfig(ConfigModel):
    """One model that the agent can call."""

    name: Name = Field(description="Name by which callers and defaultModel pick this model. Unique within the agent.")
    provider: Literal["azure_openai", "openai", "echo"] = Field(
        description="Protocol of the endpoint: azure_openai, openai (any compatible server) or echo (offline: answers "
        "with what it was told; for trying out and tests)."
    )
    deployment: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description="azure_openai: name of the Azure OpenAI deployment. Required there.",
    )
    api_version: str | None = Field(
        None,
        pattern=r"^\d{4}-\d{2}-\d{2}(-preview)?$",
        max_length=32,
        description="azure_openai: API version. Default: 2024-10-01-preview.",
    )
    endpoint: HttpUrl | None = Field(
        None,
        description="azure_openai: https URL of the Azure OpenAI resource. Default: the environment's "
        "AZURE_OPENAI_ENDPOINT, which credentials usually set.",
    )
    model: str | None = Field(
        None, min_length=1, max_length=256, description="openai: model name sent upstream. Default: this entry's name."
    )
    base_url: HttpUrl | None = Field(
        None, description="openai: base URL of the API, ending in /v1. Default: OpenAI's public API."
    )

    @model_validator(mode="after")
    def _fields_fit_the_provider(self) -> Self:
        azure_only = {"deployment": self.deployment, "apiVersion": self.api_version, "endpoint": self.endpoint}
        openai_only = {"model": self.model, "baseUrl": self.base_url}
        foreign = {"azure_openai": openai_only, "openai": azure_only, "echo": azure_only | openai_only}[self.provider]
        given = [field for field, value in foreign.items() if value is not None]
        if given:
            raise ValueError(f"{', '.join(given)}: not a field of provider {self.provider}: remove it")
        if self.provider == "azure_openai" and self.deployment is None:
            raise ValueError("deployment: required with provider azure_openai")
        return self


class CacheConfig(ConfigModel):
    """Redis that keeps conversations, so that any replica can go on with a session."""

    enabled: bool = Field(
        True, description="Keep sessions in Redis; false keeps them in the pod's memory. Default: true."
    )
    host: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        max_length=253,
        description="DNS name or IPv4 address of Redis. Required while enabled.",
    )
    port: int = Field(6379, ge=1, le=65535, description="TCP port of Redis. Default: 6379.")
    ssl: bool = Field(False, description="Connect with TLS. Default: false.")
    ttl: int = Field(
        300, ge=1, le=31_536_000, description="Seconds after its last turn until a session is forgotten. Default: 300."
    )
    prefix: str = Field("chat:", max_length=128, description='Prefix of every key. Default: "chat:".')

    @model_validator(mode="after")
    def _enabled_needs_a_host(self) -> Self:
        if self.enabled and self.host is None:
            raise ValueError("host: required while enabled; name the Redis host or set enabled to false")
        return self


class MemoryConfig(ConfigModel):
    """Where conversations are kept."""

    cache: CacheConfig | None = Field(None, description="Redis. Default: none; sessions live in the pod's memory.")


EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=256)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$", max_length=256)]


class McpServerConfig(ConfigModel):
    """A server of the Model Context Protocol whose tools the agent uses."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=32)] = Field(
        description="Name of the server, unique within the agent; the model sees its tools as name__tool."
    )
    type: Literal["http", "stdio"] = Field(
        description="How it is reached: http (streamable HTTP) or stdio (a process in the agent's own container)."
    )
    url: HttpUrl | None = Field(None, description="http: URL of the MCP endpoint. Required there.")
    headers_from: dict[HeaderName, EnvironmentName] = Field(
        {},
        max_length=16,
        description="http: headers to send, each with the name of the environment variable that holds its value. "
        "Default: none.",
    )
    allow_link_local: bool = Field(
        False,
        description="http: let the URL, or what it redirects to, be a link-local address, where clouds serve their "
        "metadata. Default: false.",
    )
    command: str | None = Field(
        None, min_length=1, max_length=1024, description="stdio: program to run, found on the PATH. Required there."
    )
    args: tuple[Annotated[str, StringConstraints(max_length=4096)], ...] = Field(
        (), max_length=64, description="stdio: arguments of the program. Default: none."
    )
    env: tuple[EnvironmentName, ...] = Field(
        (),
        max_length=64,
        description="stdio: names of the agent's environment variables that the program gets, beside PATH and HOME. "
        "Default: none.",
    )
    tools: tuple[Annotated[str, StringConstraints(min_length=1, max_length=128)], ...] = Field(
        (), max_length=128, description="Names of the tools that the agent may use. Default: all that the server has."
    )
    timeout_seconds: int = Field(
        30, ge=1, le=3600, description="Seconds after which a tool call is given up. Default: 30."
    )

    @model_validator(mode="after")
    def _fields_fit_the_type(self) -> Self:
        http_only = {"url": self.url, "headersFrom": self.headers_from, "allowLinkLocal": self.allow_link_local}
        stdio_only = {"command": self.command, "args": self.args, "env": self.env}
        foreign, required = (stdio_only, "url") if self.type == "http" else (http_only, "command")
        given = [field for field, value in foreign.items() if value]
        if given:
            raise ValueError(f"{', '.join(given)}: not a field of type {self.type}: remove it")
        if getattr(self, required) is None:
            raise ValueError(f"{required}: required with type {self.type}")
        return self


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
        pattern=r"^/[^\s]+$",
        max_length=1024,
        description="Path of a mounted file with one API key a line; callers send one as a bearer token, and see only "
        "their own sessions. Read again when it changes. Default: none; whoever reaches the agent may call it.",
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


class AgentConfig(ConfigModel):
    """What an AgentDeployment says under `spec.config`."""

    log_level: LogLevel | None = Field(
        None, description="Least severe level logged: DEBUG, INFO, WARNING or ERROR. Default: INFO."
    )
    default_model: Name | None = Field(
        None, description="Name of the model used when a caller names none. Default: the first of models."
    )
    models: tuple[ModelConfig, ...] = Field(
        min_length=1, max_length=32, description="Models that the agent can call, 1 to 32."
    )
    fallbacks: tuple[Name, ...] = Field(
        (),
        max_length=8,
        description="Names of models that are asked in turn when the one asked for is down. Default: none.",
    )
    memory: MemoryConfig | None = Field(None, description="Where conversations are kept. Default: in the pod's memory.")
    mcp: tuple[McpServerConfig, ...] = Field(
        (), max_length=16, description="MCP servers whose tools the agent uses. Default: none."
    )
    limits: LimitsConfig | None = Field(
        None, description="What requests may ask for, and how many there may be. Default: the fields' defaults."
    )
    budget: BudgetConfig | None = Field(None, description="How much the agent may use. Default: no limit.")
    card: CardConfig | None = Field(
        None, description="What the agent says about itself to other agents and on the chat page. Default: its name."
    )
    chat_page: ChatPageConfig | None = Field(
        None, description="A page in the browser to try the agent. Default: not served."
    )
    server: ServerConfig | None = Field(None, description="Who may reach the agent. Default: whoever can connect.")

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        names = [model.name for model in self.models]
        if len(set(names)) < len(names):
            raise ValueError("models: every name must be unique")
        if self.default_model is not None and self.default_model not in names:
            raise ValueError(f"defaultModel: {self.default_model} is not one of models: {', '.join(names)}")
        servers = [server.name for server in self.mcp]
        if len(set(servers)) < len(servers):
            raise ValueError("mcp: every name must be unique")
        unknown = [name for name in self.fallbacks if name not in names]
        if unknown:
            raise ValueError(f"fallbacks: {', '.join(unknown)}: not one of models: {', '.join(names)}")
        return self

    @property
    def default(self) -> ModelConfig:
        """The model used when a caller names none."""
        return next((model for model in self.models if model.name == self.default_model), self.models[0])


class AgentSection(AgentConfig):
    """The `[agent]` table of agent.toml: the CR's config, complete, and where the prompt is."""

    system_prompt: str = Field(PROMPT_FILE, description="Path of the prompt, relative to agent.toml.")
    log_level: LogLevel = "INFO"


class AgentFile(ConfigModel):
    """All of agent.toml."""

    agent: AgentSection


class ConfigError(Exception):
    """A config that cannot be used; the message has one line for each fault, each beginning with its path."""


def explain(error: ValidationError, root: str = "", *, snake_case: bool = False) -> str:
    """Name every fault of a pydantic error as `path: message`, without the values: they may be secrets.

    Args:
        error: what pydantic raised.
        root: path put before every fault, such as `spec.config`.
        snake_case: write field names as TOML does; otherwise as the CR does.
    """
    faults = error.errors(include_input=False, include_url=False)
    lines = []
    for fault in faults:
        if fault["type"] == "too_short" and _has_faults_within(fault["loc"], faults):
            continue  # items that are wrong do not count as items; what is wrong with them says enough
        message = fault["msg"].removeprefix("Value error, ")
        # A validator that sees a whole model begins its message with the fields at fault: they end the path.
        fields, colon, rest = message.partition(": ")
        named = fields.split(", ") if colon and _FIELD_LIST.fullmatch(fields) else []
        paths = [(*fault["loc"], name) for name in named] or [fault["loc"]]
        lines += [f"{_path(root, path, snake_case=snake_case)}: {rest if named else message}" for path in paths]
    return "\n".join(lines)


def _has_faults_within(loc: tuple[int | str, ...], faults: list[ErrorDetails]) -> bool:
    return any(len(fault["loc"]) > len(loc) and fault["loc"][: len(loc)] == loc for fault in faults)


def _path(root: str, loc: tuple[int | str, ...], *, snake_case: bool) -> str:
    path = root
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            name = to_snake(part) if snake_case else part
            path += f".{name}" if path else name
    return path


def load(path: Path) -> tuple[AgentSection, str]:
    """Read agent.toml and the prompt beside it.

    Raises:
        ConfigError: a file is missing or not readable, or a field is wrong; every fault is named, in TOML's spelling.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    faults = []
    section = None
    try:
        section = AgentFile.model_validate(document).agent
    except ValidationError as error:
        faults.append(explain(error, snake_case=True))
    prompt = _read_prompt(path.parent / _prompt_path(document), faults)
    if section is None or faults:
        raise ConfigError("\n".join(faults))
    return section, prompt


def _prompt_path(document: dict[str, Any]) -> str:
    """Where the prompt is, even when the rest of the file is wrong: so that both faults are told at once."""
    agent = document.get("agent")
    path = agent.get("system_prompt", PROMPT_FILE) if isinstance(agent, dict) else PROMPT_FILE
    return path if isinstance(path, str) else PROMPT_FILE


def _read_prompt(path: Path, faults: list[str]) -> str:
    try:
        prompt = path.read_bytes().decode("utf-8")
    except OSError as error:
        faults.append(f"agent.system_prompt: {path}: {error.strerror}")
    except (UnicodeDecodeError, ValueError):
        faults.append(f"agent.system_prompt: {path}: not UTF-8 text")
    else:
        if len(prompt.encode()) <= MAX_PROMPT_BYTES:
            return prompt
        faults.append(f"agent.system_prompt: {path}: longer than {MAX_PROMPT_BYTES} bytes")
    return ""

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
    memory: MemoryConfig | None = Field(None, description="Where conversations are kept. Default: in the pod's memory.")

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        names = [model.name for model in self.models]
        if len(set(names)) < len(names):
            raise ValueError("models: every name must be unique")
        if self.default_model is not None and self.default_model not in names:
            raise ValueError(f"defaultModel: {self.default_model} is not one of models: {', '.join(names)}")
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

"""The whole configuration of an agent: `spec.config` of the CR, and agent.toml."""

from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from agent_runtime.config.auth import AuthConfig
from agent_runtime.config.backends import McpServerConfig, MemoryConfig
from agent_runtime.config.base import ConfigModel, LogLevel, Name
from agent_runtime.config.callers import CardConfig, ChatPageConfig, LimitsConfig, ServerConfig
from agent_runtime.config.models import ApiKeySource, ModelConfig
from agent_runtime.config.prices import BudgetConfig, PricesSource

PROMPT_FILE = "system_prompt.txt"


class AgentConfig(ConfigModel):
    """`spec.config` of an AgentDeployment."""

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
        description="Names of models that are tried in order when the requested model is down. Default: none.",
    )
    memory: MemoryConfig | None = Field(
        None, description="Where conversations are stored. Default: in the memory of the pod."
    )
    mcp: tuple[McpServerConfig, ...] = Field(
        (), max_length=16, description="MCP servers whose tools the agent uses. Default: none."
    )
    limits: LimitsConfig | None = Field(None, description="Limits of requests. Default: each field has its default.")
    budget: BudgetConfig | None = Field(
        None, description="How many tokens, or how much money, the agent may use. Default: no limit."
    )
    prices: PricesSource | None = Field(
        None, description="Prices of the models, for the metric agent_cost_total and for budgets. Default: none."
    )
    card: CardConfig | None = Field(
        None, description="How the agent describes itself to other agents and on the chat page. Default: by its name."
    )
    chat_page: ChatPageConfig | None = Field(None, description="A web page to try the agent. Default: not served.")
    server: ServerConfig | None = Field(
        None, description="Who may call the agent. Default: every client that can connect."
    )
    auth: AuthConfig | None = Field(
        None, description="Tokens (JWT) of callers, next to API keys. Default: not accepted."
    )

    @model_validator(mode="after")
    def _cost_has_prices(self) -> Self:
        if self.budget and (self.budget.cost_per_day or self.budget.cost_per_month) and self.prices is None:
            raise ValueError("budget: costPerDay and costPerMonth require prices: set prices")
        return self

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        names = [model.name for model in self.models]
        if len(set(names)) < len(names):
            raise ValueError("models: every name must be unique: rename the duplicates")
        embeddings = [model.name for model in self.models if model.api == "embeddings"]
        if len(embeddings) == len(names):
            raise ValueError("models: at least one must have another api than embeddings: add one")
        if self.default_model in embeddings:
            raise ValueError(f"defaultModel: {self.default_model} has the api embeddings: name another model")
        if unfit := [name for name in self.fallbacks if name in embeddings]:
            raise ValueError(f"fallbacks: {', '.join(unfit)}: has the api embeddings: remove it")
        if self.default_model is not None and self.default_model not in names:
            raise ValueError(f"defaultModel: {self.default_model} is not one of models: {', '.join(names)}")
        servers = [server.name for server in self.mcp]
        if len(set(servers)) < len(servers):
            raise ValueError("mcp: every name must be unique: rename the duplicates")
        unknown = [name for name in self.fallbacks if name not in names]
        if unknown:
            raise ValueError(f"fallbacks: {', '.join(unknown)}: not one of models: {', '.join(names)}")
        return self

    @property
    def secret_variables(self) -> frozenset[str]:
        """Names of the environment variables that are secret because a field sends them to a server."""
        headers = [model.headers_from or {} for model in self.models] + [server.headers_from for server in self.mcp]
        keys = [model.api_key_from.env for model in self.models if model.api_key_from and model.api_key_from.env]
        return frozenset([*keys, *(variable for names in headers for variable in names.values())])

    @property
    def default(self) -> ModelConfig:
        """The model for requests that name no model."""
        chosen = (model for model in self.models if model.name == self.default_model)
        return next(chosen, next(model for model in self.models if model.api != "embeddings"))


class AgentSection(AgentConfig):
    """The `[agent]` table of agent.toml: the complete config of the CR, and the path of the prompt."""

    system_prompt: str = Field(
        PROMPT_FILE, description="Path of the prompt, relative to agent.toml or else to the working directory."
    )
    log_level: LogLevel = "INFO"

    @model_validator(mode="after")
    def _references_are_resolved(self) -> Self:
        for path, reference, remedy in self._references():
            if reference:
                raise ValueError(f"{path}: only an AgentDeployment can {remedy}")
        return self

    def _references(self) -> Iterator[tuple[str, object, str]]:
        """Yield the fields that the operator resolves: path, value, and the field to use in a file."""
        token = "request a token: set {} to its path"  # noqa: S105  (no secret)
        authorities = "name an object: set ca_file to a path"
        for index, model in enumerate(self.models):
            path, source = f"models[{index}]", model.api_key_from or ApiKeySource(none=True)
            yield f"{path}.api_key_from.secret_key_ref", source.secret_key_ref, "name a Secret: set env to a variable"
            yield f"{path}.api_key_from.service_account_token", source.service_account_token, token.format("file")
            yield f"{path}.tls.ca_from", model.tls and model.tls.ca_from, authorities
        for index, server in enumerate(self.mcp):
            yield f"mcp[{index}].service_account_token", server.service_account_token, token.format("token_file")
        tls = self.memory.cache.tls if self.memory and self.memory.cache else None
        yield "memory.cache.tls.ca_from", tls and tls.ca_from, authorities


class AgentFile(ConfigModel):
    """All of agent.toml."""

    agent: AgentSection


def identifies_callers(config: AgentConfig) -> bool:
    """Return whether callers need an API key or a token."""
    by_key = config.server is not None and config.server.api_keys_file is not None
    return by_key or (config.auth is not None and config.auth.jwt is not None)

"""The backends that the agent calls, except models: Redis and MCP servers."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from agent_runtime.config.base import ConfigModel, EnvironmentName, HeaderName, HttpUrl
from agent_runtime.config.redis import CacheConfig
from agent_runtime.config.references import FilePath, ServiceAccountToken


class MemoryConfig(ConfigModel):
    """Where conversations are stored, and how much of a conversation a model receives."""

    cache: CacheConfig | None = Field(None, description="Redis. Default: none; sessions are in the memory of the pod.")
    max_history_tokens: int = Field(
        16_000,
        ge=0,
        le=10_000_000,
        description="Tokens of earlier turns that a model gets with a message: as many of the newest turns as fit "
        "completely. The usage that the model reports counts for its answers; otherwise three bytes of UTF-8 count as "
        "a token. 0 sends no earlier turns. Default: 16000.",
    )


class McpServerConfig(ConfigModel):
    """A Model Context Protocol (MCP) server whose tools the agent uses."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=32)] = Field(
        description="Name of the server, unique within the agent. The model sees a tool of "
        "this server as SERVER__TOOL, such as `docs__search`. Characters that models refuse become underscores."
    )
    type: Literal["http", "stdio"] = Field(
        description="Transport: http (streamable HTTP, or HTTP with SSE if the server has only that) or stdio (a "
        "process in the container of the agent)."
    )
    url: HttpUrl | None = Field(
        None, description="URL of the MCP endpoint. Required by type http, not allowed with stdio."
    )
    headers_from: dict[HeaderName, EnvironmentName] = Field(
        {},
        max_length=16,
        description="HTTP headers, each with the name of the environment variable that contains its value. Only for "
        "type http. Default: none.",
    )
    service_account_token: ServiceAccountToken | None = Field(
        None,
        description="Send a token of the ServiceAccount of the pods as bearer token. Only for type http, only in an "
        "AgentDeployment. Default: none.",
    )
    token_file: FilePath | None = Field(
        None,
        description="Path of a mounted file with a bearer token, which is read for each request. Only for type http. "
        "Default: none.",
    )
    allow_link_local: bool = Field(
        False,
        description="Allow link-local addresses, where clouds serve the metadata of the node, for the URL and its "
        "redirects. Only for type http. Default: false.",
    )
    command: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="Program to run, from the PATH. Required by type stdio, not allowed with http.",
    )
    args: tuple[Annotated[str, StringConstraints(max_length=4096)], ...] = Field(
        (), max_length=64, description="Arguments of the program. Only for type stdio. Default: none."
    )
    env: tuple[EnvironmentName, ...] = Field(
        (),
        max_length=64,
        description="Names of environment variables that the agent passes to the program, in addition to PATH and "
        "HOME. Only for type stdio. Default: none.",
    )
    tools: tuple[Annotated[str, StringConstraints(min_length=1, max_length=128)], ...] = Field(
        (), max_length=128, description="Names of the tools that the agent may use. Default: all tools of the server."
    )
    timeout_seconds: int = Field(30, ge=1, le=3600, description="Timeout of a tool call in seconds. Default: 30.")

    @model_validator(mode="after")
    def _fields_fit_the_type(self) -> Self:
        http_only = {
            "url": self.url,
            "headersFrom": self.headers_from,
            "serviceAccountToken": self.service_account_token,
            "tokenFile": self.token_file,
            "allowLinkLocal": self.allow_link_local,
        }
        stdio_only = {"command": self.command, "args": self.args, "env": self.env}
        foreign, required = (stdio_only, "url") if self.type == "http" else (http_only, "command")
        given = [field for field, value in foreign.items() if value]
        if given:
            raise ValueError(f"{', '.join(given)}: not a field of type {self.type}: remove it")
        if getattr(self, required) is None:
            raise ValueError(f"{required}: required with type {self.type}")
        if self.service_account_token and self.token_file:
            raise ValueError("tokenFile: serviceAccountToken already sets it: remove one of the two")
        if (self.service_account_token or self.token_file) and "authorization" in map(str.lower, self.headers_from):
            raise ValueError("headersFrom: the token is sent as Authorization: remove this header or the token")
        return self

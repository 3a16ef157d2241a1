"""The models that the agent calls, and what it sends them."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from agent_runtime.config.base import ConfigModel, EnvironmentName, HeaderName, HttpUrl, Name, in_order
from agent_runtime.config.model_options import ModelParameters, ModelTimeouts, ModelTls
from agent_runtime.config.references import FilePath, KeyReference, ServiceAccountToken

DEFAULT_API_VERSION = "2024-10-01-preview"
# The first version of Azure OpenAI with the Responses API, and its date.
RESPONSES_API_VERSION = "2025-03-01-preview"
RESPONSES_DATE = RESPONSES_API_VERSION.removesuffix("-preview")
# Headers that describe the body or the connection. Others would make the request unreadable.
RESERVED_HEADERS = frozenset(
    {
        *("accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host"),
        *("keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
Headers = Annotated[dict[HeaderName, EnvironmentName], Field(min_length=1, max_length=16), AfterValidator(in_order)]


class ApiKeySource(ConfigModel):
    """Where the API key of a model comes from. Set exactly one field."""

    secret_key_ref: KeyReference | None = Field(
        None, description="Key of a Secret. New data replaces the pods. Only in an AgentDeployment."
    )
    env: EnvironmentName | None = Field(
        None, description="Name of an environment variable of the pods, such as one from credentials."
    )
    service_account_token: ServiceAccountToken | None = Field(
        None,
        description="Send a token of the ServiceAccount of the pods, such as to another agent with auth.jwt. Only in "
        "an AgentDeployment.",
    )
    file: FilePath | None = Field(
        None, description="Path of a mounted file with the key. It is read again while the agent runs."
    )
    none: Literal[True] | None = Field(None, description="true: send no API key.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = (self.secret_key_ref, self.env, self.service_account_token, self.file, self.none)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("set exactly one of secretKeyRef, env, serviceAccountToken, file and none")
        return self


class ModelConfig(ConfigModel):
    """One model that the agent can call."""

    name: Name = Field(description="Name of the model in requests and in defaultModel. Unique within the agent.")
    provider: Literal["azure_openai", "openai", "echo"] = Field(
        description="Protocol of the endpoint: azure_openai, openai (any compatible server) or echo (offline: "
        "repeats the message; to try an agent, and for tests)."
    )
    deployment: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description="Name of the Azure OpenAI deployment. Required by provider azure_openai, not allowed with others.",
    )
    api_version: str | None = Field(
        None,
        pattern=r"^\d{4}-\d{2}-\d{2}(-preview)?$",
        max_length=32,
        description="API version of Azure OpenAI. Only for provider azure_openai. Default: "
        f"{DEFAULT_API_VERSION}, or with api responses {RESPONSES_API_VERSION}, which is the oldest one with it.",
    )
    endpoint: HttpUrl | None = Field(
        None,
        description="https URL of the Azure OpenAI resource. Only for provider azure_openai. Default: the environment "
        "variable AZURE_OPENAI_ENDPOINT, which usually comes from credentials.",
    )
    model: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description="Model name in upstream requests. Only for provider openai. Default: the name of this entry.",
    )
    base_url: HttpUrl | None = Field(
        None,
        description="Base URL of the API, usually ending in /v1. Only for provider openai. Default: the public API of "
        "OpenAI.",
    )

    api: Literal["chat", "responses", "embeddings"] | None = Field(
        None,
        description="API of the endpoint that the agent calls: chat (chat completions), responses (the Responses API; "
        f"with provider azure_openai it needs apiVersion {RESPONSES_API_VERSION} or later) or embeddings. An "
        "embeddings model serves only /v1/embeddings of the agent. Not for provider echo. Default: chat.",
    )
    api_key_from: ApiKeySource | None = Field(
        None,
        description="API key of this model. Not for provider echo. Default: the variable OPENAI_API_KEY, or for "
        "provider azure_openai AZURE_OPENAI_API_KEY or a token of Microsoft Entra ID. If the models of a provider have "
        "several servers, its default key is sent only to OpenAI or Azure, or to the server that the variable "
        "OPENAI_BASE_URL or AZURE_OPENAI_ENDPOINT names.",
    )
    headers_from: Headers | None = Field(
        None,
        description="HTTP headers of requests to this model, each with the name of the environment variable that "
        "contains its value. They take precedence over all other headers. Not for provider echo. Default: none.",
    )

    parameters: ModelParameters | None = Field(
        None, description="Parameters of requests to this model. Not for provider echo. Default: those of the caller."
    )
    timeouts: ModelTimeouts | None = Field(
        None, description="How long requests to this model may take. Not for provider echo. Default: see each field."
    )
    tls: ModelTls | None = Field(
        None,
        description="Certificate authorities of the server of this model. Not for provider echo. Default: those of "
        "trustedCA and public ones.",
    )
    streaming: bool | None = Field(
        None,
        description="Stream from this model. false: requests of streams get the complete answer, which becomes one "
        "chunk. Not for provider echo. Default: true, unless the server refuses to stream.",
    )
    probe: Literal["none", "models", "chat"] | None = Field(
        None,
        description="How the agent checks the model: models (lists the models), chat (a completion of some tokens, at "
        "most every five minutes) or none. Not for provider echo. Default: models.",
    )

    @model_validator(mode="after")
    def _fields_fit_the_provider(self) -> Self:
        azure_only = {"deployment": self.deployment, "apiVersion": self.api_version, "endpoint": self.endpoint}
        openai_only = {"model": self.model, "baseUrl": self.base_url}
        remote_only: dict[str, object] = {
            "api": self.api,
            "apiKeyFrom": self.api_key_from,
            "headersFrom": self.headers_from,
            "parameters": self.parameters,
            "timeouts": self.timeouts,
            "tls": self.tls,
            "streaming": self.streaming,
            "probe": self.probe,
        }
        foreign_by_provider: dict[str, dict[str, object]] = {
            "azure_openai": {**openai_only},
            "openai": {**azure_only},
            "echo": {**azure_only, **openai_only, **remote_only},
        }
        foreign = foreign_by_provider[self.provider]
        given = [field for field, value in foreign.items() if value is not None]
        if given:
            raise ValueError(f"{', '.join(given)}: not a field of provider {self.provider}: remove it")
        if self.provider == "azure_openai" and self.deployment is None:
            raise ValueError("deployment: required with provider azure_openai")
        if self.api == "responses" and self.api_version is not None and self.api_version < RESPONSES_DATE:
            raise ValueError(
                f"apiVersion: api responses requires {RESPONSES_API_VERSION} or later: set it or remove it"
            )
        return self

    @model_validator(mode="after")
    def _headers_are_free(self) -> Self:
        reserved = sorted(name for name in self.headers_from or () if name.lower() in RESERVED_HEADERS)
        if reserved:
            raise ValueError(f"headersFrom: {', '.join(reserved)} is set by the agent: remove it")
        return self

    @property
    def azure_api_version(self) -> str:
        """The API version of requests to Azure OpenAI."""
        return self.api_version or (RESPONSES_API_VERSION if self.api == "responses" else DEFAULT_API_VERSION)

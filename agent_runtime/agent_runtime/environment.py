"""What the environment says: addresses, credentials, times. Read once, at start."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from agent_runtime import __version__
from agent_runtime.config import ConfigError, LogLevel, explain

Seconds = Annotated[float, Field(ge=0, le=3600)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Environment(BaseModel):
    """The variables that the runtime knows. An empty one counts as absent; a wrong one names itself."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper, populate_by_name=True)

    listen_address: str = "0.0.0.0"  # noqa: S104  (a pod is reached from outside; "::" listens on IPv6 as well)
    port_http: Port = 8000
    port_metrics: Port = 9090
    drain_delay_seconds: Seconds = Field(
        5, description="From SIGTERM until no new connection is accepted; then from an answer until its own is closed."
    )
    shutdown_grace_seconds: Seconds = Field(20, description="How long requests in flight may then take.")
    log_level: Annotated[LogLevel | None, BeforeValidator(lambda value: value and value.upper())] = None
    agent_revision: str = ""
    agent_name: str = Field("agent", max_length=256, description="What the agent is called where card.name is not set.")

    otel_exporter_otlp_endpoint: str | None = Field(None, pattern=r"^https?://[^\s/?#]+\S*$")

    azure_openai_endpoint: str | None = Field(None, pattern=r"^https?://[^\s/?#]+\S*$")
    azure_openai_api_key: SecretStr | None = None
    azure_tenant_id: str | None = None
    azure_client_id: str | None = None
    azure_client_secret: SecretStr | None = None
    azure_federated_token_file: str | None = None
    openai_api_key: SecretStr | None = None
    # These have the meaning that they have for the openai SDK.
    openai_base_url: str | None = Field(None, pattern=r"^https?://[^\s/?#]+\S*$")
    openai_org_id: str | None = None
    openai_project_id: str | None = None
    openai_custom_headers: SecretStr | None = None
    redis_username: str | None = None
    redis_password: SecretStr | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for the log's last line of defence."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))


def read(variables: Mapping[str, str]) -> Environment:
    """Read the environment.

    Raises:
        ConfigError: a variable has a value that cannot be; each is named, none is quoted.
    """
    try:
        return Environment.model_validate({name: value for name, value in variables.items() if value})
    except ValidationError as error:
        raise ConfigError(explain(error)) from None


def version() -> str:
    """The version of the distribution."""
    return __version__

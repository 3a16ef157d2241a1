"""Environment variables: addresses, credentials and durations. Read once, at the start."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError

from agent_runtime import __version__
from agent_runtime.config import ConfigError, LogLevel, explain

Seconds = Annotated[float, Field(ge=0, le=3600)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Environment(BaseModel):
    """The variables that the runtime reads. An empty variable counts as unset."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper, populate_by_name=True)

    listen_address: str | None = Field(None, description="Default: all addresses of IPv6, if it exists, and IPv4.")
    port_http: Port = 8000
    port_metrics: Port = 9090
    # How long new connections are accepted after SIGTERM, and then how long a connection must be idle to be closed.
    drain_delay_seconds: Seconds = 5
    # Time for requests in flight after the drain delay.
    shutdown_grace_seconds: Seconds = 20
    log_level: Annotated[LogLevel | None, BeforeValidator(lambda value: value and value.upper())] = None
    agent_revision: str = ""
    agent_name: str = Field("agent", max_length=256, description="Name of the agent if card.name is not set.")

    otel_exporter_otlp_endpoint: str | None = Field(None, pattern=r"^https?://[^\s/?#]+\S*$")

    azure_openai_endpoint: str | None = Field(None, pattern=r"^https?://[^\s/?#]+\S*$")
    azure_openai_api_key: SecretStr | None = None
    azure_tenant_id: str | None = None
    azure_client_id: str | None = None
    azure_client_secret: SecretStr | None = None
    azure_federated_token_file: str | None = None
    openai_api_key: SecretStr | None = None
    # These variables have the same meaning as in the openai SDK.
    openai_base_url: str | None = Field(None, pattern=r"^https?://[^\s/?#]+\S*$")
    openai_org_id: str | None = None
    openai_project_id: str | None = None
    openai_custom_headers: SecretStr | None = None
    redis_username: str | None = None
    redis_password: SecretStr | None = None
    redis_sentinel_username: str | None = None
    redis_sentinel_password: SecretStr | None = None

    # All variables, including those whose names only the config knows.
    _variables: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def secret(self, name: str) -> SecretStr | None:
        """Return the value of a variable that a field of the config names; None if it is not set."""
        value = self._variables.get(name)
        return None if value is None else SecretStr(value)

    @property
    def secrets(self) -> tuple[str, ...]:
        """All secret values, so that the log can mask them."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))


def read(variables: Mapping[str, str]) -> Environment:
    """Validate the environment.

    Raises:
        ConfigError: variables have invalid values. The message names all of them and quotes no value.
    """
    # `kubectl create secret --from-file` keeps the newline at the end of a file, which no value needs.
    stripped = {name: value.rstrip("\r\n") for name, value in variables.items()}
    present = {name: value for name, value in stripped.items() if value}
    try:
        environment = Environment.model_validate(present)
    except ValidationError as error:
        raise ConfigError(explain(error)) from None
    environment._variables = present  # noqa: SLF001  (no field: the config names them)
    return environment


def version() -> str:
    """Return the version of the runtime."""
    return __version__

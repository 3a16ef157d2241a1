"""Which secrets become environment variables of the pods, and from which Secret."""

from collections.abc import Iterator
from dataclasses import dataclass

from agent_operator.api import constants
from agent_operator.inputs.agent_inputs import Inputs

LOG_LEVEL = "LOG_LEVEL"
AGENT_NAME = "AGENT_NAME"
REVISION = "AGENT_REVISION"
SHUTDOWN_GRACE = "SHUTDOWN_GRACE_SECONDS"
DRAIN_DELAY = "DRAIN_DELAY_SECONDS"
# What the operator sets, or what its probes, Service and NetworkPolicy rely on. Neither env nor credentials may set it.
RESERVED = (LOG_LEVEL, AGENT_NAME, REVISION, SHUTDOWN_GRACE, "LISTEN_ADDRESS", "PORT_HTTP", "PORT_METRICS")
# What the workload identity webhook sets, unless the pod sets it already.
IDENTITY_KEYS = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")


@dataclass(frozen=True, slots=True)
class CredentialKey:
    """A key of a Secret that becomes the environment variable of its name."""

    name: str
    secret: str
    optional: bool = False


def secret(inputs: Inputs) -> str | None:
    """Return the name of the Secret that others make; None without one."""
    credentials = inputs.spec.credentials
    if credentials is None or not (credentials.secret_ref or credentials.external_secret):
        return None
    return credentials.secret_ref.name if credentials.secret_ref else constants.secret(inputs.name)


def keys(inputs: Inputs) -> tuple[CredentialKey, ...]:
    """Return the keys that the pods read, each once."""
    credentials = inputs.spec.credentials
    if credentials is None:
        return ()
    made = constants.secret(inputs.name)
    if credentials.external_secret:
        return tuple(CredentialKey(name, made) for name in credentials.external_secret.data)
    if credentials.values:
        return tuple(CredentialKey(name, made) for name in credentials.values)
    reference = credentials.secret_ref
    if reference is None:
        return ()
    if reference.keys is not None:
        return tuple(CredentialKey(name, reference.name) for name in dict.fromkeys(reference.keys))
    given = {variable.name for variable in inputs.spec.env or ()}
    return tuple(CredentialKey(name, reference.name, optional=True) for name in _useful(inputs) if name not in given)


def _useful(inputs: Inputs) -> Iterator[str]:
    """Yield the documented keys that the config has a use for."""
    config, identity = inputs.spec.config, inputs.spec.identity
    azure = [model for model in config.models if model.provider == "azure_openai"]
    if any(model.endpoint is None for model in azure):
        yield "AZURE_OPENAI_ENDPOINT"
    if azure:
        yield "AZURE_OPENAI_API_KEY"
    # A reference, even to a key that is missing, would keep the webhook from setting the variable.
    if azure and not (identity and identity.azure_workload_identity):
        yield from IDENTITY_KEYS
    if any(model.provider == "openai" for model in config.models):
        yield "OPENAI_API_KEY"
    if config.memory and config.memory.cache and config.memory.cache.enabled:
        yield "REDIS_PASSWORD"

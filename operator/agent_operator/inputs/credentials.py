"""Which keys of which Secrets become environment variables of the pods."""

from collections.abc import Iterator
from dataclasses import dataclass

from agent_operator.api import constants
from agent_operator.inputs.agent_inputs import Inputs
from agent_runtime.config import CacheConfig, ModelConfig

LOG_LEVEL = "LOG_LEVEL"
AGENT_NAME = "AGENT_NAME"
REVISION = "AGENT_REVISION"
SHUTDOWN_GRACE = "SHUTDOWN_GRACE_SECONDS"
DRAIN_DELAY = "DRAIN_DELAY_SECONDS"
TRUSTED_CA = "TRUSTED_CA_FILE"
LISTEN_ADDRESS = "LISTEN_ADDRESS"
# The values of LISTEN_ADDRESS with which probes and the Service reach the pods.
ALL_ADDRESSES = ("::", "0.0.0.0")  # noqa: S104  (a pod serves other hosts)
# Variables on which the probes, the Service and the NetworkPolicy rely.
PORTS = ("PORT_HTTP", "PORT_METRICS")
# Variables that users must not set.
RESERVED = (LOG_LEVEL, AGENT_NAME, REVISION, SHUTDOWN_GRACE, TRUSTED_CA, LISTEN_ADDRESS, *PORTS)
_REMEDIES = {
    LOG_LEVEL: "is set by the operator: set spec.config.logLevel",
    TRUSTED_CA: "is set by the operator: set spec.trustedCA",
    LISTEN_ADDRESS: "must be :: or 0.0.0.0, because probes connect to the address of the pod: remove it",
    **dict.fromkeys(PORTS, "must keep its default, on which probes and the Service rely: set spec.service instead"),
}
# Variables that the workload identity webhook sets, unless the pod sets them already.
IDENTITY_KEYS = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")


def refusal(name: str, value: str | None) -> str | None:
    """Return why a variable must not have this value (None for a reference), with the remedy; None if it may."""
    if name not in RESERVED or (name == LISTEN_ADDRESS and value in ALL_ADDRESSES):
        return None
    return f"{name} {_REMEDIES.get(name, 'is set by the operator: remove it')}"


@dataclass(frozen=True, slots=True)
class CredentialKey:
    """A key of a Secret that becomes an environment variable of the same name."""

    name: str
    secret: str
    optional: bool = False


def secret(inputs: Inputs) -> str | None:
    """Return the name of the Secret that the operator does not create; None if the spec references none."""
    credentials = inputs.spec.credentials
    if credentials is None or not (credentials.secret_ref or credentials.external_secret):
        return None
    return credentials.secret_ref.name if credentials.secret_ref else constants.secret(inputs.name)


def keys(inputs: Inputs) -> tuple[CredentialKey, ...]:
    """Return the keys that the pods read, without duplicates."""
    credentials = inputs.spec.credentials
    if credentials is None:
        return ()
    own_secret = constants.secret(inputs.name)
    if credentials.external_secret:
        return tuple(CredentialKey(name, own_secret) for name in credentials.external_secret.data)
    if credentials.values:
        return tuple(CredentialKey(name, own_secret) for name in credentials.values)
    reference = credentials.secret_ref
    if reference is None:
        return ()
    if reference.keys is not None:
        return tuple(CredentialKey(name, reference.name) for name in dict.fromkeys(reference.keys))
    set_by_env = {variable.name for variable in inputs.spec.env or ()}
    return tuple(
        CredentialKey(name, reference.name, optional=True)
        for name in dict.fromkeys(_well_known(inputs))
        if name not in set_by_env
    )


def _well_known(inputs: Inputs) -> Iterator[str]:
    """Yield the documented keys that the config uses."""
    config, identity = inputs.spec.config, inputs.spec.identity
    azure = [model for model in config.models if model.provider == "azure_openai"]
    if any(model.endpoint is None for model in azure):
        yield "AZURE_OPENAI_ENDPOINT"
    if any(_uses(model, "AZURE_OPENAI_API_KEY") for model in azure):
        yield "AZURE_OPENAI_API_KEY"
    # The webhook does not set a variable that the pod already references, even if the key does not exist.
    if any(model.api_key_from is None for model in azure) and not (identity and identity.azure_workload_identity):
        yield from IDENTITY_KEYS
    if any(model.provider == "openai" and _uses(model, "OPENAI_API_KEY") for model in config.models):
        yield "OPENAI_API_KEY"
    if config.memory and config.memory.cache and config.memory.cache.enabled:
        yield from _of_redis(inputs, config.memory.cache)


def _of_redis(inputs: Inputs, cache: CacheConfig) -> Iterator[str]:
    if cache.sentinel:
        yield "REDIS_SENTINEL_PASSWORD"
    if not cache.entra_id:
        yield "REDIS_PASSWORD"
    elif not (inputs.spec.identity and inputs.spec.identity.azure_workload_identity):
        yield from IDENTITY_KEYS


def _uses(model: ModelConfig, variable: str) -> bool:
    """Report whether a model may use the default key of its provider, which this variable contains."""
    return model.api_key_from is None or model.api_key_from.env == variable

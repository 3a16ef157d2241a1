"""What the pods read for a model: its API key from a variable, and its certificate authorities from a volume.

The certificate authorities of Redis are in a volume as well.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agent_operator.api import constants
from agent_runtime.config import (
    AgentConfig,
    ApiKeySource,
    CaSource,
    McpServerConfig,
    ModelConfig,
    ModelTls,
    PricesSource,
    RedisTls,
)

REDIS_CA_VOLUME = "memory-ca"
REDIS_CA_DIRECTORY = f"{constants.MODEL_CA_DIRECTORY}/redis"


@dataclass(frozen=True, slots=True)
class SecretVariable:
    """A variable with a key of a Secret, such as the API key of a model. `field` is the path of the reference."""

    variable: str
    secret: str
    key: str
    field: str


def keys(models: Iterable[ModelConfig]) -> tuple[SecretVariable, ...]:
    """Return the API keys that models read from Secrets, by the variable that the operator sets for each."""
    found = []
    for index, model in enumerate(models):
        reference = model.api_key_from.secret_key_ref if model.api_key_from else None
        if reference:
            field = f"spec.config.models[{index}].apiKeyFrom.secretKeyRef"
            found.append(SecretVariable(model_key_variable(index), reference.name, reference.key, field))
    return tuple(found)


def tokens(config: AgentConfig) -> dict[str, str]:
    """Return the audience of each token of the ServiceAccount, by the name of its file."""
    models = {f"model-{index}": model.api_key_from for index, model in enumerate(config.models)}
    found = {name: it.service_account_token for name, it in models.items() if it}
    found |= {f"mcp-{index}": server.service_account_token for index, server in enumerate(config.mcp)}
    return {name: token.audience for name, token in found.items() if token}


def complete_prices(source: PricesSource) -> PricesSource:
    """Return the prices as a file in the volume instead of a key of a ConfigMap."""
    if source.config_map_key_ref is None:
        return source
    return PricesSource(file=f"{constants.PRICES_DIRECTORY}/{constants.PRICES_FILE}")


def complete_server(server: McpServerConfig, index: int) -> McpServerConfig:
    """Return the MCP server with the file of its token instead of the audience."""
    if server.service_account_token is None:
        return server
    path = f"{constants.TOKENS_DIRECTORY}/mcp-{index}"
    return server.model_copy(update={"service_account_token": None, "token_file": path})


def model_key_variable(index: int) -> str:
    """Return the variable with the API key that a model of spec.config.models reads from a Secret."""
    return f"MODEL_API_KEY_{index}"


def model_ca_directory(index: int) -> str:
    """Return the directory with the certificate authorities of a model of spec.config.models."""
    return f"{constants.MODEL_CA_DIRECTORY}/{index}"


def model_ca_volume(index: int) -> str:
    """Return the name of the volume with the certificate authorities of a model of spec.config.models."""
    return f"model-ca-{index}"


def redis_ca(config: AgentConfig) -> CaSource | None:
    """Return where the certificate authorities of Redis come from; None if it has no own ones."""
    cache = config.memory.cache if config.memory else None
    return cache.tls.ca_from if cache and cache.enabled and cache.tls else None


def redis_tls(tls: RedisTls) -> RedisTls:
    """Return the options with the file that the pods read instead of an object."""
    return tls.model_copy(update={"ca_from": None, "ca_file": f"{REDIS_CA_DIRECTORY}/{constants.TRUSTED_CA_FILE}"})


def complete(model: ModelConfig, index: int) -> ModelConfig:
    """Set the defaults of a model, except baseUrl: without it the runtime requires a key for OpenAI's public API.

    The pods read the API key of a Secret from a variable, and certificates from a file.
    """
    complete: dict[str, Any] = {}
    if model.api_key_from and model.api_key_from.secret_key_ref:
        complete["api_key_from"] = ApiKeySource(env=model_key_variable(index))
    if model.api_key_from and model.api_key_from.service_account_token:
        complete["api_key_from"] = ApiKeySource(file=f"{constants.TOKENS_DIRECTORY}/model-{index}")
    if model.tls and model.tls.ca_from:
        complete["tls"] = ModelTls(ca_file=f"{model_ca_directory(index)}/{constants.TRUSTED_CA_FILE}")
    if model.provider == "azure_openai":
        complete["api_version"] = model.azure_api_version
    if model.provider == "openai":
        complete["model"] = model.model or model.name
    return model.model_copy(update=complete) if complete else model

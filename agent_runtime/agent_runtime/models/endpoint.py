"""The URL and the headers of the requests to a model.

OpenAI and Azure OpenAI publish both as part of their APIs, so they are built here without the openai SDK, which takes
0.3 s of CPU and 15 MiB to import. tests/integration/agent_runtime/test_model_requests.py compares them with the SDK's.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import SecretStr
from yarl import URL

from agent_runtime.config import ModelConfig
from agent_runtime.environment import Environment
from agent_runtime.health import UnhealthyError
from agent_runtime.models.credentials import EntraToken

OPENAI_API = "https://api.openai.com/v1"
DEFAULT_API_VERSION = "2024-10-01-preview"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URLs of a model's API, and the headers of every request with its credentials. Header names are lowercase."""

    completions: URL
    models: URL
    headers: Mapping[str, str]


class RequestBuilder:
    """Builds a model's endpoint from its config and the environment."""

    def __init__(self, model: ModelConfig, environment: Environment) -> None:
        self._model = model
        self._environment = environment
        self._token: EntraToken | None = None

    async def build(self) -> Endpoint:
        """Return the endpoint with credentials that are valid now.

        Raises:
            UnhealthyError: a variable is missing or has a wrong value, or Microsoft Entra ID issues no token.
        """
        if self._model.provider == "openai":
            return _openai(self._model, self._environment)
        endpoint = _azure(self._model, self._environment)
        if self._environment.azure_openai_api_key is not None:
            return endpoint
        if self._token is None:
            self._token = await asyncio.to_thread(EntraToken, self._environment)  # imports azure-identity: 0.3 s
        return replace(endpoint, headers={"authorization": f"Bearer {await self._token()}", **endpoint.headers})

    async def aclose(self) -> None:
        """Close the connection to Microsoft Entra ID."""
        if self._token is not None:
            await self._token.aclose()


def _openai(model: ModelConfig, environment: Environment) -> Endpoint:
    """Return the endpoint of OpenAI's API, or of a compatible server, which may need no key."""
    key = environment.openai_api_key
    if key is None and model.base_url is None:
        raise UnhealthyError("set OPENAI_API_KEY", "NotConfigured")
    base = URL(model.base_url or environment.openai_base_url or OPENAI_API)
    headers = {"authorization": f"Bearer {_header('OPENAI_API_KEY', key)}"} if key is not None else {}
    return Endpoint(_below(base, "/chat/completions"), _below(base, "/models"), headers | _common_headers(environment))


def _azure(model: ModelConfig, environment: Environment) -> Endpoint:
    """Return the endpoint of Azure OpenAI. Without a key, the caller must add the token to the headers."""
    address = model.endpoint or environment.azure_openai_endpoint
    if address is None:
        raise UnhealthyError("set AZURE_OPENAI_ENDPOINT, or endpoint in agent.toml", "NotConfigured")
    key = environment.azure_openai_api_key
    headers = {"api-key": _header("AZURE_OPENAI_API_KEY", key)} if key is not None else {}
    base = URL(address).update_query({"api-version": model.api_version or DEFAULT_API_VERSION})
    deployment = URL.build(path=f"/{model.deployment}").raw_path
    return Endpoint(
        _below(base, f"/openai/deployments{deployment}/chat/completions"),
        _below(base, "/openai/models"),
        headers | _common_headers(environment),
    )


def _below(base: URL, path: str) -> URL:
    """Return the URL of an encoded path below the base, with the query of the base."""
    return base.with_path(base.raw_path.rstrip("/") + path, encoded=True, keep_query=True)


def _common_headers(environment: Environment) -> dict[str, str]:
    """Headers that do not depend on the provider. Headers in OPENAI_CUSTOM_HEADERS take precedence."""
    headers = {"accept": "application/json"}
    if environment.openai_org_id is not None:
        headers["openai-organization"] = environment.openai_org_id
    if environment.openai_project_id is not None:
        headers["openai-project"] = environment.openai_project_id
    custom = environment.openai_custom_headers
    for line in custom.get_secret_value().split("\n") if custom is not None else ():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers


def _header(variable: str, secret: SecretStr) -> str:
    """Return the value of a variable that becomes part of a header.

    Raises:
        UnhealthyError: a header cannot carry it.
    """
    value = secret.get_secret_value()
    if not (value.isascii() and value.isprintable()):
        message = f"{variable}: contains a line break or another character that is not printable ASCII"
        raise UnhealthyError(message, "NotConfigured")
    return value

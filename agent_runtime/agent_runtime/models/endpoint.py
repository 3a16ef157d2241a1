"""The URL and the headers of the requests to a model.

OpenAI and Azure OpenAI publish both as part of their APIs, so they are built here without the openai SDK, which takes
0.3 s of CPU and 15 MiB to import. tests/integration/agent_runtime/test_model_requests.py compares them with the SDK's.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from yarl import URL

from agent_runtime.config import ApiKeySource, ModelConfig
from agent_runtime.config.default_credentials import DEFAULT_KEYS, ENTRA_TOKEN, OPENAI_API, DefaultCredentials
from agent_runtime.environment import Environment
from agent_runtime.health import UnhealthyError
from agent_runtime.models import headers
from agent_runtime.models.credentials import EntraToken

# How a request carries a key.
_KEY_HEADER = {"openai": ("authorization", "Bearer "), "azure_openai": ("api-key", "")}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URLs of a model's API, and the headers of every request with its credentials. Header names are lowercase.

    `withheld` is the default credential that exists, but is not sent to this server; None without one.
    """

    completions: URL
    models: URL
    headers: Mapping[str, str]
    withheld: str | None = None

    @property
    def responses(self) -> URL:
        """The URL of the Responses API."""
        return _with_end(self.models, "/models", "/responses")

    @property
    def embeddings(self) -> URL:
        """The URL of the embeddings API."""
        return _with_end(self.completions, "/chat/completions", "/embeddings")


class RequestBuilder:
    """Builds a model's endpoint from its config and the environment."""

    def __init__(self, model: ModelConfig, environment: Environment, defaults: DefaultCredentials) -> None:
        self._model = model
        self._environment = environment
        self._defaults = defaults
        self._token: EntraToken | None = None

    @property
    def base_url(self) -> str:
        """The base URL of a model of provider openai; empty for another provider."""
        if self._model.provider != "openai":
            return ""
        return self._model.base_url or self._environment.openai_base_url or OPENAI_API

    async def build(self) -> Endpoint:
        """Return the endpoint with credentials that are valid now.

        Raises:
            UnhealthyError: a variable is missing or has a wrong value, or Microsoft Entra ID issues no token.
        """
        model, environment = self._model, self._environment
        endpoint = _openai(self.base_url) if model.provider == "openai" else _azure(model, environment)
        common = headers.common(environment) if self._defaults.common_headers_reach(model) else headers.ACCEPT
        named = headers.named(model.headers_from or {}, environment)
        if model.api_key_from is not None:
            own = _own_key(model, model.api_key_from, environment)
            return replace(endpoint, headers={**common, **own, **named})
        variable = DEFAULT_KEYS[model.provider]
        has_key = environment.secret(variable) is not None
        if not self._defaults.reach(model) and (has_key or model.provider == "azure_openai"):
            withheld = variable if has_key else ENTRA_TOKEN
            return replace(endpoint, headers={**common, **named}, withheld=withheld)
        if not has_key:
            return replace(endpoint, headers={**await self._without_key(), **common, **named})
        return replace(endpoint, headers={**_key_header(model, variable, environment), **common, **named})

    async def _without_key(self) -> Mapping[str, str]:
        """Return the credentials of a model without a key. Only Azure has others, and only OpenAI always needs some."""
        if self._model.provider == "azure_openai":
            return {"authorization": f"Bearer {await self._entra_token()}"}
        if self._model.base_url is None:
            raise UnhealthyError("set OPENAI_API_KEY", "NotConfigured")
        return {}

    async def _entra_token(self) -> str:
        if self._token is None:
            self._token = await asyncio.to_thread(EntraToken, self._environment)  # imports azure-identity: 0.3 s
        return await self._token()

    async def aclose(self) -> None:
        """Close the connection to Microsoft Entra ID."""
        if self._token is not None:
            await self._token.aclose()


def _own_key(model: ModelConfig, source: ApiKeySource, environment: Environment) -> Mapping[str, str]:
    """Return the header with the key of one model; nothing if it has none."""
    if source.env:
        return _key_header(model, source.env, environment)
    if source.file:
        name, scheme = _KEY_HEADER[model.provider]
        return {name: scheme + headers.content_of(source.file)}
    return {}


def _key_header(model: ModelConfig, variable: str, environment: Environment) -> Mapping[str, str]:
    name, scheme = _KEY_HEADER[model.provider]
    return {name: scheme + headers.value_of(variable, environment)}


def _openai(base_url: str) -> Endpoint:
    """Return the endpoint of OpenAI's API, or of a compatible server, without headers."""
    base = URL(base_url)
    return Endpoint(_below(base, "/chat/completions"), _below(base, "/models"), {})


def _azure(model: ModelConfig, environment: Environment) -> Endpoint:
    """Return the endpoint of Azure OpenAI, without headers."""
    address = model.endpoint or environment.azure_openai_endpoint
    if address is None:
        raise UnhealthyError("set AZURE_OPENAI_ENDPOINT, or endpoint in agent.toml", "NotConfigured")
    base = URL(address).update_query({"api-version": model.azure_api_version})
    deployment = URL.build(path=f"/{model.deployment}").raw_path
    return Endpoint(
        _below(base, f"/openai/deployments{deployment}/chat/completions"), _below(base, "/openai/models"), {}
    )


def _below(base: URL, path: str) -> URL:
    """Return the URL of an encoded path below the base, with the query of the base."""
    return base.with_path(base.raw_path.rstrip("/") + path, encoded=True, keep_query=True)


def _with_end(url: URL, end: str, other: str) -> URL:
    """Return a URL with another end of its path, and with its query."""
    return url.with_path(url.raw_path.removesuffix(end) + other, encoded=True, keep_query=True)

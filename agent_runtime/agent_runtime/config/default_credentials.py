"""Which servers get the credentials that no model names: OPENAI_API_KEY and AZURE_OPENAI_API_KEY.

An agent may have models of several vendors. A key must not reach the vendor that did not issue it.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from agent_runtime.config.models import ModelConfig

OPENAI_API = "https://api.openai.com/v1"
# Variable with the default key of a provider, and the credential that Azure OpenAI uses without a key.
DEFAULT_KEYS = {"openai": "OPENAI_API_KEY", "azure_openai": "AZURE_OPENAI_API_KEY"}
ENTRA_TOKEN = "the token of Microsoft Entra ID"  # noqa: S105  (no secret)
_OPENAI = "api.openai.com"
# Domains of Azure OpenAI. Other domains of Azure, such as cloudapp.azure.com, contain servers of anyone.
_MICROSOFT = tuple(
    f".{service}.azure.{cloud}"
    for service in ("openai", "cognitiveservices", "services.ai")
    for cloud in ("com", "us", "cn")
)
_PORTS = {"http": 80, "https": 443}
_DEFAULT = "default"

Origin = tuple[str, str, int]


class DefaultCredentials:
    """Decides for the models of one agent.

    The default key of a provider is sent to the vendor that issued it: the server of the variable OPENAI_BASE_URL or
    AZURE_OPENAI_ENDPOINT, or else OpenAI or Microsoft. It is also sent to any other server that is the only one of the
    agent's models with this provider, because then the key cannot belong to another one.
    """

    def __init__(self, models: Iterable[ModelConfig], openai_base_url: str | None, azure_endpoint: str | None) -> None:
        """Create the decisions.

        Args:
            models: all models of the agent.
            openai_base_url: value of the variable OPENAI_BASE_URL, if it is known.
            azure_endpoint: value of the variable AZURE_OPENAI_ENDPOINT, if it is known.
        """
        self._variables = {"openai": openai_base_url, "azure_openai": azure_endpoint}
        self._vendors: dict[str, set[Origin | str | None]] = {"openai": set(), "azure_openai": set()}
        for model in models:
            if model.provider in self._vendors:
                self._vendors[model.provider].add(self._vendor(model))

    def reach(self, model: ModelConfig) -> bool:
        """Return whether the default key of its provider is sent to the server of a model without its own key."""
        return len(self._vendors[model.provider]) <= 1 or self._vendor(model) == _DEFAULT

    def common_headers_reach(self, model: ModelConfig) -> bool:
        """Return whether the headers of OPENAI_CUSTOM_HEADERS, OPENAI_ORG_ID and OPENAI_PROJECT_ID are sent to it."""
        if model.provider == "azure_openai" and self._vendors["openai"]:
            return False
        return self.reach(model)

    def _vendor(self, model: ModelConfig) -> Origin | str | None:
        """Return `default` for the vendor of the default key, and the origin of another server; None if unknown."""
        url = model.base_url if model.provider == "openai" else model.endpoint
        if url is None:
            return _DEFAULT
        origin, variable = _origin(url), self._variables[model.provider]
        if variable is not None:
            return _DEFAULT if origin == _origin(variable) else origin
        return _DEFAULT if _issues_default_key(model.provider, origin) else origin


def is_openai(url: str) -> bool:
    """Return whether a URL is that of OpenAI itself."""
    return _issues_default_key("openai", _origin(url))


def _issues_default_key(provider: str, origin: Origin | None) -> bool:
    if origin is None or origin[0] != "https":
        return False
    host = origin[1]
    if provider == "openai":
        return host == _OPENAI or host.endswith(f".{_OPENAI}")
    return host.endswith(_MICROSOFT)


def _origin(url: str) -> Origin | None:
    """Return scheme, host and port of a URL; None if it is invalid, which other code reports."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (parts.scheme, (host or "").rstrip("."), port or _PORTS.get(parts.scheme, 0))

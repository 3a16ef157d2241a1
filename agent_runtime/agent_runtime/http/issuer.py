"""Fetches the keys of an issuer: from a URL, by OpenID discovery, or from the API server of the cluster."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from agent_runtime import connection_faults, untrusted_json
from agent_runtime.config.auth import AUTHORITY_VARIABLE, ENTRA, KUBERNETES_DIRECTORY, JwtConfig
from agent_runtime.http.key_set import KeySetError
from agent_runtime.models import responses

# Seconds and bytes for one document.
TIMEOUT = 5.0
MAX_BYTES = 256 * 1024
# The directory with the files token and ca.crt, if it is not the one that the operator mounts.
DIRECTORY_VARIABLE = "KUBERNETES_CREDENTIALS_DIRECTORY"


class Issuer:
    """The documents of an issuer."""

    def __init__(self, config: JwtConfig, session: aiohttp.ClientSession, environment: Mapping[str, str]) -> None:
        self._config = config
        self._session = session
        self._environment = environment
        self._authority = environment.get(AUTHORITY_VARIABLE) or ENTRA
        # The values of the claim iss that are accepted; none before keys() has found the one of the cluster.
        self.issuers: tuple[str, ...] = config.issuers(self._authority)

    async def keys(self) -> bytes:
        """Return the JSON of the keys.

        Raises:
            KeySetError: they cannot be fetched.
        """
        if self._config.preset == "kubernetes":
            return await self._keys_of_cluster()
        url = self._config.keys_url(self._authority) or ""
        if self._config.jwks_url is None:
            document = await self._object(url)
            if document.get("issuer") not in self.issuers:
                raise KeySetError("the discovery document names another issuer: correct auth.jwt.issuer", "WrongIssuer")
            url = _keys_url(document, url)
        return await self._read(url)

    async def _keys_of_cluster(self) -> bytes:
        """Return the keys for tokens of ServiceAccounts. Every ServiceAccount may read them by default."""
        directory = Path(self._environment.get(DIRECTORY_VARIABLE) or KUBERNETES_DIRECTORY)
        host, port = (self._environment.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
        base = f"https://{f'[{host}]' if ':' in host else host or 'kubernetes.default.svc'}:{port or 443}"
        try:
            # The kubelet replaces both files from time to time.
            token = (directory / "token").read_text(encoding="ascii").strip()
            context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise KeySetError(f"{directory}: token and ca.crt cannot be read: {reason}", "CredentialsMissing") from None
        options: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}, "ssl": context}
        if not self.issuers:
            document = await self._object(f"{base}/.well-known/openid-configuration", **options)
            issuer = document.get("issuer")
            if not isinstance(issuer, str) or not issuer:
                raise KeySetError("the API server names no issuer: set auth.jwt.issuer", "WrongIssuer")
            self.issuers = (issuer,)
        return await self._read(f"{base}/openid/v1/jwks", **options)

    async def _object(self, url: str, **options: Any) -> Mapping[str, Any]:
        try:
            document = untrusted_json.loads(await self._read(url, **options))
        except untrusted_json.InvalidJsonError:
            document = None
        if not isinstance(document, dict):
            raise KeySetError(f"{_origin(url)} sent no discovery document: check the issuer", "InvalidKeys")
        return document

    async def _read(self, url: str, *, headers: Mapping[str, str] | None = None, ssl: Any = True) -> bytes:
        sent = {"Accept": "application/json", "Accept-Encoding": "identity"} | dict(headers or {})
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        try:
            async with self._session.get(
                url, headers=sent, ssl=ssl, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status != 200:  # noqa: PLR2004
                    raise KeySetError(f"{_origin(url)} answered {response.status}: check the URL", "ServerError")
                content = await responses.read_first(response, MAX_BYTES + 1)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            fault = connection_faults.explain(error, _origin(url))
            raise KeySetError(f"the keys of callers' tokens: {fault.message}", fault.reason) from None
        if len(content) > MAX_BYTES:
            raise KeySetError(f"{_origin(url)} sent more than {MAX_BYTES} bytes: check the URL", "InvalidKeys")
        return content


def _keys_url(document: Mapping[str, Any], discovery: str) -> str:
    url = document.get("jwks_uri")
    schemes = ("https",) if discovery.startswith("https:") else ("http", "https")
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise KeySetError("the discovery document has no usable jwks_uri: set auth.jwt.jwksUrl", "InvalidKeys")
    return str(url)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"

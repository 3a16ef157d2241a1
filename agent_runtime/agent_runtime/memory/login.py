"""Opens connections to the servers of a Redis: address, TLS and credentials.

Sentinels and the servers of a Cluster name further servers. The credentials are not sent to a link-local or metadata
address, whoever names it.
"""

import asyncio
import base64
import binascii
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.exceptions import RedisError

from agent_runtime.config import CacheConfig
from agent_runtime.config.addresses import is_refused
from agent_runtime.environment import Environment
from agent_runtime.health import UnhealthyError
from agent_runtime.models.credentials import EntraToken

_FORBIDDEN_ADDRESS = (
    "Redis has a link-local or metadata address, which the agent refuses: correct memory.cache.host, or the address "
    "that the Sentinels or the servers of the Cluster announce"
)
ENTRA_SCOPE = "https://redis.azure.com/.default"


class Login:
    """Opens connections with the credentials of a config. A token is requested for the first connection."""

    def __init__(self, config: CacheConfig, environment: Environment, timeout: float) -> None:
        self._config = config
        self._environment = environment
        self._timeout = timeout
        self._token: EntraToken | None = None
        self._last_token: str | None = None

    async def connection(self, host: str, port: int) -> AbstractConnection:
        """Return a connection to a server, which is not open yet.

        Raises:
            UnhealthyError: the address is refused, Microsoft Entra ID issues no token, or a variable is missing.
        """
        _check_address(host)
        username, password = await self._credentials()
        return self._make(host, port, username, password)

    def to_sentinel(self, host: str, port: int) -> AbstractConnection:
        """Return a connection to a Sentinel, which has credentials of its own."""
        password = self._environment.redis_sentinel_password
        username = self._environment.redis_sentinel_username
        return self._make(host, port, username, password.get_secret_value() if password else None)

    async def renewed(self) -> tuple[str, ...] | None:
        """Return the command that renews the login of an open connection, if the token has changed since the last one.

        Redis ends a connection whose token has expired.

        Raises:
            UnhealthyError: as connection().
        """
        if not self._config.entra_id:
            return None
        previous = self._last_token
        username, password = await self._credentials()
        return ("AUTH", username or "", password or "") if previous not in {None, password} else None

    async def aclose(self) -> None:
        """Close the connection to Microsoft Entra ID."""
        if self._token is not None:
            await self._token.aclose()

    async def _credentials(self) -> tuple[str | None, str | None]:
        config, environment = self._config, self._environment
        if config.entra_id:
            token = self._last_token = await (self._token or await self._entra())()
            return config.username or environment.redis_username or _object_id(token), token
        password = environment.redis_password
        return config.username or environment.redis_username, password.get_secret_value() if password else None

    async def _entra(self) -> EntraToken:
        try:
            # It imports azure-identity: 0.3 s.
            self._token = await asyncio.to_thread(EntraToken, self._environment, ENTRA_SCOPE)
        except ValueError as error:
            message = (
                f"Microsoft Entra ID cannot be used: {error}: correct AZURE_AUTHORITY_HOST and the other variables"
            )
            raise UnhealthyError(message, "NotConfigured") from None
        return self._token

    def _make(self, host: str, port: int, username: str | None, password: str | None) -> AbstractConnection:
        # SharedConnection limits the time of a round trip.
        options: dict[str, Any] = {
            "socket_timeout": None,
            "socket_connect_timeout": self._timeout,
            "socket_keepalive": True,
        }
        options |= {"host": host, "port": port, "username": username, "password": password, "protocol": 2}
        if not self._config.ssl:
            return _CheckedConnection(**options)
        return _TlsConnection(self._server_name(host), **options, **self._authorities())

    def _server_name(self, host: str) -> str:
        """Return the name that the certificate of a server must have."""
        config = self._config
        if config.tls and config.tls.server_name:
            return config.tls.server_name
        # Azure Managed Redis lists its nodes by address, but has one certificate.
        return config.host if config.cluster and config.host and _is_address(host) else host

    def _authorities(self) -> dict[str, Any]:
        tls = self._config.tls
        options: dict[str, Any] = {}
        if tls and tls.ca_file:
            if not Path(tls.ca_file).is_file():
                message = f"memory.cache.tls.ca_file: {tls.ca_file} does not exist: correct it"
                raise UnhealthyError(message, "NotConfigured")
            options["ssl_ca_certs"] = tls.ca_file
        return options


class _CheckedConnection(Connection):
    """A connection that checks its address before it sends the credentials. A name may resolve to any address."""

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        peer = self._writer.get_extra_info("peername") if self._writer else None
        try:
            _check_address(str(peer[0]) if peer else "")
        except UnhealthyError:
            await self.disconnect(nowait=True)
            raise
        await super().on_connect_check_health(check_health)

    async def disconnect(self, nowait: bool = False, *arguments: Any, **options: Any) -> None:
        """Disconnect, also from a server that does not close its side. TLS would wait for it for half a minute."""
        writer = self._writer
        try:
            await super().disconnect(nowait, *arguments, **options)
        except RedisError:  # the server did not close its side in time
            nowait = True
        if nowait and writer is not None:
            writer.transport.abort()


class _TlsConnection(_CheckedConnection, SSLConnection):
    """A connection to a server whose certificate may have another name than the host."""

    def __init__(self, server_name: str, **options: Any) -> None:
        super().__init__(**options)
        self._server_name = server_name

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "server_hostname": self._server_name}


def _check_address(host: str) -> None:
    """Check a host, which may be a name.

    Raises:
        UnhealthyError: it is an address that the agent refuses.
    """
    if _is_address(host) and is_refused(host):
        raise UnhealthyError(_FORBIDDEN_ADDRESS, "AddressForbidden")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _object_id(token: str) -> str:
    """Return the id of the identity that a token was issued to, which is its user in Redis."""
    try:
        payload = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["oid"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        message = (
            "the token of Microsoft Entra ID names no object id: set memory.cache.username to that of the identity"
        )
        raise UnhealthyError(message, "NotConfigured") from None

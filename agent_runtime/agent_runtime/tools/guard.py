"""Refuses link-local addresses and the metadata addresses of clouds as addresses of MCP servers."""

import asyncio
import socket

import httpx2

from agent_runtime.config.addresses import is_refused

_REFUSED = "{host} is a link-local or metadata address: refused unless allow_link_local"


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """Resolves the host of each request and redirect once, checks the address and connects to exactly this address.

    So a name that resolves to another address a moment later (DNS rebinding) has no effect. A proxy resolves names
    itself, so only literal addresses are checked before it.
    """

    def __init__(self, *, allow_link_local: bool = False, proxy: str | None = None) -> None:
        super().__init__(proxy=proxy)
        self._allow_link_local = allow_link_local
        self._is_proxied = proxy is not None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request.

        Raises:
            httpx2.ConnectError: the host has no address, or only refused addresses.
        """
        host = request.url.host
        if self._is_proxied:
            if not self._allow_link_local and _is_refused_literal(host):
                raise httpx2.ConnectError(_REFUSED.format(host=host))
            return await super().handle_async_request(request)
        address = await self._address(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        # The Host header is already set. The certificate is checked against the name, not against the address.
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        return await super().handle_async_request(request)

    async def _address(self, host: str, port: int) -> str:
        try:
            resolved = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise httpx2.ConnectError(f"{host} cannot be resolved") from None
        addresses = [str(info[4][0]) for info in resolved]
        if not self._allow_link_local:
            addresses = [address for address in addresses if not is_refused(address)]
        if not addresses:
            raise httpx2.ConnectError(_REFUSED.format(host=host))
        return addresses[0]


def _is_refused_literal(host: str) -> bool:
    try:
        return is_refused(host)
    except ValueError:
        return False

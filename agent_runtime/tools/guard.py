"""Keeps tools from addresses where clouds tell their secrets."""

import asyncio
import ipaddress
import socket

import httpx2

# Beside link-local ones, where AWS, Azure and Google serve their metadata.
_REFUSED = tuple(
    ipaddress.ip_address(address) for address in ("168.63.129.16", "100.100.100.200", "fd00:ec2::254", "192.0.0.192")
)


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """Resolves a host, looks at the address and connects to exactly that one, for every request and redirect.

    A name that resolves to something else a moment later (DNS rebinding) gains nothing.
    """

    def __init__(self, *, allow_link_local: bool = False) -> None:
        super().__init__()
        self._allow_link_local = allow_link_local

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request.

        Raises:
            httpx2.ConnectError: the host has no address, or only refused ones.
        """
        host = request.url.host
        address = await self._address(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        # The Host header is set already; the certificate is checked against the name, not the address.
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        return await super().handle_async_request(request)

    async def _address(self, host: str, port: int) -> str:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise httpx2.ConnectError(f"{host} cannot be resolved") from None
        addresses = [str(one[4][0]) for one in found]
        if not self._allow_link_local:
            addresses = [address for address in addresses if not is_refused(address)]
        if not addresses:
            raise httpx2.ConnectError(f"{host} is a link-local or metadata address: refused unless allow_link_local")
        return addresses[0]


def is_refused(address: str) -> bool:
    """Whether an IP address is link-local or one of a cloud's metadata service."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast or parsed in _REFUSED

"""Refuses link-local addresses and the metadata addresses of clouds as addresses of MCP servers."""

import asyncio
import ipaddress
import socket

import httpx2

# Metadata addresses that are not link-local, as those of AWS, Azure and Google are.
_METADATA = tuple(
    ipaddress.ip_address(address) for address in ("168.63.129.16", "100.100.100.200", "fd00:ec2::254", "192.0.0.192")
)

# IPv4-compatible addresses and NAT64: the IPv4 address is in the last 32 bits.
_LAST_32_BITS = tuple(map(ipaddress.IPv6Network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48")))


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """Resolves the host of each request and redirect once, checks the address and connects to exactly this address.

    So a name that resolves to another address a moment later (DNS rebinding) has no effect.
    """

    def __init__(self, *, allow_link_local: bool = False) -> None:
        super().__init__()
        self._allow_link_local = allow_link_local

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request.

        Raises:
            httpx2.ConnectError: the host has no address, or only refused addresses.
        """
        host = request.url.host
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
            raise httpx2.ConnectError(f"{host} is a link-local or metadata address: refused unless allow_link_local")
        return addresses[0]


def is_refused(address: str) -> bool:
    """Return whether an IP address is, or embeds, a link-local address or the address of a cloud's metadata service."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return any(
        candidate.is_link_local or candidate.is_unspecified or candidate.is_multicast or candidate in _METADATA
        for candidate in (parsed, *(_embedded(parsed) if isinstance(parsed, ipaddress.IPv6Address) else ()))
    )


def _embedded(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that a gateway or the kernel may translate an IPv6 address to."""
    embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    # ::1 looks like an IPv4-compatible address, but is the loopback address.
    if any(address in network for network in _LAST_32_BITS) and not address.is_loopback:
        embedded.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [ipv4 for ipv4 in embedded if ipv4 is not None]

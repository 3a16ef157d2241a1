"""Keeps tools from addresses where clouds tell their secrets."""

import asyncio
import ipaddress
import socket

import httpx2

# Beside link-local ones, where AWS, Azure and Google serve their metadata.
_REFUSED = tuple(
    ipaddress.ip_address(address) for address in ("168.63.129.16", "100.100.100.200", "fd00:ec2::254", "192.0.0.192")
)

# IPv4-compatible addresses, and those that NAT64 translates.
_LAST_32_BITS = tuple(map(ipaddress.IPv6Network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48")))


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
    """Whether an IP address is link-local or one of a cloud's metadata service, also where it is part of another."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return any(
        one.is_link_local or one.is_unspecified or one.is_multicast or one in _REFUSED
        for one in (parsed, *(_embedded(parsed) if isinstance(parsed, ipaddress.IPv6Address) else ()))
    )


def _embedded(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that a gateway or the system may make of an IPv6 one."""
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    # ::1 has the form of an old kind of IPv4 address, but is none.
    if any(address in network for network in _LAST_32_BITS) and not address.is_loopback:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in found if one is not None]

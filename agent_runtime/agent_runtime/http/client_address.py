"""The address of the client of a request, behind proxies that the config trusts."""

import ipaddress
from collections.abc import Sequence

from aiohttp import web

FORWARDED_FOR = "X-Forwarded-For"
# Proxies in a row. Further entries of the header are ignored.
MAX_HOPS = 16
# An IPv6 address with a zone and a port.
_MAX_CHARS = 80
# Bits of an IPv6 address that a provider assigns; its customer chooses the others.
_PREFIX_BITS = 64
# A socket of both families shows IPv4 clients so.
_MAPPED = "::ffff:"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ClientAddresses:
    """Finds the address of the client: of the connection, or in X-Forwarded-For of trusted proxies."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted: tuple[Network, ...] = tuple(ipaddress.ip_network(cidr, strict=False) for cidr in trusted_proxies)

    def of(self, request: web.Request) -> str:
        """Return the address of the client of a request; "" if the connection has none.

        Each proxy appends the address of its own client. So the header is read from its end, as long as a trusted
        proxy wrote the entry. The client itself may have written the entries before.
        """
        peer = request.remote or ""
        if not self._trusted:
            return _unmapped(peer)
        address = _parsed(peer)
        if address is None:
            return peer
        for entry in _entries(request):
            found = _parsed(entry) if self._trusts(address) else None
            if found is None:
                break
            address = found
        return str(address)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def subscriber(address: str) -> str:
    """Return the rate-limit key of a client: its IPv4 address, or the /64 network of its IPv6 address."""
    parsed = _parsed(address) if ":" in address else None
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address
    return str(ipaddress.IPv6Network((int(parsed) >> _PREFIX_BITS << _PREFIX_BITS, 128 - _PREFIX_BITS)))


def _entries(request: web.Request) -> list[str]:
    """Return the addresses in X-Forwarded-For, the last one first."""
    header = ",".join(request.headers.getall(FORWARDED_FOR, ()))
    return header.rsplit(",", MAX_HOPS)[: -MAX_HOPS - 1 : -1]


def _parsed(entry: str) -> Address | None:
    """Return the address in an entry, which may have a port; None if there is none, such as in `unknown`."""
    entry = entry.strip().strip('"')
    if len(entry) > _MAX_CHARS:
        return None
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        address = ipaddress.ip_address(entry.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _unmapped(peer: str) -> str:
    return peer.removeprefix(_MAPPED) if peer.startswith(_MAPPED) and "." in peer else peer

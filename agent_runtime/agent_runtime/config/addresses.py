"""The addresses of metadata services, and what the internet excludes: for the NetworkPolicy and for the runtime.

A metadata service gives the credentials of its node to every process that can connect to it. IPv6 can embed an IPv4
address, and a gateway (NAT64, 6to4, Teredo) or the kernel then connects to that IPv4 address.
"""

import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Link-local addresses, which include 169.254.169.254 of most clouds and 169.254.170.2 and .23 of AWS, and the metadata
# addresses that are not link-local.
METADATA_V4 = tuple(
    map(ipaddress.IPv4Network, ("169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32"))
)
METADATA_V6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "fe80::/10",
            *("fd00:ec2::254/128", "fd00:ec2::23/128"),  # AWS
            "fd20:ce::254/128",  # Google
            "fd00:c1::a9fe:a9fe/128",  # Oracle
            "fd00:a9fe:a9fe::1/128",  # Akamai
            "fd00:42::42/128",  # Scaleway
        ),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_6TO4 = ipaddress.IPv6Network("2002::/16")
_TEREDO = ipaddress.IPv6Network("2001::/32")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_SIIT = ipaddress.IPv6Network("::ffff:0:0:0/96")
_IN_LAST_32_BITS = (_COMPATIBLE, _MAPPED, _SIIT, _NAT64)
# Ranges that exist only to embed IPv4 addresses. The internet is reached without them, so a NetworkPolicy excludes them
# completely. It cannot exclude 64:ff9b::/96, through which clusters without IPv4 reach the IPv4 internet. IPv4-mapped
# addresses are not excluded: the kernel sends IPv4 instead, and the API server refuses them in an exception.
_TRANSLATED = (_COMPATIBLE, _SIIT, _LOCAL_NAT64, _TEREDO, _6TO4)
_PRIVATE_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24"),
            *("192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
        ),
    )
)
# Unique local, formerly site-local and multicast addresses. Loopback is in ::/96.
_PRIVATE_V6 = tuple(map(ipaddress.IPv6Network, ("fc00::/7", "fec0::/10", "ff00::/8")))


def is_metadata(address: Address) -> bool:
    """Return whether an address is, or embeds, a link-local address or that of a metadata service."""
    if isinstance(address, ipaddress.IPv4Address):
        return any(address in network for network in METADATA_V4)
    return any(address in network for network in METADATA_V6) or any(map(is_metadata, embedded(address)))


def is_refused(address: str) -> bool:
    """Return whether the runtime refuses to connect to this IP address of a model or an MCP server."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    plain = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped else parsed
    return plain.is_unspecified or plain.is_multicast or is_metadata(parsed)


def embedded(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """Yield the IPv4 addresses that a gateway or the kernel may translate an IPv6 address to."""
    if any(address in network for network in _IN_LAST_32_BITS):
        yield _last_32_bits(address)
    if address.sixtofour:
        yield address.sixtofour
    yield from address.teredo or ()
    if address in _LOCAL_NAT64:
        # RFC 6052: the position depends on the length of the prefix, 96, 64, 56 or 48. Bits 64 to 71 are skipped.
        number = int(address)
        without_gap = (number >> 64 << 56) | (number & ((1 << 56) - 1))
        yield _last_32_bits(address)
        yield from (ipaddress.IPv4Address(without_gap >> shift & 0xFFFFFFFF) for shift in (24, 32, 40))


def outside(*, private: bool) -> tuple[tuple[Network, tuple[Network, ...]], ...]:
    """Return the networks outside of the cluster, each with the networks to except.

    Args:
        private: whether they include private addresses. They never include those of metadata services.
    """
    v4 = METADATA_V4 if private else (*METADATA_V4, *_PRIVATE_V4)
    v6 = METADATA_V6 if private else (*METADATA_V6, *_PRIVATE_V6)
    excepted_v4 = tuple(ipaddress.collapse_addresses(v4))
    through_nat64 = (_in_nat64(network) for network in excepted_v4)
    excepted_v6 = tuple(ipaddress.collapse_addresses((*v6, *_TRANSLATED, *through_nat64)))
    return (ipaddress.IPv4Network("0.0.0.0/0"), excepted_v4), (ipaddress.IPv6Network("::/0"), excepted_v6)


def _in_nat64(network: ipaddress.IPv4Network) -> ipaddress.IPv6Network:
    first = int(_NAT64.network_address) | int(network.network_address)
    return ipaddress.IPv6Network((first, 96 + network.prefixlen))


def _last_32_bits(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)

"""The addresses of metadata services in every form, and the networks that a NetworkPolicy calls the internet."""

import ipaddress

import pytest

from agent_runtime.config import addresses

METADATA_V4 = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192")
METADATA_V6 = ("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fe80::1", "fe80::a9fe:a9fe", "fd00:c1::a9fe:a9fe")
PUBLIC = ("8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "168.63.129.17", "172.32.0.1", "100.128.0.1")
PRIVATE = (
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "127.0.0.1", "224.0.0.1", "0.0.0.0"),
    *("255.255.255.255", "198.18.0.1", "fc00::1", "fd12::1", "ff02::1", "64:ff9b::a00:1", "64:ff9b::c0a8:101"),
)


def embedding(text: str) -> list[str]:
    """Every IPv6 form of an IPv4 address that a gateway or the kernel translates."""
    number = int(ipaddress.IPv4Address(text))
    high, low = number >> 16, number & 0xFFFF
    local = int(ipaddress.IPv6Address("64:ff9b:1::"))
    # RFC 6052: bits 64 to 71 are zero, and the address is around them.
    rfc6052 = {
        48: local | high << 64 | low << 40,
        56: local | (number >> 24) << 64 | (number & 0xFFFFFF) << 32,
        64: local | number << 24,
        96: local | number,
    }
    return [
        *(f"::ffff:{text}", f"::{text}", f"::ffff:0:{text}", f"64:ff9b::{text}"),
        f"2002:{high:x}:{low:x}::1",
        f"2001:0:{high:x}:{low:x}::",
        f"2001:0:808:808:0:0:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}",
        *(str(ipaddress.IPv6Address(value)) for value in rfc6052.values()),
    ]


FORMS = [*METADATA_V6, *(form for text in METADATA_V4 for form in (text, *embedding(text)))]


def allowed(text: str, *, private: bool) -> bool:
    """Whether a rule with `outside` as peers allows an address."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address  # as the kernel does
    return any(
        address in network and not any(address in excepted for excepted in exceptions)
        for network, exceptions in addresses.outside(private=private)
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_metadata_address_is_recognized_and_excluded_in_every_form(form: str) -> None:
    assert addresses.is_metadata(ipaddress.ip_address(form))
    assert addresses.is_refused(form)
    assert not allowed(form, private=False)
    assert not allowed(form, private=True)


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_allowed(text: str) -> None:
    assert not addresses.is_refused(text)
    assert allowed(text, private=False)


@pytest.mark.parametrize("text", PRIVATE)
def test_the_internet_excludes_private_addresses_unless_requested(text: str) -> None:
    assert not addresses.is_metadata(ipaddress.ip_address(text))
    assert not allowed(text, private=False)
    assert allowed(text, private=True)


@pytest.mark.parametrize("text", ["10.0.0.1", "127.0.0.1", "::1", "fd12::1", "64:ff9b:1::808:808"])
def test_the_runtime_connects_to_private_addresses(text: str) -> None:
    """Model and MCP servers may run in the cluster. The NetworkPolicy decides."""
    assert not addresses.is_refused(text)


def test_exceptions_are_inside_of_their_network() -> None:
    """The API server refuses other NetworkPolicies, and those with an IPv4-mapped exception."""
    for private in (False, True):
        for network, exceptions in addresses.outside(private=private):
            assert all(excepted.version == network.version and excepted.prefixlen for excepted in exceptions)
            assert ipaddress.IPv6Network("::ffff:0:0/96") not in exceptions

"""The address of the client of a request."""

import time

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict
from pydantic import ValidationError

from agent_runtime.config import ServerConfig, explain
from agent_runtime.http.client_address import MAX_HOPS, ClientAddresses, subscriber

PROXY = "10.0.0.1"
TRUSTED = ("10.0.0.0/8", "fd00::/8", "192.0.2.7")


def client(peer: str | None, *headers: str, trusted: tuple[str, ...] = TRUSTED) -> str:
    """Return the address for a connection from `peer` with these X-Forwarded-For headers."""
    fields = CIMultiDict([("X-Forwarded-For", header) for header in headers])
    request = make_mocked_request("GET", "/", fields).clone(remote=peer or "")
    return ClientAddresses(trusted).of(request)


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        (PROXY, ["203.0.113.9"], "203.0.113.9"),
        ("203.0.113.1", ["198.51.100.1"], "203.0.113.1"),  # not a proxy
        (PROXY, [], PROXY),
        (PROXY, ["203.0.113.9, 10.2.2.2"], "203.0.113.9"),
        (PROXY, ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),  # the client wrote the first entry
        (PROXY, ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),  # two headers
        (PROXY, ["10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        (PROXY, ["10.3.3.3, 10.2.2.2"], "10.3.3.3"),  # a client in the same network
        (PROXY, ["203.0.113.9:4711"], "203.0.113.9"),
        (PROXY, ["2001:db8::9"], "2001:db8::9"),
        (PROXY, ["[2001:db8::9]:443"], "2001:db8::9"),
        (PROXY, ['"[2001:DB8:0::9]"'], "2001:db8::9"),
        (PROXY, ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("fd00::1", ["2001:db8::9, fd12::1"], "2001:db8::9"),
        ("192.0.2.7", ["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.8", ["203.0.113.9"], "192.0.2.8"),
        (PROXY, ["203.0.113.9, unknown"], PROXY),
        (PROXY, ["203.0.113.9, unknown, 10.2.2.2"], "10.2.2.2"),
        (PROXY, ["203.0.113.9,"], PROXY),
        (PROXY, [""], PROXY),
        (PROXY, [",,,,"], PROXY),
        (PROXY, ["203.0.113.999"], PROXY),
        (PROXY, ["0x7f.1"], PROXY),
        (PROXY, ["_hidden"], PROXY),
        (PROXY, ["\xff"], PROXY),
        (PROXY, ["fe80::1%eth0\r\nx: y"], "fe80::1"),
        (PROXY, ["[::1"], "::1"),
        (PROXY, ["1" * 8000], PROXY),
        (PROXY, [",".join(["203.0.113.9", *["10.2.2.2"] * 500])], "10.2.2.2"),
        (PROXY, [",".join(["203.0.113.9", *["10.2.2.2"] * (MAX_HOPS - 1)])], "203.0.113.9"),
        ("", ["203.0.113.9"], ""),
        (None, [], ""),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(
    peer: str | None, headers: list[str], expected: str
) -> None:
    assert client(peer, *headers) == expected


@pytest.mark.parametrize(
    ("peer", "expected"), [("203.0.113.1", "203.0.113.1"), ("::ffff:203.0.113.1", "203.0.113.1"), ("::1", "::1")]
)
def test_without_trusted_proxies_the_header_is_ignored(peer: str, expected: str) -> None:
    assert client(peer, "198.51.100.1", trusted=()) == expected


def test_a_long_header_takes_little_time() -> None:
    """It has as many entries as fit into the head of a request."""
    header = ",".join(["10.2.2.2"] * 900)
    start = time.thread_time()
    for _ in range(100):
        client(PROXY, header, trusted=tuple(f"10.{number}.0.0/16" for number in range(32)))

    assert time.thread_time() - start < 2


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.1", "::ffff:203.0.113.1"),
        ("", ""),
        ("nonsense:", "nonsense:"),
    ],
)
def test_a_subscriber_of_ipv6_is_its_network(address: str, expected: str) -> None:
    """Its host may change its address with each request."""
    assert subscriber(address) == expected


@pytest.mark.parametrize("cidr", ["10.0.0.1/8", "10.0.0.0/33", "fd00::/129", "10.0.0", "1.2.3.4.5", "::1::"])
def test_a_trusted_proxy_must_be_a_network(cidr: str) -> None:
    """The message names the field and an example."""
    with pytest.raises(ValidationError) as error:
        ServerConfig(trusted_proxies=(cidr,))

    message = explain(error.value, snake_case=True)
    assert message.startswith("trusted_proxies[0]: ")
    assert "write a CIDR" in message

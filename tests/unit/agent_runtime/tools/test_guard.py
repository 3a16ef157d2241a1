"""Addresses that tools are kept from."""

import httpx2
import pytest

from agent_runtime.tools.guard import GuardedTransport, is_refused


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "fd00:ec2::254",
        "0.0.0.0",
        "224.0.0.1",
    ],
)
def test_link_local_and_metadata_addresses_are_refused(address: str) -> None:
    """In every spelling."""
    assert is_refused(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "8.8.8.8", "::1", "fd00::1"])
def test_a_clusters_own_addresses_are_not(address: str) -> None:
    """Most tool servers are in the cluster."""
    assert not is_refused(address)


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://[::ffff:a9fe:a9fe]/", "http://2852039166/"])
async def test_a_refused_address_is_never_connected_to(url: str) -> None:
    """However the URL says it."""
    async with httpx2.AsyncClient(transport=GuardedTransport()) as client:
        with pytest.raises(httpx2.ConnectError, match=r"refused|resolved"):
            await client.get(url)

"""NO_PROXY in all the forms that curl and Go understand."""

import pytest

from agent_runtime.config.no_proxy import add_direct_hosts, covers


@pytest.mark.parametrize(
    ("entry", "host", "port", "expected"),
    [
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("10.1.2.3/8", "10.9.9.9", 80, True),
        ("fd00::/8", "fd00::1", 80, True),
        ("[fd00::]/8", "fd00::1", 80, False),
        ("10.0.0.0/99", "10.1.2.3", 80, False),
        ("10.0.0.0/8", "example.com", 80, False),
        ("10.1.2.3", "10.1.2.3", 80, True),
        ("10.1.2.3:80", "10.1.2.3", 80, True),
        ("10.1.2.3:81", "10.1.2.3", 80, False),
        ("[::1]:80", "::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("::1", "::1", 80, True),
        ("0:0::1", "::1", 80, True),
        ("example.com", "example.com", 443, True),
        ("example.com", "a.example.com", 443, True),
        ("EXAMPLE.com", "a.example.com", 443, True),
        (".example.com", "a.example.com", 443, True),
        ("*.example.com", "a.example.com", 443, True),
        ("example.com:443", "a.example.com", 443, True),
        ("example.com:80", "a.example.com", 443, False),
        ("example.com", "badexample.com", 443, False),
        ("*", "example.com", 443, True),
        ("*", "10.1.2.3", 80, True),
        ("example.com:99999999999999999999", "example.com", 443, False),
    ],
)
def test_an_entry_covers_hosts(entry: str, host: str, port: int, expected: bool) -> None:
    assert covers(entry, host, port) is expected


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_addresses_in_a_range_are_added_by_name(name: str) -> None:
    variables = {name: "localhost, 10.0.0.0/8,*.example.com"}
    urls = ["http://10.1.2.3:8000/v1", "https://192.168.1.1/", "http://[bad", "https://api.example.com/v1", ""]

    add_direct_hosts(variables, urls)

    assert variables == {name: "localhost,10.0.0.0/8,.example.com,10.1.2.3,api.example.com"}


def test_without_no_proxy_nothing_is_added() -> None:
    variables = {"HTTPS_PROXY": "http://proxy"}

    add_direct_hosts(variables, ["http://10.1.2.3/"])

    assert variables == {"HTTPS_PROXY": "http://proxy"}

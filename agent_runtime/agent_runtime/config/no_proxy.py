"""The hosts that clients reach without the proxy, in the form that Python's clients understand.

Python compares NO_PROXY with names only. curl, Go and others also read ranges of addresses, ports and `*.` in it.
"""

import ipaddress
from collections.abc import Iterable, Iterator, MutableMapping
from urllib.parse import urlsplit

VARIABLES = ("NO_PROXY", "no_proxy")
_PORTS = {"http": 80, "https": 443}


def add_direct_hosts(variables: MutableMapping[str, str], urls: Iterable[str]) -> None:
    """Add the hosts of these URLs to NO_PROXY that an entry of it covers in a form that Python does not understand."""
    name = next((name for name in reversed(VARIABLES) if variables.get(name)), None)
    if name is None:
        return
    entries = [entry.strip() for entry in variables[name].split(",") if entry.strip()]
    hosts = [host for host, port in _addresses(urls) if any(covers(entry, host, port) for entry in entries)]
    simple = [entry.removeprefix("*") if entry.startswith("*.") else entry for entry in entries]
    variables[name] = ",".join(dict.fromkeys([*simple, *hosts]))


def covers(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of NO_PROXY covers a host: a name, a domain, an address or a range, also with a port."""
    entry = entry.lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name, entry_port = _split(entry)
        name = name.removeprefix("*").removeprefix(".")
        return entry_port in {None, port} and (name in {"", host} or host.endswith(f".{name}"))
    if "/" in entry:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, entry_port = _split(entry)
    try:
        return entry_port in {None, port} and address == ipaddress.ip_address(name)
    except ValueError:
        return name == "*"


def _split(entry: str) -> tuple[str, int | None]:
    """Return the host and the port of an entry such as `host:80`, `[::1]:80` or `::1`."""
    host, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(port[:6])
    return entry.strip("[]"), None


def _addresses(urls: Iterable[str]) -> Iterator[tuple[str, int]]:
    for url in urls:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            continue  # the client of this URL reports it
        if host:
            yield host.rstrip("."), port or _PORTS.get(parts.scheme, 0)

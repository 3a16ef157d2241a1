"""Replaces DNS names of Services with addresses, because local processes have no cluster DNS.

Names are replaced in arguments, environment variables and the files of ConfigMaps: `web.shop.svc` and
`web.shop.svc.cluster.local`, with or without a port.
"""

import re
from collections.abc import Callable

# From namespace, name and port of a Service to the (host, port) on which the proxy listens for it, or None.
Resolve = Callable[[str, str, int], tuple[str, int] | None]

_NAME = re.compile(
    r"(?:(?P<scheme>https?)://)?(?<![\w.-])(?P<service>[a-z](?:[-a-z0-9]*[a-z0-9])?)\.(?P<namespace>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)"
    r"\.svc(?:\.cluster\.local)?\.?(?::(?P<port>\d{1,5}))?(?![\w-]|\.\w)"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def nowhere(_namespace: str, _service: str, _port: int) -> None:
    """Resolve no name, in a cluster without a proxy."""


def rewrite(text: str, resolve: Resolve, ports: Callable[[str, str], list[int]]) -> str:
    """Replace the names of Services for which the proxy listens. Other names are not changed.

    Args:
        text: an argument, the value of a variable, or the content of a file.
        resolve: returns the address of a port of a Service.
        ports: returns the ports of a Service by namespace and name; empty if there is no such Service.
    """

    def address(found: re.Match[str]) -> str:
        namespace, service = found["namespace"], found["service"]
        scheme = f"{found['scheme']}://" if found["scheme"] else ""
        given = found["port"] or _DEFAULT_PORTS.get(found["scheme"] or "")
        known = ports(namespace, service)
        listening = resolve(namespace, service, int(given)) if given else None
        if listening is not None:
            return f"{scheme}{listening[0]}:{listening[1]}"
        # The text has no port or an unknown one. Replace the host: all ports of a Service have the same address.
        host = next((it[0] for port in known if (it := resolve(namespace, service, port))), None)
        if host is None:
            return found[0]
        return f"{scheme}{host}" + (f":{found['port']}" if found["port"] else "")

    return _NAME.sub(address, text)

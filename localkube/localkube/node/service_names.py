"""Names of Services, for processes that have no cluster DNS: rewritten to where the Services listen.

As with mount paths, what only exists inside a cluster is replaced where a process reads it: in arguments, environment
and the files of ConfigMaps. `web.shop.svc` and `web.shop.svc.cluster.local` are known, with a port or without.
"""

import re
from collections.abc import Callable

# Namespace, name and port of a Service to the (host, port) where it listens; None when it does not.
Resolve = Callable[[str, str, int], tuple[str, int] | None]

_NAME = re.compile(
    r"(?:(?P<scheme>https?)://)?(?<![\w.-])(?P<service>[a-z](?:[-a-z0-9]*[a-z0-9])?)\.(?P<namespace>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)"
    r"\.svc(?:\.cluster\.local)?\.?(?::(?P<port>\d{1,5}))?(?![\w-]|\.\w)"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def nowhere(_namespace: str, _service: str, _port: int) -> None:
    """Resolve nothing."""


def rewrite(text: str, resolve: Resolve, ports: Callable[[str, str], list[int]]) -> str:
    """Return the text with every name of a Service that listens replaced by its address; others stay as they are.

    Args:
        text: an argument, a value, a file.
        resolve: where a port of a Service listens.
        ports: the ports of a Service by namespace and name; empty when there is none.
    """

    def address(found: re.Match[str]) -> str:
        namespace, service = found["namespace"], found["service"]
        scheme = f"{found['scheme']}://" if found["scheme"] else ""
        given = found["port"] or _DEFAULT_PORTS.get(found["scheme"] or "")
        known = ports(namespace, service)
        listening = resolve(namespace, service, int(given)) if given else None
        if listening is not None:
            return f"{scheme}{listening[0]}:{listening[1]}"
        # Its port stands elsewhere, or is the wrong one: the address is right all the same.
        host = next((it[0] for port in known if (it := resolve(namespace, service, port))), None)
        if host is None:
            return found[0]
        return f"{scheme}{host}" + (f":{found['port']}" if found["port"] else "")

    return _NAME.sub(address, text)

"""The default listen address: IPv6 and IPv4, or IPv4 alone where IPv6 does not exist."""

import errno
import socket
from contextlib import closing
from typing import Any

import pytest

from agent_runtime import server


def _reaches(listener: socket.socket, address: str) -> bool:
    with closing(socket.create_connection((address, listener.getsockname()[1]), timeout=5)):
        return True


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_ipv4_and_ipv6_clients_connect_by_default() -> None:
    with server._listening_socket(None, 0) as listener:
        assert listener.family == socket.AF_INET6
        assert _reaches(listener, "127.0.0.1")
        assert _reaches(listener, "::1")


def test_without_ipv6_the_runtime_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with server._listening_socket(None, 0) as listener:
        assert listener.family == socket.AF_INET
        assert _reaches(listener, "127.0.0.1")


@pytest.mark.parametrize("code", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
def test_ipv6_that_is_turned_off_is_not_used(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    create = socket.create_server

    def fail_for_ipv6(address: tuple[str, int], **options: Any) -> socket.socket:
        if ":" in address[0]:
            raise OSError(code, "no IPv6")
        return create(address, **options)

    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: True)
    monkeypatch.setattr(socket, "create_server", fail_for_ipv6)
    with server._listening_socket(None, 0) as listener:
        assert listener.family == socket.AF_INET


def test_a_port_in_use_is_an_error_and_not_a_reason_for_another_address() -> None:
    with server._listening_socket(None, 0) as listener, pytest.raises(OSError, match="in use"):
        server._listening_socket(None, listener.getsockname()[1])

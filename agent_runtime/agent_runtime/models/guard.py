"""Refuses link-local addresses and the metadata addresses of clouds as addresses of models."""

import errno
import socket

from aiohttp import AddrInfoType

from agent_runtime.config.addresses import is_refused


class RefusedAddressError(OSError):
    """The address is link-local, or that of a metadata service."""


def checked_socket(address: AddrInfoType) -> socket.socket:
    """Create the socket of a connection. aiohttp calls it with the resolved address that it is about to connect to.

    Raises:
        RefusedAddressError: no model has this address.
    """
    family, kind, protocol, _, place = address
    if family in (socket.AF_INET, socket.AF_INET6) and is_refused(str(place[0])):
        raise RefusedAddressError(errno.EACCES, "link-local and metadata addresses are refused")
    return socket.socket(family, kind, protocol)

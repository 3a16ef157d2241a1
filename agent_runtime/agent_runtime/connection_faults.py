"""Why a connection to a server failed: a reason that programs can compare, and the remedy.

Libraries wrap the error of the socket in errors of their own, so the chain of causes is searched for it.
"""

import errno
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

REFUSED = "ConnectionRefused"
UNREACHABLE = "Unreachable"
UNTRUSTED = "CertificateUntrusted"
HOST_UNKNOWN = "HostUnknown"
TLS_FAILED = "TlsFailed"
FAILED = "ConnectionFailed"

# Errors in the chain of causes. A library adds two or three.
_LONGEST_CHAIN = 16
_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT, errno.EHOSTDOWN})


@dataclass(frozen=True, slots=True)
class ConnectionFault:
    """Why a connection failed. The message contains the address, but nothing that the server sent."""

    reason: str
    message: str


def explain(error: BaseException, address: str) -> ConnectionFault:
    """Explain an error of a connection to an address, such as `api.example.com:443`."""
    chain = tuple(_chain(error))
    # aiohttp has an error of this type without the message of OpenSSL; the error that it wraps has it.
    untrusted = [cause for cause in chain if isinstance(cause, ssl.SSLCertVerificationError)]
    if untrusted:
        return _untrusted(getattr(untrusted[-1], "verify_message", ""), address)
    for cause in chain:
        found = _of_socket(cause, address)
        if found is not None:
            return found
    return ConnectionFault(FAILED, f"the connection to {address} fails: {type(chain[-1]).__name__}")


def _of_socket(error: BaseException, address: str) -> ConnectionFault | None:
    if isinstance(error, socket.gaierror):
        host = address.rpartition(":")[0] or address
        return ConnectionFault(
            HOST_UNKNOWN, f"the host name {host} does not resolve: correct it, or check the DNS of the cluster"
        )
    if isinstance(error, ssl.SSLError):
        return ConnectionFault(TLS_FAILED, f"{address} does not speak TLS as expected: check the scheme and the port")
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, ConnectionRefusedError) or number == errno.ECONNREFUSED:
        return ConnectionFault(REFUSED, f"{address} refuses connections: start the server, or correct its address")
    if isinstance(error, TimeoutError) or number in _UNREACHABLE:
        return ConnectionFault(
            UNREACHABLE,
            f"{address} is unreachable: check its address, and whether a NetworkPolicy or a firewall blocks it",
        )
    return None


def _untrusted(cause: str, address: str) -> ConnectionFault:
    detail = f" ({cause[:100]})" if cause else ""
    return ConnectionFault(
        UNTRUSTED,
        f"the certificate of {address} is not trusted{detail}: make the pods trust its CA, or correct the host name",
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and its causes, the outermost first."""
    for _ in range(_LONGEST_CHAIN):
        if error is None:
            return
        yield error
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        else:
            wrapped = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
            inner = error.__cause__ or error.__context__
            error = wrapped if isinstance(wrapped, BaseException) and wrapped is not error else inner

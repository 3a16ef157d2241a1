"""Requests to the metrics port of pods. Any program may listen there, so time and memory of a response are bounded."""

import ipaddress
from dataclasses import dataclass

import aiohttp

from agent_operator.api import constants

_HEADERS = {"Accept-Encoding": "identity"}
_IPV6 = 6


class PodError(Exception):
    """A pod sent no usable response. The message follows "pod NAME ", and quotes nothing that the pod sent."""


@dataclass(frozen=True, slots=True)
class PodResponse:
    """The response of a pod."""

    status: int
    body: bytes


class PodClient:
    """Sends requests over one session, which it opens on first use."""

    def __init__(self, port: int = constants.METRICS_PORT) -> None:
        self._port = port
        self._session: aiohttp.ClientSession | None = None

    async def get(self, address: str, path: str, *, largest: int, seconds: float) -> PodResponse:
        """Send a GET request.

        Args:
            address: status.podIP, IPv4 or IPv6.
            path: path of the URL.
            largest: bytes of the largest body.
            seconds: time for the whole request. Pods are in the cluster network, so a longer time is a failure.

        Raises:
            PodError: there is no response within these limits.
        """
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            raise PodError("has no IP address") from None
        if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
            # Whoever may write the status of pods could otherwise let the operator call a metadata service. The pods of
            # a local cluster have loopback addresses.
            raise PodError("has no address of a pod")
        url = f"http://{f'[{ip}]' if ip.version == _IPV6 else ip}:{self._port}{path}"
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._open().get(url, headers=_HEADERS, timeout=timeout, allow_redirects=False) as response:
                body = await _read_bounded(response.content, largest)
        except TimeoutError:
            raise PodError(f"does not respond on port {self._port} within {seconds:.0f} s") from None
        except (aiohttp.ClientError, OSError):
            # The text of these errors may quote what the pod sent.
            raise PodError(f"does not respond on port {self._port}") from None
        if body is None:
            raise PodError(f"responds to {path} with more than {largest} bytes")
        return PodResponse(response.status, body)

    async def close(self) -> None:
        """Close the session; the next request opens another."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Pods are called directly, without the proxy of the environment, and share no cookies.
            # A compressed response may expand to any size, so it stays compressed, and is unreadable.
            # Requests to one pod are seconds apart, so idle connections to a thousand pods would only take memory.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session


async def _read_bounded(content: aiohttp.StreamReader, largest: int) -> bytes | None:
    """Read a body; None if it is longer than `largest`."""
    parts, size = [], 0
    async for part in content.iter_any():
        size += len(part)
        if size > largest:
            return None
        parts.append(part)
    return b"".join(parts)

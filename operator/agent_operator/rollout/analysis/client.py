"""Reads /metrics of pods over HTTP: what a canary and its stable pods say of themselves."""

import asyncio
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiohttp

from agent_operator.api import constants
from agent_operator.rollout.analysis.parser import Sample, UnreadableMetrics, parse_metrics

# Pods are near, and a pod that takes longer than this is in trouble.
_TIMEOUT = aiohttp.ClientTimeout(total=5)
# The runtime writes some ten KiB. More than this is no pod's metrics, and must not fill the operator's memory.
_MAX_BYTES = 2 * 1024 * 1024
_AT_A_TIME = 16
_HEADERS = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"}
_OK = 200
_IPV6 = 6


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """A pod to ask.

    Attributes:
        name: by which its sample is found.
        address: status.podIP, of either family.
    """

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class ScrapeResult:
    """What pods have said, and why others have not, by the names of the pods."""

    samples: Mapping[str, Sample]
    failures: Mapping[str, str]


class Scraper:
    """Asks pods for their metrics, some at a time, over one session that is made when it is first needed."""

    def __init__(self, port: int = constants.METRICS_PORT) -> None:
        self._port = port
        self._session: aiohttp.ClientSession | None = None
        self._turn = asyncio.Semaphore(_AT_A_TIME)

    async def scrape(self, pods: Iterable[ScrapeTarget]) -> ScrapeResult:
        """Ask these pods. A pod that does not answer as it should becomes a failure, never an exception."""
        asked = {pod.name: pod for pod in pods}
        answers = await asyncio.gather(*(self._ask(pod.address) for pod in asked.values()))
        found = dict(zip(asked, answers, strict=True))
        return ScrapeResult(
            samples={name: answer for name, answer in found.items() if isinstance(answer, Sample)},
            failures={name: answer.message for name, answer in found.items() if isinstance(answer, UnreadableMetrics)},
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, address: str) -> Sample | UnreadableMetrics:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return UnreadableMetrics("has no address")
        url = f"http://{f'[{ip}]' if ip.version == _IPV6 else ip}:{self._port}/metrics"
        try:
            async with (
                self._turn,
                self._open().get(url, headers=_HEADERS, timeout=_TIMEOUT, allow_redirects=False) as answer,
            ):
                if answer.status != _OK:
                    return UnreadableMetrics(f"answers /metrics with {answer.status}")
                return _read(await _bounded(answer.content))
        except TimeoutError:
            return UnreadableMetrics(f"does not answer on port {self._port} within {_TIMEOUT.total:.0f} s")
        except (aiohttp.ClientError, OSError):
            # What they say may quote what the pod sent.
            return UnreadableMetrics(f"does not answer on port {self._port}")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No proxy of the environment, no cookies: this goes to pods and nowhere else.
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(trust_env=False, cookie_jar=jar)
        return self._session


async def _bounded(content: aiohttp.StreamReader) -> bytes | None:
    """Read a body; None when it is too long."""
    parts, size = [], 0
    async for part in content.iter_any():
        size += len(part)
        if size > _MAX_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _read(body: bytes | None) -> Sample | UnreadableMetrics:
    if body is None:
        return UnreadableMetrics(f"answers /metrics with more than {_MAX_BYTES} bytes")
    return parse_metrics(body.decode("utf-8", "replace"))

"""Scrapes /metrics of canary and stable pods over HTTP."""

import asyncio
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiohttp

from agent_operator.api import constants
from agent_operator.rollout.analysis.parser import Sample, UnreadableMetrics, parse_metrics

# Pods are in the cluster network, so a longer response time is a failure.
_TIMEOUT = aiohttp.ClientTimeout(total=5)
# The runtime writes about 10 KiB. The limit protects the operator's memory from a container that writes without end.
MAX_BYTES = 256 * 1024
# For each agent, so that the pods of one that do not respond delay no other agent.
_CONCURRENT_REQUESTS = 8
_HEADERS = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"}
_OK = 200
_IPV6 = 6


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """A pod to scrape.

    Attributes:
        name: name of the pod, the key of its sample.
        address: status.podIP, IPv4 or IPv6.
    """

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class ScrapeResult:
    """The samples by name of the pod, and for pods without a sample the reason."""

    samples: Mapping[str, Sample]
    failures: Mapping[str, str]

    def of(self, targets: Iterable[ScrapeTarget]) -> dict[str, Sample]:
        """Return the samples of these pods."""
        return {target.name: self.samples[target.name] for target in targets if target.name in self.samples}


class Scraper:
    """Scrapes pods concurrently over one session, which it opens on first use."""

    def __init__(self, port: int = constants.METRICS_PORT) -> None:
        self._port = port
        self._session: aiohttp.ClientSession | None = None

    async def scrape(self, targets: Iterable[ScrapeTarget]) -> ScrapeResult:
        """Scrape pods. A pod without readable metrics is a failure in the result, not an exception."""
        targets, slots = tuple(targets), asyncio.Semaphore(_CONCURRENT_REQUESTS)
        results = await asyncio.gather(*(self._scrape_pod(target.address, slots) for target in targets))
        by_name = {target.name: result for target, result in zip(targets, results, strict=True)}
        return ScrapeResult(
            samples={name: result for name, result in by_name.items() if isinstance(result, Sample)},
            failures={
                name: result.message for name, result in by_name.items() if isinstance(result, UnreadableMetrics)
            },
        )

    async def close(self) -> None:
        """Close the session; the next scrape opens another."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _scrape_pod(self, address: str, slots: asyncio.Semaphore) -> Sample | UnreadableMetrics:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return UnreadableMetrics("has no IP address")
        url = f"http://{f'[{ip}]' if ip.version == _IPV6 else ip}:{self._port}/metrics"
        try:
            async with (
                slots,
                self._open().get(url, headers=_HEADERS, timeout=_TIMEOUT, allow_redirects=False) as response,
            ):
                if response.status != _OK:
                    return UnreadableMetrics(f"responds to /metrics with status {response.status}")
                body = await _read_bounded(response.content)
        except TimeoutError:
            return UnreadableMetrics(f"does not respond on port {self._port} within {_TIMEOUT.total:.0f} s")
        except (aiohttp.ClientError, OSError):
            # The text of these errors may quote what the pod sent.
            return UnreadableMetrics(f"does not respond on port {self._port}")
        if body is None:
            return UnreadableMetrics(f"responds to /metrics with more than {MAX_BYTES} bytes")
        return parse_metrics(body.decode("utf-8", "replace"))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Pods are scraped directly, without the proxy of the environment, and share no cookies.
            # A compressed response may expand to any size, so it stays compressed, and is unreadable.
            self._session = aiohttp.ClientSession(
                trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return self._session


async def _read_bounded(content: aiohttp.StreamReader) -> bytes | None:
    """Read a body; None if it is longer than MAX_BYTES."""
    parts, size = [], 0
    async for part in content.iter_any():
        size += len(part)
        if size > MAX_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)

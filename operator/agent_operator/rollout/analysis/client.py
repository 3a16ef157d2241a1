"""Scrapes /metrics of canary and stable pods over HTTP."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent_operator.api import constants
from agent_operator.diagnosis.pod_client import PodClient, PodError
from agent_operator.rollout.analysis.parser import Sample, UnreadableMetrics, parse_metrics

_SECONDS = 5.0
# The runtime writes about 10 KiB. The limit protects the operator's memory from a container that writes without end.
MAX_BYTES = 256 * 1024
# For each agent, so that the pods of one that do not respond delay no other agent.
_CONCURRENT_REQUESTS = 8
_OK = 200


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
    """Scrapes pods concurrently."""

    def __init__(self, port: int = constants.METRICS_PORT) -> None:
        self._client = PodClient(port)

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
        await self._client.close()

    async def _scrape_pod(self, address: str, slots: asyncio.Semaphore) -> Sample | UnreadableMetrics:
        try:
            async with slots:
                response = await self._client.get(address, "/metrics", largest=MAX_BYTES, seconds=_SECONDS)
        except PodError as error:
            return UnreadableMetrics(str(error))
        if response.status != _OK:
            return UnreadableMetrics(f"responds to /metrics with status {response.status}")
        return parse_metrics(response.body.decode("utf-8", "replace"))

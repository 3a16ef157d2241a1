"""Is the agent well? Components are asked in the background, so that a probe never waits for a backend."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from agent_runtime.metrics import Metrics

PROBE_TIMEOUT = 3.0
# Calm while all is well, quick to see that something healed.
INTERVAL_HEALTHY = 15.0
INTERVAL_UNHEALTHY = 1.0
# A burst of /health calls is answered from one look at the backends.
FRESH = 1.0

log = logging.getLogger(__name__)


class Status(StrEnum):
    """Health of a component, and of the whole."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class UnhealthyError(Exception):
    """Why a component cannot be used, and what to do; safe to show."""


class Probed(Protocol):
    """A component whose health can be asked."""

    @property
    def name(self) -> str: ...

    async def probe(self) -> dict[str, Any]:
        """Look at the component; details may be empty.

        Raises:
            UnhealthyError: it cannot be used.
        """
        ...


@dataclass(frozen=True, slots=True)
class Component:
    """What the last look at a component showed."""

    name: str
    status: Status
    latency_ms: float
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The component as /health shows it."""
        shown = {"name": self.name, "status": self.status, "latency_ms": self.latency_ms}
        return shown | {"details": self.details} if self.details else shown


class Health:
    """Knows the health of every component; the first of them is the one that the agent cannot do without."""

    def __init__(self, probed: Sequence[Probed], alarm: asyncio.Event, version: str, metrics: Metrics) -> None:
        """Watch these components; whoever sees one fail sets the alarm to have it looked at soon."""
        self._probed = probed
        self._alarm = alarm
        self._version = version
        self._metrics = metrics
        self._started = time.monotonic()
        self._looked = float("-inf")
        self._looking = asyncio.Lock()
        self._components: dict[str, Component] = {}
        self._was_usable = False
        self.draining = False

    def why_not_ready(self) -> list[str]:
        """Reasons not to send requests here; none when ready. Does no IO.

        A model that has answered once keeps the pod ready: an outage of the shared model would otherwise take every
        replica out of service at once, and callers would get the ingress's 503 instead of an error that says why.
        """
        if self.draining:
            return ["draining: the pod is shutting down"]
        if self._was_usable:
            return []
        vital = self._components.get(self._probed[0].name)
        if vital is None:
            return [f"{self._probed[0].name}: not checked yet"]
        return [f"{vital.name}: {vital.details.get('error', vital.status)}"]

    async def report(self) -> dict[str, Any]:
        """The answer of /health."""
        async with self._looking:
            if time.monotonic() - self._looked > FRESH:
                await self._look()
        components = [self._components[one.name] for one in self._probed]
        return {
            "status": self._overall(components),
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "version": self._version,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "components": [component.as_json() for component in components],
        }

    async def watch(self) -> None:
        """Look at the components for ever, more often while one is not well."""
        while True:
            async with self._looking:
                await self._look()
            well = all(component.status is Status.HEALTHY for component in self._components.values())
            # However often the alarm goes, there is a pause between looks.
            await asyncio.sleep(INTERVAL_UNHEALTHY)
            if well:
                with suppress(TimeoutError):
                    async with asyncio.timeout(INTERVAL_HEALTHY - INTERVAL_UNHEALTHY):
                        await self._alarm.wait()
            self._alarm.clear()

    async def _look(self) -> None:
        for component in await asyncio.gather(*map(_probe, self._probed)):
            before = self._components.get(component.name)
            if before is None or before.status is not component.status:
                fields = {"component": component.name, "status": component.status, "details": component.details}
                log.info("component is %s", component.status, extra={"fields": fields})
            self._components[component.name] = component
            self._metrics.healthy.labels(component.name).set(component.status is Status.HEALTHY)
        self._was_usable = self._was_usable or self._vital.status is Status.HEALTHY
        self._looked = time.monotonic()

    @property
    def _vital(self) -> Component:
        return self._components[self._probed[0].name]

    def _overall(self, components: Sequence[Component]) -> Status:
        if self._vital.status is Status.UNHEALTHY:
            return Status.UNHEALTHY
        well = all(component.status is Status.HEALTHY for component in components)
        return Status.HEALTHY if well else Status.DEGRADED


async def _probe(probed: Probed) -> Component:
    start = time.perf_counter()
    status, details = Status.UNHEALTHY, {"error": f"no answer within {PROBE_TIMEOUT:g} s"}
    with suppress(TimeoutError):
        async with asyncio.timeout(PROBE_TIMEOUT):
            try:
                status, details = Status.HEALTHY, await probed.probe()
            except UnhealthyError as error:
                details = {"error": str(error)}
            except Exception:
                # One broken look must not end all looking.
                log.exception("unexpected error", extra={"fields": {"component": probed.name}})
                details = {"error": "cannot be checked; the log says where it failed"}
    return Component(probed.name, status, round((time.perf_counter() - start) * 1000, 1), details)

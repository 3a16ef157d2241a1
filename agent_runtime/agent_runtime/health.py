"""Health of the agent's components. A background loop probes them, so that no kubelet probe waits for a backend."""

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
# Probe healthy components rarely, and unhealthy ones often enough to notice a recovery within a second.
INTERVAL_HEALTHY = 15.0
INTERVAL_UNHEALTHY = 1.0
# Concurrent calls of /health share one round of probes.
MAX_REPORT_AGE = 1.0

# The details of a component that fails.
_ERROR_FIELDS = frozenset({"error", "reason"})

# Reasons of an outage. Others, such as CredentialsRefused, mean that the config is wrong.
_OUTAGES = frozenset(
    {
        *("ConnectionRefused", "Unreachable", "ConnectionFailed", "ResponseTimeout", "ProbeTimeout", "ServerError"),
        *("TokenUnavailable", "QuotaExhausted", "CallsFail"),
    }
)

log = logging.getLogger(__name__)


class Status(StrEnum):
    """Health of one component, or of the agent as a whole."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class UnhealthyError(Exception):
    """A component is unusable. The message gives the cause and the remedy, and is safe to show to callers.

    Attributes:
        reason: the kind of the cause in PascalCase. It stays the same while the message may vary.
    """

    def __init__(self, message: str, reason: str = "Unhealthy") -> None:
        super().__init__(message)
        self.reason = reason


class Component(Protocol):
    """A part of the agent that can be probed, such as a model or Redis."""

    @property
    def name(self) -> str: ...

    async def probe(self) -> dict[str, Any]:
        """Check the component and return details for /health, which may be empty.

        Raises:
            UnhealthyError: the component is unusable.
        """
        ...


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """The result of the last probe of a component."""

    name: str
    status: Status
    latency_ms: float
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self, *, errors: bool = True) -> dict[str, Any]:
        """Return the entry of the component in the response of /health, without its error unless `errors`."""
        entry = {"name": self.name, "status": self.status, "latency_ms": self.latency_ms}
        details = {name: value for name, value in self.details.items() if errors or name not in _ERROR_FIELDS}
        return entry | {"details": details} if details else entry

    @property
    def identity(self) -> tuple[Status, object]:
        """What changes only if the component or the kind of its failure changes."""
        return self.status, self.details.get("reason")


class Health:
    """Probes every component and reports the result. The agent cannot work without the first component."""

    def __init__(
        self,
        components: Sequence[Component],
        probe_now: asyncio.Event,
        version: str,
        metrics: Metrics,
        substitutes: frozenset[str] = frozenset(),
    ) -> None:
        """Create the report of these components.

        Args:
            components: what to probe, the vital one first.
            probe_now: set it after a failed call, so that the next probe does not wait for its interval.
            version: version of the runtime, for the report.
            metrics: receives the health of each component.
            substitutes: names of the components that replace the vital one during an outage.
        """
        self._probed = components
        self._probe_now = probe_now
        self._version = version
        self._metrics = metrics
        self._substitutes = substitutes
        self._started = time.monotonic()
        self._last_probed = float("-inf")
        self._probing = asyncio.Lock()
        self._statuses: dict[str, ComponentStatus] = {}
        self._was_usable = False
        self.draining = False

    def not_ready_reasons(self, *, errors: bool = True) -> list[str]:
        """Return why the pod must not receive requests, without errors unless `errors`; empty if it is ready.

        After the model has answered once, the pod stays ready. An outage of a shared model would otherwise make all
        replicas unready at once, and callers would get a bare 503 of the ingress instead of an error with the cause.
        """
        if self.draining:
            return ["draining: the pod is shutting down"]
        if self._was_usable:
            return []
        vital = self._statuses.get(self._probed[0].name)
        if vital is None:
            return [f"{self._probed[0].name}: not probed yet"]
        error = vital.details.get("error", vital.status) if errors else vital.status
        return [f"{vital.name}: {error}"]

    async def report(self, *, errors: bool = True) -> dict[str, Any]:
        """Return the body of /health, from probes that are at most MAX_REPORT_AGE seconds old.

        Without `errors` it contains no addresses and nothing else that only operators of the agent should see.
        """
        async with self._probing:
            if time.monotonic() - self._last_probed > MAX_REPORT_AGE:
                await self._probe_all()
        statuses = [self._statuses[component.name] for component in self._probed]
        return {
            "status": self._overall(statuses),
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "version": self._version,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "components": [status.as_json(errors=errors) for status in statuses],
        }

    async def watch(self) -> None:
        """Probe the components in a loop that never returns, more often while one of them is unhealthy."""
        while True:
            async with self._probing:
                await self._probe_all()
            healthy = all(status.status is Status.HEALTHY for status in self._statuses.values())
            # This pause bounds the rate of probes, however often probe_now is set.
            await asyncio.sleep(INTERVAL_UNHEALTHY)
            if healthy:
                with suppress(TimeoutError):
                    async with asyncio.timeout(INTERVAL_HEALTHY - INTERVAL_UNHEALTHY):
                        await self._probe_now.wait()
            self._probe_now.clear()

    async def _probe_all(self) -> None:
        for current in await asyncio.gather(*map(_probe, self._probed)):
            previous = self._statuses.get(current.name)
            if previous is None or previous.identity != current.identity:
                _log(current)
            self._statuses[current.name] = current
            self._metrics.healthy.labels(current.name).set(current.status is Status.HEALTHY)
        self._was_usable = self._was_usable or self._is_usable
        self._last_probed = time.monotonic()

    @property
    def _vital(self) -> ComponentStatus:
        return self._statuses[self._probed[0].name]

    @property
    def _is_usable(self) -> bool:
        """Whether callers get answers: from the vital component, or from a substitute while that one has an outage.

        A substitute does not hide a wrong config, such as a wrong key, so that a rollout of it does not succeed.
        """
        if self._vital.status is Status.HEALTHY:
            return True
        substituted = any(self._statuses[name].status is Status.HEALTHY for name in self._substitutes)
        return substituted and self._vital.details.get("reason") in _OUTAGES

    def _overall(self, statuses: Sequence[ComponentStatus]) -> Status:
        if not self._is_usable:
            return Status.UNHEALTHY
        healthy = all(status.status is Status.HEALTHY for status in statuses)
        return Status.HEALTHY if healthy else Status.DEGRADED


def _log(current: ComponentStatus) -> None:
    """Log a change. An unhealthy component is a warning, because it may be why the pod is not ready."""
    level = logging.INFO if current.status is Status.HEALTHY else logging.WARNING
    cause = f": {current.details['error']}" if "error" in current.details else ""
    fields = {"component": current.name, "status": current.status, "details": current.details}
    log.log(level, "component %s is %s%s", current.name, current.status, cause, extra={"fields": fields})


async def _probe(component: Component) -> ComponentStatus:
    start = time.perf_counter()
    status, details = Status.UNHEALTHY, _details(f"no answer within {PROBE_TIMEOUT:g} s", "ProbeTimeout")
    with suppress(TimeoutError):
        async with asyncio.timeout(PROBE_TIMEOUT):
            try:
                status, details = Status.HEALTHY, await component.probe()
            except UnhealthyError as error:
                details = _details(str(error), error.reason)
            except Exception:
                # A defect in one probe must not end the loop that probes the others.
                log.exception("unexpected error", extra={"fields": {"component": component.name}})
                details = _details("the probe failed unexpectedly: see the agent's log", "ProbeFailed")
    return ComponentStatus(component.name, status, round((time.perf_counter() - start) * 1000, 1), details)


def _details(error: str, reason: str) -> dict[str, Any]:
    return {"error": error, "reason": reason}

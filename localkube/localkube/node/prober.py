"""The probes of a running container: startup first, then readiness and liveness concurrently."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from localkube.meta.status import Object
from localkube.node.handlers import HandlerError, HandlerTarget, run_handler

_DEFAULTS = {
    "initialDelaySeconds": 0,
    "periodSeconds": 10,
    "timeoutSeconds": 1,
    "successThreshold": 1,
    "failureThreshold": 3,
}
_SETTINGS = {*_DEFAULTS, "terminationGracePeriodSeconds"}


@dataclass(frozen=True, slots=True)
class Reports:
    """Callbacks for the results of probes."""

    started: Callable[[], None]
    ready: Callable[[bool], None]
    unhealthy: Callable[[str, str], None]  # (Readiness | Liveness | Startup, why)
    failed: Callable[[str, int | None], None]  # (startup | liveness, grace period of the probe)


class ProbeCounter:
    """Counts consecutive results until they reach a threshold."""

    def __init__(self, probe: Object, *, result: bool) -> None:
        self.result = result
        self._success = probe.get("successThreshold", _DEFAULTS["successThreshold"])
        self._failure = probe.get("failureThreshold", _DEFAULTS["failureThreshold"])
        self._last = result
        self._count = 0

    def add(self, *, success: bool) -> bool:
        """Count a result; True if it reaches a threshold."""
        self._count = self._count + 1 if success == self._last else 1
        self._last = success
        if self._count != (self._success if success else self._failure):
            return False
        self.result = success
        return True


class Prober:
    """Runs a container's probes. `scale` multiplies initial delays and periods."""

    def __init__(self, container: Object, target: HandlerTarget, reports: Reports, scale: float) -> None:
        self._container = container
        self._target = target
        self._reports = reports
        self._scale = scale

    async def run(self) -> None:
        """Probe until cancelled."""
        await self._startup()
        self._reports.started()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._readiness())
            group.create_task(self._liveness())

    async def _startup(self) -> None:
        probe = self._container.get("startupProbe")
        if not probe:
            return
        counter = ProbeCounter(probe, result=False)
        await self._delay(probe)
        while True:
            success = await self._probe("Startup", probe)
            if counter.add(success=success):
                if success:
                    return
                self._reports.failed("startup", probe.get("terminationGracePeriodSeconds"))
            await self._period(probe)

    async def _readiness(self) -> None:
        probe = self._container.get("readinessProbe")
        if not probe:
            self._reports.ready(True)
            return
        counter = ProbeCounter(probe, result=False)
        await self._delay(probe)
        while True:
            if counter.add(success=await self._probe("Readiness", probe)):
                self._reports.ready(counter.result)
            await self._period(probe)

    async def _liveness(self) -> None:
        probe = self._container.get("livenessProbe")
        if not probe:
            return
        counter = ProbeCounter(probe, result=True)
        await self._delay(probe)
        while True:
            success = await self._probe("Liveness", probe)
            if counter.add(success=success) and not success:
                self._reports.failed("liveness", probe.get("terminationGracePeriodSeconds"))
            await self._period(probe)

    async def _probe(self, kind: str, probe: Object) -> bool:
        handler = {k: v for k, v in probe.items() if k not in _SETTINGS}
        try:
            await run_handler(handler, self._target, probe.get("timeoutSeconds", _DEFAULTS["timeoutSeconds"]))
        except HandlerError as error:
            self._reports.unhealthy(kind, str(error))
            return False
        return True

    async def _delay(self, probe: Object) -> None:
        await asyncio.sleep(probe.get("initialDelaySeconds", _DEFAULTS["initialDelaySeconds"]) * self._scale)

    async def _period(self, probe: Object) -> None:
        await asyncio.sleep(probe.get("periodSeconds", _DEFAULTS["periodSeconds"]) * self._scale)

"""Probes of one running container: startup first, then readiness and liveness side by side."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from localkube.meta.status import Object
from localkube.node.handlers import HandlerError, Target, act

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
    """What the prober tells the container."""

    started: Callable[[], None]
    ready: Callable[[bool], None]
    unhealthy: Callable[[str, str], None]  # (Readiness | Liveness | Startup, why)
    failed: Callable[[str, int | None], None]  # (startup | liveness, grace period of the probe)


class Tally:
    """Counts results until one kind of them has come often enough in a row."""

    def __init__(self, probe: Object, *, result: bool) -> None:
        self.result = result
        self._success = probe.get("successThreshold", _DEFAULTS["successThreshold"])
        self._failure = probe.get("failureThreshold", _DEFAULTS["failureThreshold"])
        self._last = result
        self._count = 0

    def add(self, *, success: bool) -> bool:
        """Count a result; True when a threshold has just been reached."""
        self._count = self._count + 1 if success == self._last else 1
        self._last = success
        if self._count != (self._success if success else self._failure):
            return False
        self.result = success
        return True


class Prober:
    """Runs a container's probes. `scale` multiplies initial delays and periods."""

    def __init__(self, container: Object, target: Target, reports: Reports, scale: float) -> None:
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
        tally = Tally(probe, result=False)
        await self._delay(probe)
        while True:
            success = await self._try("Startup", probe)
            if tally.add(success=success):
                if success:
                    return
                self._reports.failed("startup", probe.get("terminationGracePeriodSeconds"))
            await self._period(probe)

    async def _readiness(self) -> None:
        probe = self._container.get("readinessProbe")
        if not probe:
            self._reports.ready(True)
            return
        tally = Tally(probe, result=False)
        await self._delay(probe)
        while True:
            if tally.add(success=await self._try("Readiness", probe)):
                self._reports.ready(tally.result)
            await self._period(probe)

    async def _liveness(self) -> None:
        probe = self._container.get("livenessProbe")
        if not probe:
            return
        tally = Tally(probe, result=True)
        await self._delay(probe)
        while True:
            success = await self._try("Liveness", probe)
            if tally.add(success=success) and not success:
                self._reports.failed("liveness", probe.get("terminationGracePeriodSeconds"))
            await self._period(probe)

    async def _try(self, kind: str, probe: Object) -> bool:
        handler = {k: v for k, v in probe.items() if k not in _SETTINGS}
        try:
            await act(handler, self._target, probe.get("timeoutSeconds", _DEFAULTS["timeoutSeconds"]))
        except HandlerError as error:
            self._reports.unhealthy(kind, str(error))
            return False
        return True

    async def _delay(self, probe: Object) -> None:
        await asyncio.sleep(probe.get("initialDelaySeconds", _DEFAULTS["initialDelaySeconds"]) * self._scale)

    async def _period(self, probe: Object) -> None:
        await asyncio.sleep(probe.get("periodSeconds", _DEFAULTS["periodSeconds"]) * self._scale)

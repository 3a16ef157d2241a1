"""What calls of a model showed, for the circuit breaker and for /health."""

import time
from collections.abc import Callable

from agent_runtime.health import UnhealthyError
from agent_runtime.models.base import Json, Model
from agent_runtime.models.breaker import Breaker

# Seconds after a failed call during which /health reports it, unless a later call succeeds. The circuit breaker lets
# callers try again much earlier.
REPORTED_SECONDS = 30.0
# Faults that a list of models shows although calls may work: a key may call the model, but not list all models.
_OF_THE_LIST = frozenset({"CredentialsRefused", "ServerError", "ResponseTimeout"})


class CallRecord:
    """The results of the last calls of a model."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.breaker = Breaker(clock)
        self._fault = ""
        self._failed_at = float("-inf")
        self.succeeded_at = float("-inf")

    def succeeded(self) -> None:
        """Record that the model answered."""
        self.breaker.succeeded()
        self._fault = ""
        self.succeeded_at = self._clock()

    def failed(self, fault: str) -> None:
        """Record that the model did not answer, and why."""
        self.breaker.failed()
        self._fault = fault
        self._failed_at = self._clock()
        self.succeeded_at = float("-inf")

    @property
    def fault(self) -> str:
        """Why the last call failed; empty if it succeeded, or failed long ago."""
        return self._fault if self._clock() - self._failed_at < REPORTED_SECONDS else ""

    def now(self) -> float:
        """Return the time by the clock of the record."""
        return self._clock()


class ModelHealth:
    """The health of a model as callers experience it: a component for health.Health.

    A probe and the calls may disagree. A failed call makes the model unhealthy although its server answers probes. A
    call that succeeds while the server refuses to list its models makes the model healthy.
    """

    def __init__(self, model: Model, record: CallRecord) -> None:
        self._model = model
        self._record = record
        # Reason of the last failed probe, and since when probes fail with it.
        self._fault: tuple[str, float] = ("", 0.0)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._model.name

    async def probe(self) -> Json:
        """Probe the model, and consider its last calls; see health.Component."""
        try:
            details = await self._model.probe()
        except UnhealthyError as error:
            if self._fault[0] != error.reason:
                self._fault = (error.reason, self._record.now())
            if error.reason not in _OF_THE_LIST or self._record.succeeded_at < self._fault[1]:
                raise
            return {}
        self._fault = ("", 0.0)
        if fault := self._record.fault:
            raise UnhealthyError(f"the last call failed: {fault}", "CallsFail")
        return details

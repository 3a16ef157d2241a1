"""Calls of models, with retries, fallbacks and a deadline."""

import asyncio
import math
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from agent_runtime.config import ModelTimeouts
from agent_runtime.deadline import Deadline
from agent_runtime.errors import Problem
from agent_runtime.metrics import Metrics
from agent_runtime.models.base import Json, Model
from agent_runtime.models.breaker import FAILURES
from agent_runtime.models.call_record import CallRecord, ModelHealth
from agent_runtime.models.refusals import OTHERS_MAY_ACCEPT

# Seconds before the second and third attempt. Each is shortened at random, so that callers do not retry together.
BACKOFF = (0.25, 1.0)
# The longest wait before a retry; if the model asks for more, the caller gets the error.
MAX_WAIT = 5.0
# Codes with which OpenAI and Azure refuse requests. Metrics count only these by name, because each label value is a new
# time series. Callers receive every code.
_KNOWN_REFUSALS = frozenset({"content_filter", *OTHERS_MAY_ACCEPT, "invalid_image", "string_above_max_length"})
# A model that had this much time and did not answer is down, however long a request may take.
MOST_FAIR_SECONDS = 30.0
# Errors that a retry may fix. A retry cannot fix credentials or names, and after a timeout no time is left.
_RETRIABLE = frozenset({"model_unavailable", "model_unreachable", "model_rate_limited", "model_bad_response"})

_NO_TIMEOUTS = ModelTimeouts()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream whose first chunk has arrived. Such a stream is not retried."""

    first: bytes
    rest: AsyncGenerator[bytes, None]
    deadline: float


class Calls:
    """Calls the models of an agent by name."""

    def __init__(
        self,
        models: Mapping[str, Model],
        fallbacks: Sequence[str],
        metrics: Metrics,
        request_timeout: float = 0,
        timeouts: Mapping[str, ModelTimeouts] | None = None,
    ) -> None:
        """Create the calls.

        Args:
            models: all models by name.
            fallbacks: names of the models that are tried in order while the requested one is down.
            metrics: counts the failures.
            request_timeout: seconds that a request usually has. A model that gets much less time, because others or
                tools used it, is not blamed for a timeout.
            timeouts: of the models that have some, by name.
        """
        self._models = models
        self._fallbacks = fallbacks
        self._metrics = metrics
        self._timeouts = timeouts or {}
        self._fair_seconds = min(request_timeout / (2 * (len(fallbacks) + 1)), MOST_FAIR_SECONDS)
        self._records = {name: CallRecord() for name in models}

    def components(self) -> dict[str, ModelHealth]:
        """Return the health of each model by name, as probes and calls see it."""
        return {name: ModelHealth(model, self._records[name]) for name, model in self._models.items()}

    async def complete(self, name: str, request: Json, deadline: float) -> tuple[str, Json]:
        """Return the name of the model that answers, and its completion.

        Args:
            name: the requested model; while it is down, the fallbacks are tried in order.
            request: body of a chat completion request.
            deadline: by the event loop's clock.

        Raises:
            Problem: no model answered; the problem is that of the last attempt.
        """
        return await self._first_available(name, lambda model: model.complete(request), deadline)

    async def stream(self, name: str, request: Json, deadline: float) -> tuple[str, AsyncGenerator[bytes, None]]:
        """Return the name of the model that answers, and the chunks of its completion; otherwise like complete().

        Raises:
            Problem: also while the chunks are read.
        """
        model, opened = await self._first_available(name, lambda model: self._open(model, request), deadline)
        return model, self._chunks(model, opened, min(deadline, opened.deadline))

    async def _chunks(self, model: str, opened: Opened, when: float) -> AsyncGenerator[bytes, None]:
        deadline = Deadline(when)
        try:
            yield opened.first
            while True:
                with deadline:
                    chunk = await anext(opened.rest, None)
                if chunk is None:
                    return
                yield chunk
        except TimeoutError:
            # The model was answering, so it is not down.
            raise self._record_failure(model, _timeout(model), counts=False) from None
        except Problem as problem:
            raise self._record_failure(model, problem, counts=True) from None
        finally:
            deadline.close()
            await opened.rest.aclose()

    async def _first_available(
        self, name: str, attempt: Callable[[Model], Awaitable[T]], deadline: float
    ) -> tuple[str, T]:
        """Return the name and the result of the first model that is not down.

        Each model gets an equal share of the remaining time. The share of a model that fails early goes to the others.
        """
        loop = asyncio.get_running_loop()
        candidates = [name, *[fallback for fallback in self._fallbacks if fallback != name]]
        refusal: Problem | None = None
        for number, candidate in enumerate(candidates, 1):
            others = len([other for other in candidates[number:] if not self._records[other].breaker.wait])
            now = loop.time()
            try:
                share = now + (deadline - now) / (1 + others)
                return candidate, await self._with_retries(candidate, attempt, share if others else deadline)
            except Problem as problem:
                # Another model would refuse most requests that a model refuses. The caller has to change these.
                is_refusal = problem.code in OTHERS_MAY_ACCEPT
                refusal = refusal or (problem if is_refusal else None)
                is_down = problem.status >= 500 or problem.status == 429 or is_refusal  # noqa: PLR2004
                if candidate == candidates[-1] or not is_down or loop.time() >= deadline:
                    raise refusal or problem from None
        raise AssertionError("there is always a candidate")

    async def _open(self, model: Model, request: Json) -> Opened:
        timeouts = self._timeouts.get(model.name, _NO_TIMEOUTS)
        ends = asyncio.get_running_loop().time() + (timeouts.total_seconds or math.inf)
        chunks = model.stream(request)
        try:
            async with asyncio.timeout(timeouts.first_byte_seconds):
                first = await anext(chunks, None)
        except TimeoutError:
            await chunks.aclose()
            raise _timeout(model.name) from None
        except BaseException:
            await chunks.aclose()
            raise
        if first is None:
            raise Problem(502, "model_bad_response", f"{model.name}: the model's server sent an empty stream")
        return Opened(first, chunks, ends)

    async def _with_retries(self, name: str, attempt: Callable[[Model], Awaitable[T]], deadline: float) -> T:
        loop = asyncio.get_running_loop()
        record, total = self._records[name], self._timeouts.get(name, _NO_TIMEOUTS).total_seconds or math.inf
        for backoff in (*BACKOFF, None):
            if wait := record.breaker.wait:
                detail = f"{name}: the model failed {FAILURES} times in a row; calls are paused for a few seconds"
                raise Problem(503, "model_circuit_open", detail, retry_after=wait)
            record.breaker.begin()
            seconds = deadline - loop.time()
            limit = Deadline(deadline if seconds <= total else loop.time() + total)
            try:
                with limit:
                    result = await attempt(self._models[name])
            except TimeoutError:
                problem = self._record_failure(name, _timeout(name), counts=seconds >= min(total, self._fair_seconds))
            except Problem as error:
                problem = self._record_failure(name, error, counts=True)
            else:
                record.succeeded()
                return result
            finally:
                limit.close()
            wait = problem.wait or random.uniform(0.5, 1) * (backoff or 0)  # noqa: S311  (not for secrecy)
            if backoff is None or problem.code not in _RETRIABLE or wait > min(MAX_WAIT, deadline - loop.time()):
                raise problem
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _record_failure(self, name: str, problem: Problem, *, counts: bool) -> Problem:
        """Count a failure in the metrics, and also as a failure of the model if it `counts`."""
        unknown_code = problem.status == 400 and problem.code not in _KNOWN_REFUSALS  # noqa: PLR2004
        self._metrics.model_errors.labels(name, "model_refused_request" if unknown_code else problem.code).inc()
        # A rate limit or a refused request does not mean that the model is down.
        if counts and problem.blames_model and problem.status >= 500:  # noqa: PLR2004
            self._records[name].failed(problem.detail.removeprefix(f"{name}: "))
        return problem


def _timeout(name: str) -> Problem:
    return Problem(504, "model_timeout", f"{name}: the model did not answer in time", retry_after=2)

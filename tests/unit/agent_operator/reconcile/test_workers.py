"""When an agent is reconciled again, by the result of a pass."""

import asyncio
import time
from typing import Any

import pytest

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from agent_operator.kube.transport import ApiError
from agent_operator.kube.workqueue import Item, Queue, Trigger
from agent_operator.observability.metrics import Metrics
from agent_operator.reconcile.context import Result, StaleCacheError
from agent_operator.reconcile.workers import EXPENSIVE_SECONDS, Periods, Workers

KEY = Key("ns", "a")
AGENT = {"metadata": {"name": "a", "namespace": "ns", "uid": "u", "generation": 1, "resourceVersion": "5"}, "spec": {}}
EDIT = Problem("FieldConflict", "spec.a", "remove it")
CREATE = Problem("PromptMissing", "spec.a", "create it", retry=True)
CONFLICT = Problem(Reason.CONFLICT, "", "rename it")
PENDING = Problem(Reason.CHANNEL_PENDING, "", "wait", retry=True)


class FakeReconciler:
    """Ends each pass in the same way."""

    def __init__(self, end: Result | BaseException, *, cpu_seconds: float = 0.0) -> None:
        self.end = end
        self.cpu_seconds = cpu_seconds
        self.errors: list[Problem] = []
        self.expenses = 0

    async def reconcile(self, _key: Key) -> Result:
        until = time.thread_time() + self.cpu_seconds
        while time.thread_time() < until:
            pass
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end

    async def report_error(self, _key: Key, problem: Problem) -> None:
        self.errors.append(problem)

    async def report_expense(self, _key: Key, _seconds: float) -> None:
        self.expenses += 1


async def timers(end: Result | BaseException) -> dict[Trigger, float]:
    """Process one agent; return the seconds after which each trigger reconciles it again."""
    return await processed(FakeReconciler(end), Metrics("0"))


async def processed(reconciler: Any, metrics: Metrics, times: int = 1) -> dict[Trigger, float]:
    store, queue = Store(lambda: 0.0), Queue(lambda: 0.0)
    store.observe_agent("ADDED", AGENT)
    workers = Workers(queue, store, reconciler, metrics, Periods(600, 45), clock=lambda: 0.0)
    for _ in range(times):
        await workers._process(Item(KEY, Trigger.AGENT, 0.0))
    return {trigger: due for (_, trigger), due in queue._timers.items()}


@pytest.mark.parametrize(
    ("end", "triggers"),
    [
        (Result(), set()),
        (Result(references=True), {Trigger.REFERENCE}),
        (Result(requeue_after=5.0), {Trigger.ROLLOUT}),
        (Result(incomplete=True), {Trigger.RETRY}),
        (Result(invalid=EDIT), set()),
        (Result(invalid=EDIT, blocked=CONFLICT), set()),
        (Result(invalid=CREATE), {Trigger.RETRY}),
        (Result(blocked=CONFLICT), {Trigger.RETRY}),
        (Result(blocked=PENDING), {Trigger.ROLLOUT}),
        (StaleCacheError(), {Trigger.RETRY}),
        (ApiError(500, "Internal", "no"), {Trigger.RETRY}),
        (RuntimeError("a bug"), {Trigger.RETRY}),
        (RecursionError(), {Trigger.RETRY}),
        (MemoryError(), {Trigger.RETRY}),
        (BaseException("as Rust code raises it"), {Trigger.RETRY}),
    ],
)
async def test_the_result_decides_what_reconciles_the_agent_again(
    end: Result | BaseException, triggers: set[Trigger]
) -> None:
    assert set(await timers(end)) == triggers | {Trigger.RESYNC}


async def test_periods_are_those_of_the_result() -> None:
    found = await timers(Result(references=True, requeue_after=7.0))

    assert found[Trigger.ROLLOUT] == 7.0
    assert 45 <= found[Trigger.REFERENCE] <= 54
    assert 600 <= found[Trigger.RESYNC] <= 720
    assert (await timers(Result(blocked=PENDING)))[Trigger.ROLLOUT] == 5.0


@pytest.mark.parametrize("error", [RecursionError(), MemoryError(), BaseException(), KeyError("a secret")])
async def test_an_error_of_a_pass_is_reported_by_its_kind(error: BaseException) -> None:
    reconciler = FakeReconciler(error)
    await processed(reconciler, Metrics("0"))
    (problem,) = reconciler.errors
    assert problem.reason == Reason.INTERNAL_ERROR
    assert problem.message.startswith(f"the operator failed with {type(error).__name__} and tries again")
    assert problem.retry
    assert "secret" not in problem.message


async def test_a_cancelled_pass_is_no_error() -> None:
    reconciler = FakeReconciler(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await processed(reconciler, Metrics("0"))
    assert not reconciler.errors


async def test_an_expensive_pass_backs_off_and_is_reported_once() -> None:
    reconciler, metrics = FakeReconciler(Result(), cpu_seconds=EXPENSIVE_SECONDS + 0.01), Metrics("0")
    assert Trigger.RETRY in await processed(reconciler, metrics, times=2)
    assert reconciler.expenses == 1
    text = metrics.exposition()[0].decode()
    assert "agent_operator_reconcile_expensive_total 2.0" in text
    assert 'agent_operator_reconcile_cpu_seconds_bucket{le="1.0"} 0.0' in text

"""When an agent is reconciled again, by the result of a pass."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from agent_operator.kube.transport import ApiError
from agent_operator.kube.workqueue import Item, Queue, Trigger
from agent_operator.observability.metrics import Metrics
from agent_operator.reconcile import workers
from agent_operator.reconcile.context import Result, StaleCacheError
from agent_operator.reconcile.reconciler import Reconciler
from agent_operator.reconcile.workers import EXPENSIVE_SECONDS, Periods, Workers
from tests.patience import DEADLINE
from tests.polling import wait_until

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
    pool = Workers(queue, store, reconciler, metrics, Periods(600, 45), clock=lambda: 0.0)
    for _ in range(times):
        await pool._process(Item(KEY, Trigger.AGENT, 0.0))
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


class HangingReconciler:
    """Passes over agents of the namespace `slow` last until they are released. Records the passes that start."""

    def __init__(self) -> None:
        self.started: list[Key] = []
        self.released = asyncio.Event()

    async def reconcile(self, key: Key) -> Result:
        self.started.append(key)
        if key.namespace == "slow":
            await self.released.wait()
        return Result()


@asynccontextmanager
async def running(
    reconciler: HangingReconciler, number: int, names: Iterable[Key]
) -> AsyncIterator[tuple[Workers, Queue]]:
    """Run workers over agents that are queued."""
    loop = asyncio.get_running_loop()
    store, queue = Store(loop.time), Queue(loop.time, workers=number)
    pool = Workers(queue, store, cast(Reconciler, reconciler), Metrics("0"), Periods(600, 45), clock=loop.time)
    for index, key in enumerate(names):
        meta = AGENT["metadata"] | {"name": key.name, "namespace": key.namespace, "uid": f"u{index}"}
        store.observe_agent("ADDED", AGENT | {"metadata": meta})
        queue.add(key, Trigger.AGENT)
    task = asyncio.create_task(pool.run(number))
    try:
        yield pool, queue
    finally:
        reconciler.released.set()
        pool.drain()
        async with asyncio.timeout(DEADLINE):
            await task


async def test_hanging_passes_of_one_namespace_leave_workers_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker replaces each slow one, up to a limit. Afterwards, there are as many as before."""
    monkeypatch.setattr(workers, "_SLOW_AFTER", 0.01)
    reconciler = HangingReconciler()
    slow = [Key("slow", str(index)) for index in range(50)]
    others = [Key(name, "a") for name in "abcdefgh"]
    async with running(reconciler, 2, [*slow, *others]) as (pool, queue):
        await wait_until(lambda: _all_started(reconciler, others))
        await wait_until(lambda: _count(pool._slow, 3))
        await wait_until(lambda: _count(pool._idle, 2))
        assert len([key for key in reconciler.started if key.namespace == "slow"]) == 3
        reconciler.released.set()
        await wait_until(lambda: _all_started(reconciler, slow))
        await wait_until(lambda: _count(pool._idle, 2))
        assert queue.depth == 0
        assert pool._slow == set()


async def test_an_error_outside_of_the_reconciler_fails_only_its_pass() -> None:
    reconciler = HangingReconciler()
    async with running(reconciler, 1, [Key("a", "bad"), Key("b", "good")]) as (pool, queue):
        begin = pool._store.begin_pass

        def begin_pass(key: Key) -> bool:
            if key.name == "bad":
                raise RecursionError
            return begin(key)

        pool._store.begin_pass = begin_pass  # type: ignore[method-assign]
        await wait_until(lambda: _all_started(reconciler, [Key("b", "good")]))
        assert queue._failures == {Key("a", "bad"): 1}


async def test_a_pass_that_hangs_is_cancelled_and_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise, it would fail the liveness probe, and one tenant could restart the operator again and again."""
    monkeypatch.setattr(workers, "_LONGEST_PASS", 0.01)
    reconciler, key = HangingReconciler(), Key("slow", "a")
    async with running(reconciler, 1, [key]) as (pool, queue):
        await wait_until(lambda: _failed(queue, key))
        assert list(pool.stuck()) == []


async def _failed(queue: Queue, key: Key) -> bool:
    return queue._failures.get(key, 0) > 0


async def _all_started(reconciler: HangingReconciler, keys: Iterable[Key]) -> bool:
    return set(keys) <= set(reconciler.started)


async def _count(values: set[Any], number: int) -> bool:
    return len(values) == number

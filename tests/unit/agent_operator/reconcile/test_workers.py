"""When an agent is reconciled again, by the result of a pass."""

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
from agent_operator.reconcile.workers import Periods, Workers

KEY = Key("ns", "a")
AGENT = {"metadata": {"name": "a", "namespace": "ns", "uid": "u", "generation": 1, "resourceVersion": "5"}, "spec": {}}
EDIT = Problem("FieldConflict", "spec.a", "remove it")
CREATE = Problem("PromptMissing", "spec.a", "create it", retry=True)
CONFLICT = Problem(Reason.CONFLICT, "", "rename it")
PENDING = Problem(Reason.CHANNEL_PENDING, "", "wait", retry=True)


class FakeReconciler:
    """Ends each pass in the same way."""

    def __init__(self, end: Result | Exception) -> None:
        self.end = end

    async def reconcile(self, _key: Key) -> Result:
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


async def timers(end: Result | Exception) -> dict[Trigger, float]:
    """Process one agent; return the seconds after which each trigger reconciles it again."""
    store, queue = Store(lambda: 0.0), Queue(lambda: 0.0)
    store.observe_agent("ADDED", AGENT)
    reconciler: Any = FakeReconciler(end)
    workers = Workers(queue, store, reconciler, Metrics("0"), Periods(600, 45), clock=lambda: 0.0)
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
    ],
)
async def test_the_result_decides_what_reconciles_the_agent_again(
    end: Result | Exception, triggers: set[Trigger]
) -> None:
    assert set(await timers(end)) == triggers | {Trigger.RESYNC}


async def test_periods_are_those_of_the_result() -> None:
    found = await timers(Result(references=True, requeue_after=7.0))

    assert found[Trigger.ROLLOUT] == 7.0
    assert 45 <= found[Trigger.REFERENCE] <= 54
    assert 600 <= found[Trigger.RESYNC] <= 720
    assert (await timers(Result(blocked=PENDING)))[Trigger.ROLLOUT] == 5.0

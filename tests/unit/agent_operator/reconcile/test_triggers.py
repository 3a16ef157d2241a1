"""Which agents an event puts into the work queue."""

from typing import Any

import pytest

from agent_operator.kube.cache import Store
from agent_operator.kube.objects import LISTED, Key
from agent_operator.kube.workqueue import Queue, Trigger
from agent_operator.reconcile.triggers import Triggers

KEY = Key("ns", "a")


def agent(version: int = 5, generation: int = 1, **more: Any) -> dict[str, Any]:
    meta = {"name": "a", "namespace": "ns", "uid": "u", "generation": generation, "resourceVersion": str(version)}
    return {"metadata": meta, "spec": {"runtime": {"channel": "stable"}}} | more


@pytest.fixture(name="queue")
def _queue() -> Queue:
    return Queue(lambda: 0.0)


@pytest.fixture(name="triggers")
def _triggers(queue: Queue) -> Triggers:
    """Triggers of an operator that knows one agent, which no event has queued."""
    triggers = Triggers(Store(lambda: 0.0), queue)
    triggers.agent_event(LISTED, agent())
    assert taken(queue) == [(KEY, Trigger.AGENT)]
    return triggers


def taken(queue: Queue) -> list[tuple[Key, Trigger]]:
    found = []
    while item := queue.take():
        queue.done(item.key)
        found.append((item.key, item.trigger))
    return found


@pytest.mark.parametrize(
    ("changed", "trigger"),
    [(agent(6, generation=2), Trigger.AGENT), (agent(6, status={"replicas": 1}), Trigger.CHILD)],
    ids=["spec", "status"],
)
def test_only_an_edit_of_the_spec_ends_the_backoff(
    triggers: Triggers, queue: Queue, changed: dict[str, Any], trigger: Trigger
) -> None:
    triggers.agent_event("MODIFIED", changed)
    assert taken(queue) == [(KEY, trigger)]


def test_an_event_without_a_change_queues_nothing(triggers: Triggers, queue: Queue) -> None:
    triggers.agent_event("MODIFIED", agent(6))
    assert taken(queue) == []


def test_a_child_queues_its_agent_if_that_exists(triggers: Triggers, queue: Queue) -> None:
    triggers.child_changed(KEY)
    triggers.child_changed(Key("ns", "other"))
    assert taken(queue) == [(KEY, Trigger.CHILD)]


def test_a_channel_queues_the_agents_that_follow_it(triggers: Triggers, queue: Queue) -> None:
    triggers.channel_changed(Key("", "other"))
    assert taken(queue) == []
    triggers.channel_changed(Key("", "stable"))
    assert taken(queue) == [(KEY, Trigger.API)]


def test_a_new_api_queues_all_agents(triggers: Triggers, queue: Queue) -> None:
    triggers.api_changed()
    assert taken(queue) == [(KEY, Trigger.API)]

"""Which agents have the same host and path."""

from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from agent_operator.kube.routes import RouteIndex, routes
from agent_operator.kube.workqueue import Trigger
from agent_operator.reconcile.triggers import Triggers
from agent_operator.validation import shared_routes
from tests.clock import ManualClock

ONE, TWO, OTHER = Key("a", "one"), Key("a", "two"), Key("b", "one")
SPEC = {"ingress": {"host": "agents.example.com", "path": "/x"}}


class RecordingQueue:
    """Records the agents that are queued."""

    def __init__(self) -> None:
        self.added: list[Key] = []

    def add(self, key: Key, _: Trigger) -> None:
        self.added.append(key)


def agent(key: Key, version: int, **spec: Any) -> dict[str, Any]:
    metadata = {"name": key.name, "namespace": key.namespace, "uid": str(key), "resourceVersion": str(version)}
    return {"apiVersion": constants.API_VERSION, "kind": constants.KIND, "metadata": metadata, "spec": spec}


def test_a_change_of_a_route_queues_the_agents_that_share_it() -> None:
    queue, store = RecordingQueue(), Store(ManualClock())
    triggers = Triggers(store, queue)  # type: ignore[arg-type]
    triggers.agent_event("ADDED", agent(ONE, 1, **SPEC))
    triggers.agent_event("ADDED", agent(OTHER, 2, **SPEC))
    assert queue.added == [ONE, ONE, OTHER]
    assert {str(route): key for route, key in store.routes.shared(ONE).items()} == {"agents.example.com/x": OTHER}

    queue.added.clear()
    triggers.agent_event("MODIFIED", agent(OTHER, 3, **SPEC, replicas=2))
    assert queue.added == [OTHER]

    queue.added.clear()
    triggers.agent_event("DELETED", agent(OTHER, 4))
    assert queue.added == [ONE]
    assert store.routes.shared(ONE) == {}


def test_a_warning_names_agents_of_the_own_namespace_only() -> None:
    index = RouteIndex()
    for key in (ONE, OTHER):
        index.record(key, SPEC)
    (warning,) = shared_routes.warnings(ONE, SPEC, index.shared(ONE))
    assert (warning.field, warning.reason) == ("spec.ingress.host", "RouteShared")
    assert "an agent in another namespace has agents.example.com/x, too" in warning.message
    index.record(TWO, SPEC)
    (warning,) = shared_routes.warnings(ONE, SPEC, index.shared(ONE))
    assert "the agent two has agents.example.com/x" in warning.message


ANNOTATED = "kubernetes.io/ingress.class"


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ({}, {"className": "nginx"}, True),
        ({}, {"annotations": {ANNOTATED: "nginx"}}, True),
        ({"className": "internal"}, {"annotations": {ANNOTATED: "internal"}}, True),
        ({}, {"annotations": {ANNOTATED: "internal"}}, False),
        ({"annotations": {ANNOTATED: "a"}}, {"annotations": {ANNOTATED: "b"}}, False),
        ({"annotations": {ANNOTATED: ["a"]}}, {"annotations": {ANNOTATED: "a"}}, False),
        ({}, {"className": ""}, False),
    ],
)
def test_agents_share_a_route_of_one_class(one: dict[str, Any], other: dict[str, Any], shared: bool) -> None:
    index = RouteIndex()
    index.record(ONE, {"ingress": {"host": "a.b"} | one})
    index.record(OTHER, {"ingress": {"host": "a.b"} | other})

    assert bool(index.shared(ONE)) is shared


def test_many_agents_with_one_route_do_not_queue_each_other() -> None:
    """Otherwise n agents with one host would cause n² passes."""
    index = RouteIndex()
    for number in range(100):
        index.record(Key("a", f"agent-{number}"), SPEC)
    assert len(index.sharing(Key("a", "agent-0"))) == 0
    assert len(index.shared(Key("a", "agent-0"))) == 1


@pytest.mark.parametrize(
    "spec",
    [{"ingress": 1}, {"ingress": {"host": [], "hosts": [1, {"paths": [None]}]}}, {"gateway": {"parentRefs": [{}]}}],
)
def test_a_spec_of_any_shape_is_read(spec: dict[str, Any]) -> None:
    index = RouteIndex()
    index.record(ONE, spec)
    index.record(ONE, None)
    assert index.shared(ONE) == {}
    assert all(isinstance(field, str) for field, _ in routes(spec, "a"))

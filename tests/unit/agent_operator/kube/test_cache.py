"""The cache records watch events, and expects the events of own writes."""

from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.kube.cache import Store
from agent_operator.kube.expectations import EXPECTATION_TIMEOUT
from agent_operator.kube.objects import Key, Ref
from tests.clock import ManualClock

KEY = Key("ns", "a")
SERVICE = Ref("Service", "ns", "a")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Store:
    store = Store(clock)
    store.observe_agent("ADDED", agent(1))
    return store


def agent(version: int, **fields: Any) -> dict[str, Any]:
    meta = {"name": "a", "namespace": "ns", "uid": "u", "generation": 1, "resourceVersion": str(version)}
    return {"metadata": meta, "spec": {}} | fields


def service(version: int, port: int = 80, **meta: Any) -> dict[str, Any]:
    labels = {constants.LABEL_AGENT: "a", constants.LABEL_OWNER_UID: "u"}
    metadata = {"name": "a", "namespace": "ns", "uid": "s", "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata | meta, "spec": {"port": port}}


def test_events_of_children_return_the_agent(store: Store) -> None:
    assert store.observe("Service", "ADDED", service(5)) == KEY
    assert store.observe("Service", "MODIFIED", service(6, port=81)) == KEY
    assert store.observe("Service", "DELETED", service(7)) == KEY
    assert store.children(KEY) == {}


def test_event_without_a_change_needs_no_pass(store: Store) -> None:
    store.observe("Service", "ADDED", service(5))
    assert store.observe("Service", "MODIFIED", service(6)) is None
    assert store.children(KEY)[SERVICE].version == 6


def test_older_event_is_ignored(store: Store) -> None:
    store.observe("Service", "ADDED", service(5))
    assert store.observe("Service", "MODIFIED", service(4, port=1)) is None
    assert store.children(KEY)[SERVICE].object["spec"]["port"] == 80


def test_delete_of_a_former_object_is_ignored(store: Store) -> None:
    store.observe("Service", "ADDED", service(9, uid="new"))
    assert store.observe("Service", "DELETED", service(8, uid="old")) is None
    assert SERVICE in store.children(KEY)


def test_object_without_the_label_is_removed(store: Store) -> None:
    store.observe("Service", "ADDED", service(5))
    assert store.observe("Service", "MODIFIED", service(6, labels={})) == KEY
    assert store.children(KEY) == {}


def test_labels_assign_an_object_in_another_namespace_to_the_agent(store: Store) -> None:
    labels = {constants.LABEL_AGENT: "a", constants.LABEL_AGENT_NAMESPACE: "ns", constants.LABEL_OWNER_UID: "u"}
    assert store.observe("Service", "ADDED", service(5, namespace="own", labels=labels)) == KEY


def test_objects_missing_in_a_list_are_removed(store: Store) -> None:
    store.observe("Service", "ADDED", service(5))
    assert store.retain("Service", (), {SERVICE}) == set()
    assert store.retain("Service", ("other",), set()) == set()
    assert store.retain("Service", (), set()) == {KEY}
    assert store.children(KEY) == {}


def test_event_of_an_own_write_needs_no_pass(store: Store) -> None:
    assert store.begin_pass(KEY)
    store.expect_write(KEY, SERVICE, 5)
    assert store.end_pass(KEY) == EXPECTATION_TIMEOUT
    assert store.observe("Service", "ADDED", service(5)) is None
    assert store.expectations_met(KEY)


def test_pass_waits_for_the_event_of_a_write(store: Store) -> None:
    store.begin_pass(KEY)
    store.expect_write(KEY, SERVICE, 5)
    store.end_pass(KEY)
    assert not store.begin_pass(KEY)
    # The rejected pass runs as soon as the event arrives.
    assert store.observe("Service", "ADDED", service(5)) == KEY
    assert store.begin_pass(KEY)


def test_pass_starts_after_the_expectation_timeout(store: Store, clock: ManualClock) -> None:
    store.begin_pass(KEY)
    store.expect_write(KEY, SERVICE, 5)
    store.end_pass(KEY)
    clock.now += EXPECTATION_TIMEOUT
    assert store.begin_pass(KEY)


def test_event_before_the_response_of_a_write_needs_no_pass(store: Store) -> None:
    store.begin_pass(KEY)
    assert store.observe("Service", "ADDED", service(5)) is None
    store.expect_write(KEY, SERVICE, 5)
    assert store.end_pass(KEY) is None


def test_foreign_change_during_a_pass_causes_another_pass(store: Store) -> None:
    store.begin_pass(KEY)
    store.observe("Service", "ADDED", service(5, port=1))
    assert store.end_pass(KEY) == 0


def test_foreign_change_while_a_write_is_pending_causes_another_pass(store: Store) -> None:
    store.begin_pass(KEY)
    store.expect_write(KEY, SERVICE, 5)
    store.expect_write(KEY, Ref("Secret", "ns", "a"), 8)
    store.end_pass(KEY)
    assert store.observe("Service", "MODIFIED", service(6, port=1)) is None
    secret = service(8) | {"data": {}}
    assert store.observe("Secret", "ADDED", secret) == KEY


def test_delete_is_met_when_the_object_is_gone_or_terminating(store: Store) -> None:
    events: dict[str, dict[str, Any]] = {"DELETED": {}, "MODIFIED": {"deletionTimestamp": "now"}}
    for event, meta in events.items():
        store.observe("Service", "ADDED", service(5))
        store.begin_pass(KEY)
        store.expect_delete(KEY, SERVICE)
        assert store.end_pass(KEY)
        assert store.observe("Service", event, service(6, **meta)) is None
        assert store.expectations_met(KEY)


def test_event_of_an_own_status_needs_no_pass(store: Store) -> None:
    store.begin_pass(KEY)
    store.expect_write(KEY, Ref(constants.KIND, "ns", "a"), 2)
    store.end_pass(KEY)
    assert store.observe_agent("MODIFIED", agent(2, status={"ready": "1/1"})) is None
    assert store.observe_agent("MODIFIED", agent(3, status={"ready": "9/9"})) == KEY


def test_conditions_are_counted_until_the_agent_is_deleted(store: Store) -> None:
    conditions = [{"type": "Ready", "status": "True"}, {"type": "Stalled", "status": "False"}]
    store.observe_agent("MODIFIED", agent(2, status={"conditions": conditions}))
    assert store.condition_counts() == {"Ready": 1}
    store.observe_agent("DELETED", agent(3))
    assert store.condition_counts() == {}
    assert store.agent(KEY) is None


def test_agent_is_forgotten_only_by_its_uid(store: Store) -> None:
    store.forget(KEY, "another")
    assert store.agent(KEY) is not None
    store.forget(KEY, "u")
    assert store.agent(KEY) is None


def test_listed_agent_counts_as_no_recent_event(clock: Any) -> None:
    """The list may come from an API server that lags far behind. Watch events are recent."""
    store = Store(clock)

    store.observe_agent("LISTED", agent(1))
    listed = store.seconds_since_event(KEY)
    store.observe_agent("MODIFIED", agent(2))

    assert (listed, store.seconds_since_event(KEY)) == (float("inf"), 0)

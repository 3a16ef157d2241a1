"""The cache contains only what agents own, and events of other objects cause no passes."""

import json
from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.fleet.members import followed_channel
from agent_operator.kube import cache, child_cache
from agent_operator.kube.cache import Store
from agent_operator.kube.child_cache import ChildCache
from agent_operator.kube.objects import LARGEST_BODY, Key, Ref, pack
from agent_operator.kube.stubs import UNREADABLE, stub

KEY = Key("team", "web")
AGENT = {"metadata": {"name": "web", "namespace": "team", "uid": "agent", "generation": 1, "resourceVersion": "1"}}
NAMES = {"Deployment": "web", "ReplicaSet": "web-1", "Pod": "web-1-a", "ConfigMap": "web-config-1", "Service": "web"}


@pytest.fixture
def store() -> Store:
    store = Store(lambda: 0.0)
    store.observe_agent("ADDED", AGENT)
    return store


def child(kind: str, owner: str | None, version: int = 5, **fields: Any) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "name": NAMES[kind],
        "namespace": "team",
        "uid": kind,
        "resourceVersion": str(version),
        "labels": {constants.LABEL_AGENT: "web"},
    }
    if owner is not None:
        meta["ownerReferences"] = [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": owner, "controller": True}]
    return {"metadata": meta, "spec": {}} | fields


@pytest.mark.parametrize("owner", [None, "", "another"])
@pytest.mark.parametrize("kind", ["Service", "ConfigMap", "Deployment"])
def test_object_of_another_owner_causes_no_pass(store: Store, kind: str, owner: str | None) -> None:
    for version, event in enumerate(("ADDED", "MODIFIED", "MODIFIED", "DELETED")):
        assert store.observe(kind, event, child(kind, owner, version)) is None
    assert store.children(KEY) == {}


def test_object_that_changes_its_owner_leaves_the_cache(store: Store) -> None:
    assert store.observe("Service", "ADDED", child("Service", "agent")) == KEY
    assert store.observe("Service", "MODIFIED", child("Service", "another", 6)) == KEY
    assert store.observe("Service", "MODIFIED", child("Service", "another", 7)) is None
    assert store.observe("Service", "MODIFIED", child("Service", "agent", 8)) == KEY


def test_deletion_of_a_conflicting_object_causes_a_pass(store: Store) -> None:
    target = Ref("Service", "team", "web")
    store.observe("Service", "ADDED", child("Service", None))
    store.record_conflict(KEY, target)
    assert store.observe("Service", "DELETED", child("Service", None, 6)) == KEY
    assert store.observe("Service", "DELETED", child("Service", None, 7)) is None


def test_objects_of_an_unknown_agent_are_checked_when_it_appears() -> None:
    store = Store(lambda: 0.0)
    store.observe("Service", "ADDED", child("Service", "forged"))
    store.observe("Deployment", "ADDED", child("Deployment", "agent"))
    store.observe("ReplicaSet", "ADDED", child("ReplicaSet", "Deployment"))
    store.observe_agent("LISTED", AGENT)
    assert {target.kind for target in store.children(KEY)} == {"Deployment", "ReplicaSet"}


@pytest.mark.parametrize("order", [("Pod", "ReplicaSet", "Deployment"), ("ReplicaSet", "Pod", "Deployment")])
def test_pods_count_as_soon_as_their_owners_are_known(store: Store, order: tuple[str, ...]) -> None:
    owners = {"Deployment": "agent", "ReplicaSet": "Deployment", "Pod": "ReplicaSet"}
    passes = [store.observe(kind, "ADDED", child(kind, owners[kind])) for kind in order]
    assert passes == [None, None, KEY]
    assert {target.kind for target in store.children(KEY)} == set(owners)
    assert store.observe("Pod", "MODIFIED", child("Pod", "ReplicaSet", 6, status={"podIP": "10.0.0.1"})) == KEY


def test_pod_of_another_owner_never_counts(store: Store) -> None:
    store.observe("Deployment", "ADDED", child("Deployment", "agent"))
    for owner in (None, "ReplicaSet", "forged"):
        assert store.observe("Pod", "MODIFIED", child("Pod", owner)) is None
    assert {target.kind for target in store.children(KEY)} == {"Deployment"}


def test_waiting_pods_are_removed_with_their_events(store: Store) -> None:
    store.observe("Pod", "ADDED", child("Pod", "ReplicaSet"))
    store.observe("Pod", "DELETED", child("Pod", "ReplicaSet", 6))
    store.observe("Deployment", "ADDED", child("Deployment", "agent"))
    store.observe("ReplicaSet", "ADDED", child("ReplicaSet", "Deployment"))
    assert {target.kind for target in store.children(KEY)} == {"Deployment", "ReplicaSet"}
    store.observe("Pod", "ADDED", child("Pod", "another"))
    assert store.retain("Pod", (), set()) == set()


def test_large_body_is_not_cached(store: Store) -> None:
    large = child("Service", "agent", spec={"text": "x" * LARGEST_BODY})
    assert store.observe("Service", "ADDED", large) == KEY
    (live,) = store.children(KEY).values()
    assert live.is_partial
    assert len(live.body) < 1_000
    assert store.observe("Service", "MODIFIED", large) is None


@pytest.mark.parametrize("most", ["_MOST_BYTES", "_MOST_UNKNOWN_BYTES"])
def test_all_bodies_together_are_bounded(monkeypatch: pytest.MonkeyPatch, most: str) -> None:
    monkeypatch.setattr(child_cache, most, 20_000)
    store = Store(lambda: 0.0)
    if most == "_MOST_BYTES":
        store.observe_agent("ADDED", AGENT)
    for number in range(10):
        service = child("Service", "agent", spec={"text": "x" * 10_000})
        service["metadata"] |= {"name": f"web-{number}", "uid": f"u-{number}"}
        store.observe("Service", "ADDED", service)
    children = store.children(KEY)
    assert len(children) == 10
    assert [live.is_partial for live in children.values()].count(False) == 1
    for target in children:
        store.observe("Service", "DELETED", {"metadata": {"name": target.name, "namespace": "team"}})
    assert store.children(KEY) == {}
    assert store.observe("Service", "ADDED", child("Service", "agent", spec={"text": "x" * 10_000})) in (KEY, None)
    assert not next(iter(store.children(KEY).values())).is_partial


def test_config_map_keeps_the_body_that_the_operator_wrote_until_it_changes(store: Store) -> None:
    target = Ref("ConfigMap", "team", "web-config-1")
    written = pack("ConfigMap", child("ConfigMap", "agent", data={"a": "b"}))
    store.record_body(KEY, target, written)
    store.observe("ConfigMap", "ADDED", child("ConfigMap", "agent"))
    assert store.children(KEY)[target] == written
    assert store.observe("ConfigMap", "MODIFIED", child("ConfigMap", "agent")) is None
    assert store.children(KEY)[target] == written
    assert store.observe("ConfigMap", "MODIFIED", child("ConfigMap", "agent", 6)) == KEY
    assert store.children(KEY)[target].is_partial
    read = pack("ConfigMap", child("ConfigMap", "agent", 6, data={"a": "c"}))
    store.record_body(KEY, target, read)
    assert store.children(KEY)[target] == read


def test_unreadable_object_exists_and_is_counted_until_it_is_readable(store: Store) -> None:
    readable = child("Service", "agent")
    poisoned = stub(child("Service", "agent", 6)["metadata"], "too deep")
    target = Ref("Service", "team", "web")
    store.observe("Service", "ADDED", readable)
    assert store.observe("Service", "MODIFIED", poisoned) == KEY
    assert store.children(KEY)[target].unreadable == "too deep"
    assert store.unreadable.counts() == {"Service": 1}
    assert store.retain("Service", (), {target}) == set()
    assert store.observe("Service", "MODIFIED", child("Service", "agent", 7)) == KEY
    assert store.unreadable.counts() == {}
    store.observe("Service", "MODIFIED", stub(child("Service", "agent", 8)["metadata"], "too deep"))
    store.observe("Service", "DELETED", poisoned)
    assert store.unreadable.counts() == {}


def test_unreadable_objects_of_others_are_counted_until_a_list_lacks_them(store: Store) -> None:
    store.observe("Pod", "ADDED", stub(child("Pod", None)["metadata"], "too deep"))
    assert store.unreadable.counts() == {"Pod": 1}
    store.retain("Pod", ("elsewhere",), set())
    assert store.unreadable.counts() == {"Pod": 1}
    store.retain("Pod", (), set())
    assert store.unreadable.counts() == {}


def test_unreadable_object_is_logged_once_per_change(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    for version in (5, 5, 5, 6):
        store.observe("Service", "MODIFIED", stub(child("Service", "agent", version)["metadata"], "too deep"))
    logged = [record for record in caplog.records if record.msg.startswith("object cannot be read")]
    assert [getattr(record, "object", "") for record in logged] == ["web", "web"]


def test_unreadable_agent_exists_and_is_counted(store: Store) -> None:
    poisoned = stub(AGENT["metadata"] | {"resourceVersion": "2"}, "too deep")
    assert store.observe_agent("MODIFIED", poisoned) == KEY
    assert store.observe_agent("MODIFIED", poisoned) is None
    agent = store.agent(KEY)
    assert agent is not None
    assert agent.unreadable == "too deep"
    assert store.unreadable.counts() == {constants.KIND: 1}
    store.observe_agent("DELETED", poisoned)
    assert store.unreadable.counts() == {}


HOSTILE: list[dict[str, Any]] = [
    {"spec": None},
    {"spec": "x"},
    {"spec": []},
    {"status": "x"},
    {"status": {"conditions": None}},
    {"status": {"conditions": 5}},
    {"status": {"conditions": [None, 5, {}, {"type": "Ready"}, {"type": 5, "status": []}]}},
    {"status": {"containerStatuses": None, "initContainerStatuses": [None, {"state": None}]}},
    {"status": {"containerStatuses": [{"restartCount": None, "state": {"terminated": None}, "lastState": None}]}},
    {"status": {"containerStatuses": [{"state": {"waiting": {"reason": 5, "message": []}}}]}},
    {"spec": {"containers": None, "volumes": None}},
    {"spec": {"containers": [None, {"env": None}], "volumes": [None, {"projected": None}]}},
    {"spec": {"volumes": [{"name": "p", "projected": {"sources": None}}]}},
    {"spec": {"volumes": [{"name": "p", "projected": {"sources": [None, {"configMap": None}]}}]}},
    {"spec": {"volumes": {"a": 1}}},
    {"spec": {"template": None, "replicas": None}},
    {"spec": {"template": {"spec": None}}},
    {"spec": {"template": {"spec": {"volumes": [{"projected": {"sources": None}}]}}}},
    {"data": None},
    {"data": {"a": None}},
    {"data": "x"},
    {"revision": None},
    {"revision": "x"},
    {UNREADABLE: "forged"},
    {"spec": {"replicas": float("inf")}},
    {"spec": {"text": "\ud800"}},
    {"metadata": {"labels": {constants.LABEL_AGENT: "web", constants.LABEL_WORKLOAD_IDENTITY: "true"}}},
    {"metadata": {"annotations": None, "managedFields": None, "ownerReferences": None}},
    {"metadata": {"managedFields": [None, {"manager": "agent-operator", "operation": "Apply", "fieldsV1": None}]}},
    {"metadata": {"ownerReferences": [{"controller": True}]}},
    {"metadata": {"ownerReferences": [{"controller": True, "uid": None}, None]}},
    {"metadata": {"labels": {constants.LABEL_AGENT: None}}},
    {"metadata": {"labels": {constants.LABEL_AGENT: ["x"], constants.LABEL_AGENT_NAMESPACE: 5}}},
    {"metadata": {"generation": "x", "resourceVersion": "-1", "deletionTimestamp": None}},
    {"metadata": {"resourceVersion": "9" * 5_000}},
]


@pytest.mark.parametrize(
    "kind", ["Pod", "ReplicaSet", "Deployment", "ExternalSecret", "ConfigMap", "ControllerRevision"]
)
@pytest.mark.parametrize("fields", HOSTILE, ids=lambda fields: json.dumps(fields)[:60])
def test_no_content_of_an_object_raises(store: Store, kind: str, fields: dict[str, Any]) -> None:
    """The object counts as existing, whether it can be read or not."""
    NAMES.setdefault(kind, "web")
    obj = child(kind, "agent", **{key: value for key, value in fields.items() if key != "metadata"})
    obj["metadata"] |= fields.get("metadata", {})
    store.observe("Deployment", "ADDED", child("Deployment", "agent"))
    store.observe("ReplicaSet", "ADDED", child("ReplicaSet", "Deployment"))
    for event in ("ADDED", "MODIFIED", "DELETED"):
        store.observe(kind, event, obj)
    live = pack(kind, obj)
    assert set(live.object) >= {"metadata"}


@pytest.mark.parametrize("fields", HOSTILE, ids=lambda fields: json.dumps(fields)[:60])
def test_no_content_of_an_agent_raises(fields: dict[str, Any]) -> None:
    store = Store(lambda: 0.0)
    agent = AGENT | {key: value for key, value in fields.items() if key != "metadata"}
    agent["metadata"] = AGENT["metadata"] | fields.get("metadata", {})
    store.observe_agent("ADDED", agent)
    live = store.agent(KEY)
    assert live is not None
    assert isinstance(live.object["spec"], dict)
    assert all(isinstance(number, int) for number in store.condition_counts().values())


def test_memory_of_the_cache_is_released() -> None:
    children = ChildCache()
    live = pack("Service", child("Service", "agent", spec={"text": "x" * 1_000}))
    target = Ref("Service", "team", "web")
    for _ in range(3):
        children.put(KEY, target, live)
    assert children.has_room(live, is_known=True)
    children.remove(target)
    assert children.by_agent == {}
    assert list(children) == []


def test_of_a_large_agent_only_a_summary_is_cached(store: Store) -> None:
    containers = [{"name": "agent", "image": "x" * LARGEST_BODY}, {"name": "side"}]
    spec = {"runtime": {"channel": "stable"}, "podTemplate": {"spec": {"containers": containers}}}
    large = {"metadata": AGENT["metadata"] | {"resourceVersion": "2", "generation": 2}, "spec": spec}
    assert store.observe_agent("MODIFIED", large) == KEY
    live = store.agent(KEY)
    assert live is not None
    assert live.is_partial
    assert len(live.body) < 1_000
    assert live.generation == 2
    # The agent is pinned by the image of its podTemplate, so it still follows no channel.
    assert followed_channel(live.object) == ""
    assert followed_channel({**live.object, "spec": {"runtime": live.object["spec"]["runtime"]}}) == "stable"


def test_all_agents_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_AGENT_BYTES", 20_000)
    store = Store(lambda: 0.0)
    agents = [
        {"metadata": AGENT["metadata"] | {"name": f"web-{number}", "uid": str(number)}, "spec": {"a": "x" * 9_000}}
        for number in range(10)
    ]
    for agent in agents:
        store.observe_agent("ADDED", agent)
    partial = [live.is_partial for key in store.agents if (live := store.agent(key))]
    assert partial.count(False) == 2
    for agent in agents:
        store.observe_agent("DELETED", agent)
    store.observe_agent("ADDED", agents[0])
    live = store.agent(Key("team", "web-0"))
    assert live is not None
    assert not live.is_partial

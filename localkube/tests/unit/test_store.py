"""The store: versions, indexes, history and the order of events."""

from typing import Any

from localkube.apiserver.storage.store import Event, Record, Store
from localkube.meta.selectors import LabelSelector


def config_map(name: str, namespace: str = "n", **meta: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}", **meta}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def put(store: Store, obj: dict[str, Any], before: Record | None = None) -> Record:
    meta = obj["metadata"]
    return store.put("configmaps", (meta["namespace"], meta["name"]), obj, before)


def test_every_write_takes_the_next_version() -> None:
    store = Store()
    first, second = put(store, config_map("a")), put(store, config_map("b"))
    assert second.version == first.version + 1
    assert second.object["metadata"]["resourceVersion"] == str(second.version)


def test_lists_are_sorted_by_namespace_and_name() -> None:
    store = Store()
    for name, namespace in (("b", "y"), ("a", "y"), ("c", "x")):
        put(store, config_map(name, namespace))
    bucket = store.bucket("configmaps")
    assert [r.key for r in bucket.ordered()] == [("x", "c"), ("y", "a"), ("y", "b")]
    assert [r.key for r in bucket.ordered("y")] == [("y", "a"), ("y", "b")]


def test_the_label_index_follows_changes_and_removals() -> None:
    store = Store()
    bucket = store.bucket("configmaps")
    selector = LabelSelector.parse("app=one")
    record = put(store, config_map("a", labels={"app": "one"}))
    assert [r.key for r in bucket.select("", selector)] == [("n", "a")]
    record = put(store, config_map("a", labels={"app": "two"}), record)
    assert list(bucket.select("", selector)) == []
    record = put(store, config_map("a", labels={"app": "one"}), record)
    store.drop("configmaps", record, config_map("a"))
    assert list(bucket.select("", selector)) == []
    assert len(bucket) == 0


def test_the_owner_index_follows_ownerreferences() -> None:
    store = Store()
    record = put(store, config_map("a", ownerReferences=[{"uid": "owner"}]))
    assert list(store.owned("owner")) == [("configmaps", ("n", "a"))]
    put(store, config_map("a"), record)
    assert store.owned("owner") == {}


def test_a_full_history_drops_its_oldest_events() -> None:
    store = Store(history=2)
    records = [put(store, config_map(name)) for name in "abc"]
    bucket = store.bucket("configmaps")
    assert bucket.forgotten == records[0].version
    assert [e.record.key[1] for e in bucket.since(records[1].version)] == ["c"]


def test_an_event_caused_by_a_listener_is_delivered_later() -> None:
    store = Store()
    seen: list[tuple[str, str]] = []

    def react(event: Event) -> None:
        if event.record.key[1] == "a":
            put(store, config_map("b"))

    store.listen("configmaps", "", react)
    store.listen("configmaps", "", lambda event: seen.append((event.type, event.record.key[1])))
    put(store, config_map("a"))
    assert seen == [("ADDED", "a"), ("ADDED", "b")]


def test_a_listener_gets_only_events_of_its_namespace() -> None:
    store = Store()
    seen: list[str] = []
    stop = store.listen("configmaps", "n", lambda event: seen.append(event.record.key[1]))
    put(store, config_map("a"))
    put(store, config_map("b", "other"))
    stop()
    put(store, config_map("c"))
    assert seen == ["a"]


def test_json_always_begins_with_api_version_and_kind() -> None:
    store = Store()
    obj = dict(reversed(config_map("a").items()))
    assert put(store, obj).json.startswith(b'{"apiVersion":"v1","kind":"ConfigMap",')

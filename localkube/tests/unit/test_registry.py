"""The registry: creates, updates, deletes, owners, namespaces."""

from typing import Any

import pytest

from localkube.apiserver.registry import ApiError, Registry
from localkube.apiserver.storage.store import Store

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap"}


@pytest.fixture
def registry() -> Registry:
    found = Registry(Store())
    found.bootstrap()
    return found


def config_map(name: str, **meta: Any) -> dict[str, Any]:
    return {**CONFIG_MAP, "metadata": {"name": name, **meta}, "data": {"k": "v"}}


def make(registry: Registry, name: str, **meta: Any) -> dict[str, Any]:
    return registry.create("configmaps", "default", config_map(name, **meta), manager="test")


def owner(obj: dict[str, Any], **more: Any) -> dict[str, Any]:
    meta = obj["metadata"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": meta["name"], "uid": meta["uid"], **more}


def test_a_new_object_gets_metadata_and_a_manager(registry: Registry) -> None:
    meta = make(registry, "a")["metadata"]
    assert meta["uid"]
    assert meta["creationTimestamp"]
    assert [m["manager"] for m in meta["managedFields"]] == ["test"]


def test_an_update_with_an_old_resource_version_is_a_conflict(registry: Registry) -> None:
    old = make(registry, "a")
    registry.update("configmaps", "default", {**old, "data": {"k": "new"}}, manager="test")
    with pytest.raises(ApiError) as caught:
        registry.update("configmaps", "default", {**old, "data": {"k": "other"}}, manager="test")
    assert caught.value.reason == "Conflict"


def test_an_update_without_changes_keeps_the_resource_version(registry: Registry) -> None:
    old = make(registry, "a")
    assert registry.update("configmaps", "default", old, manager="test") == old


def test_a_create_in_a_missing_namespace_is_not_found(registry: Registry) -> None:
    with pytest.raises(ApiError) as caught:
        registry.create("configmaps", "absent", config_map("a"), manager="test")
    assert caught.value.code == 404


def test_dependents_are_deleted_with_their_owner(registry: Registry) -> None:
    parent = make(registry, "parent")
    child = make(registry, "child", ownerReferences=[owner(parent)])
    make(registry, "grandchild", ownerReferences=[owner(child)])
    registry.delete("configmaps", "default", "parent")
    assert registry.list("configmaps", "default") == []


def test_a_dependent_with_another_owner_is_kept(registry: Registry) -> None:
    one, two = make(registry, "one"), make(registry, "two")
    make(registry, "child", ownerReferences=[owner(one), owner(two)])
    registry.delete("configmaps", "default", "one")
    child = registry.get("configmaps", "default", "child")
    assert [r["name"] for r in child["metadata"]["ownerReferences"]] == ["two"]


def test_an_object_whose_owner_does_not_exist_is_deleted(registry: Registry) -> None:
    absent = {"apiVersion": "v1", "kind": "ConfigMap", "name": "absent", "uid": "no-such-uid"}
    make(registry, "child", ownerReferences=[absent])
    assert registry.find("configmaps", "default", "child") is None


def test_owned_lists_by_uid(registry: Registry) -> None:
    parent = make(registry, "parent")
    make(registry, "b", ownerReferences=[owner(parent)])
    make(registry, "a", ownerReferences=[owner(parent)])
    assert [o["metadata"]["name"] for o in registry.owned("configmaps", parent["metadata"]["uid"])] == ["a", "b"]


def test_an_object_with_finalizers_is_not_removed(registry: Registry) -> None:
    existing = make(registry, "held", finalizers=["example.org/hold"])
    registry.delete("configmaps", "default", "held")
    marked = registry.get("configmaps", "default", "held")
    assert marked["metadata"]["deletionTimestamp"]
    meta = {k: v for k, v in marked["metadata"].items() if k != "finalizers"}
    registry.update("configmaps", "default", {**existing, "metadata": meta}, manager="test")
    assert registry.find("configmaps", "default", "held") is None


def test_deleting_a_namespace_deletes_its_content(registry: Registry) -> None:
    registry.create(
        "namespaces", "", {"metadata": {"name": "gone"}, "apiVersion": "v1", "kind": "Namespace"}, manager="t"
    )
    registry.create("configmaps", "gone", config_map("a"), manager="test")
    registry.delete("namespaces", "", "gone")
    assert registry.find("namespaces", "", "gone") is None
    assert registry.list("configmaps", "gone") == []


def test_a_terminating_namespace_accepts_no_new_objects(registry: Registry) -> None:
    registry.create(
        "namespaces", "", {"metadata": {"name": "going"}, "apiVersion": "v1", "kind": "Namespace"}, manager="t"
    )
    registry.create("configmaps", "going", config_map("a", finalizers=["example.org/hold"]), manager="test")
    registry.delete("namespaces", "", "going")
    with pytest.raises(ApiError) as caught:
        registry.create("configmaps", "going", config_map("b"), manager="test")
    assert caught.value.code == 403
    assert caught.value.status["details"]["causes"][0]["reason"] == "NamespaceTerminating"


def test_a_pod_on_a_node_has_a_grace_period(registry: Registry) -> None:
    spec = {"nodeName": "local", "containers": [{"name": "c", "image": "i"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    registry.create("pods", "default", pod, manager="test")
    registry.delete("pods", "default", "p")
    assert registry.get("pods", "default", "p")["metadata"]["deletionGracePeriodSeconds"] == 30
    registry.delete("pods", "default", "p", grace=0)
    assert registry.find("pods", "default", "p") is None


def test_services_get_different_addresses(registry: Registry) -> None:
    def service(name: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}

    created = [registry.create("services", "default", service(n), manager="test") for n in ("a", "b")]
    addresses = {s["spec"]["clusterIP"] for s in created}
    assert len(addresses) == 2
    assert all(a.startswith("10.96.") for a in addresses)


def test_a_subscriber_first_gets_existing_objects(registry: Registry) -> None:
    make(registry, "a")
    seen: list[tuple[str, str]] = []
    stop = registry.subscribe("configmaps", lambda kind, obj: seen.append((kind, obj["metadata"]["name"])))
    make(registry, "b")
    registry.delete("configmaps", "default", "a")
    stop()
    make(registry, "c")
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_system_namespaces_cannot_be_deleted(registry: Registry) -> None:
    with pytest.raises(ApiError) as caught:
        registry.delete("namespaces", "", "default")
    assert caught.value.code == 403


def test_a_service_has_the_fields_of_its_type(registry: Registry) -> None:
    """After another type and back, it is as before."""

    def change(kind: str) -> dict[str, Any]:
        live = registry.find("services", "default", "a")
        assert live is not None
        spec = registry.update("services", "default", {**live, "spec": {**live["spec"], "type": kind}}, manager="test")
        found: dict[str, Any] = spec["spec"]
        return found

    obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}
    before = registry.create("services", "default", obj, manager="test")["spec"]
    balanced = change("LoadBalancer")
    assert balanced["allocateLoadBalancerNodePorts"] is True
    assert balanced["externalTrafficPolicy"] == "Cluster"
    assert balanced["ports"][0]["nodePort"]
    exposed = change("NodePort")
    assert "allocateLoadBalancerNodePorts" not in exposed
    assert exposed["ports"] == balanced["ports"]
    assert change("ClusterIP") == before

"""managedFields after creates, updates and patches other than apply."""

import copy
from collections.abc import Callable
from typing import Any

from localkube.apiserver.fields import managed

Object = dict[str, Any]


def _entries(obj: Object) -> list[tuple[str, str, str]]:
    return [(entry["manager"], entry["operation"], entry["time"]) for entry in obj["metadata"]["managedFields"]]


def test_the_creator_owns_defaults(deployments: Any, deployment: Object, owner: Callable[..., Object]) -> None:
    """Structs that Go always writes have no owner; pointers and maps are members."""
    fields = owner(deployments.update(None, deployment, "unknown"), "unknown")
    spec = fields["f:spec"]
    assert "f:metadata" not in fields
    assert "f:status" not in fields
    assert "." not in spec
    assert "." not in spec["f:template"]
    assert "." not in spec["f:template"]["f:spec"]["f:containers"]
    assert spec["f:strategy"] == {
        "f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}},
        "f:type": {},
    }
    assert spec["f:template"]["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}
    container = spec["f:template"]["f:spec"]["f:containers"]['k:{"name":"c"}']
    assert container["f:env"] == {".": {}, 'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}}
    assert container["f:terminationMessagePath"] == {}


def test_an_updater_owns_only_what_it_changes(config_maps: Any, owner: Callable[..., Object]) -> None:
    live = config_maps.update(None, _config({"a": "1", "b": "1"}), "one", now="1")
    live = config_maps.update(live, _with(live, {"a": "2", "b": "1", "c": "1"}), "two", now="2")
    assert owner(live, "one") == {"f:data": {".": {}, "f:b": {}}}
    assert owner(live, "two") == {"f:data": {"f:a": {}, "f:c": {}}}
    assert _entries(live) == [("one", "Update", "1"), ("two", "Update", "2")]


def test_a_write_without_changes_keeps_the_time(config_maps: Any) -> None:
    live = config_maps.update(None, _config({"a": "1"}), "one", now="1")
    assert config_maps.update(live, live, "one", now="2") == live
    assert config_maps.update(live, live, "two", now="2") == live


def test_removing_a_field_removes_its_owners(config_maps: Any, owner: Callable[..., Object]) -> None:
    """To remove a field gives no ownership. A manager without fields is removed."""
    live = config_maps.update(None, _config({"a": "1", "b": "1"}), "one", now="1")
    live = config_maps.update(live, _with(live, {"a": "1", "b": "2"}), "two", now="2")
    live = config_maps.update(live, _with(live, {"a": "1"}), "three", now="3")
    assert owner(live, "one") == {"f:data": {".": {}, "f:a": {}}}
    assert owner(live, "two") is None
    assert owner(live, "three") is None


def test_an_empty_entry_resets_managed_fields(config_maps: Any) -> None:
    """`managedFields: [{}]` resets them, and a later update does not create new ones."""
    live = config_maps.update(None, _config({"a": "1"}), "one")
    reset = copy.deepcopy(live)
    reset["metadata"]["managedFields"] = [{}]
    live = config_maps.update(live, reset, "one")
    assert "managedFields" not in live["metadata"]
    assert "managedFields" not in config_maps.update(live, _with(live, {"a": "2"}), "one")["metadata"]


def test_entries_in_an_update_replace_the_live_ones(config_maps: Any) -> None:
    """This is how kubectl migrates to server-side apply. A subresource ignores the entries."""
    live = config_maps.update(None, _config({"a": "1"}), "kubectl-client-side-apply", now="1")
    migrated = copy.deepcopy(live)
    migrated["metadata"]["managedFields"][0] |= {"manager": "kubectl", "operation": "Apply"}
    assert _entries(config_maps.update(live, migrated, "x", now="2")) == [("kubectl", "Apply", "1")]
    by_status = config_maps.update(live, migrated, "x", now="2", subresource="status")
    assert _entries(by_status) == [("kubectl-client-side-apply", "Update", "1")]


def test_a_status_write_owns_the_status(deployments: Any, deployment: Object, owner: Callable[..., Object]) -> None:
    live = deployments.update(None, deployment, "one")
    new = {**live, "status": {"replicas": 2}}
    found = deployments.update(
        live, new, "node", now="2", subresource="status", ignored=managed.ignored_fields(True, "status")
    )
    assert owner(found, "node") == {"f:status": {"f:replicas": {}}}
    assert found["metadata"]["managedFields"][1]["subresource"] == "status"


def test_scale_owns_replicas_without_a_time(deployments: Any, deployment: Object, owner: Callable[..., Object]) -> None:
    live = deployments.update(None, deployment, "one")
    new = {**live, "spec": {**live["spec"], "replicas": 4}}
    path: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    found = managed.on_scale(live, new, manager="hpa", api_version="apps/v1", path=path)
    entry = next(entry for entry in found["metadata"]["managedFields"] if entry["manager"] == "hpa")
    assert "time" not in entry
    assert (entry["subresource"], entry["fieldsV1"]) == ("scale", path)
    assert "f:replicas" not in owner(found, "one")["f:spec"]


def test_invalid_entries_are_ignored(config_maps: Any) -> None:
    live = config_maps.update(None, _config({"a": "1"}), "one")
    odd = copy.deepcopy(live)
    odd["metadata"]["managedFields"].append({"manager": "x", "fieldsType": "FieldsV9", "fieldsV1": {}})
    assert len(managed.read(odd)) == 1


def test_functions_do_not_change_their_arguments(config_maps: Any) -> None:
    live = config_maps.update(None, _config({"a": "1"}), "one")
    new = _with(live, {"b": "1"})
    before = copy.deepcopy((live, new))
    config_maps.update(live, new, "two")
    assert (live, new) == before


def _config(data: Object) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}


def _with(live: Object, data: Object) -> Object:
    return {**live, "data": data}

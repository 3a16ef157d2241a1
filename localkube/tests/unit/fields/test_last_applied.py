"""Migration from client-side to server-side apply with kubectl."""

import copy
import json
from typing import Any

import pytest

from kubeschema.errors import FieldsError

Object = dict[str, Any]
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def _config(**data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}


def _client_side(config_maps: Any, applied: Object) -> Object:
    obj = copy.deepcopy(applied)
    obj["metadata"]["annotations"] = {ANNOTATION: json.dumps(applied) + "\n"}
    live: Object = config_maps.update(None, obj, "kubectl-client-side-apply")
    return live


def test_kubectl_takes_over_what_it_applied_client_side(config_maps: Any) -> None:
    live = _client_side(config_maps, _config(a="1"))
    found = config_maps.apply(live, _config(a="2"), "kubectl")
    assert found["data"] == {"a": "2"}


def test_a_field_changed_since_the_client_side_apply_conflicts(config_maps: Any) -> None:
    """Another manager changed the field after the client-side apply."""
    live = _client_side(config_maps, _config(a="1"))
    live = config_maps.update(live, {**live, "data": {"a": "9"}}, "editor", now="2")
    with pytest.raises(FieldsError, match='conflict with "editor" using v1'):
        config_maps.apply(live, _config(a="2"), "kubectl")


def test_other_managers_conflict(config_maps: Any) -> None:
    live = _client_side(config_maps, _config(a="1"))
    with pytest.raises(FieldsError, match="kubectl-client-side-apply"):
        config_maps.apply(live, _config(a="2"), "one")


def test_only_kubectl_updates_the_annotation(config_maps: Any) -> None:
    """Users can return to client-side apply. A repeated apply changes nothing."""
    live = config_maps.apply(_client_side(config_maps, _config(a="1")), _config(a="2"), "kubectl")
    assert json.loads(live["metadata"]["annotations"][ANNOTATION]) == _config(a="2")
    assert config_maps.apply(live, _config(a="2"), "kubectl", now="2") is live
    other = config_maps.apply(live, _config(b="1"), "one")
    assert other["metadata"]["annotations"] == live["metadata"]["annotations"]


@pytest.mark.parametrize("text", ["not json", "[]", '{"bogus": 1}', "{}"])
def test_an_invalid_annotation_is_ignored(config_maps: Any, text: str) -> None:
    live = _client_side(config_maps, _config(a="1"))
    live["metadata"]["annotations"] = {ANNOTATION: text}
    with pytest.raises(FieldsError, match="kubectl-client-side-apply"):
        config_maps.apply(live, _config(a="2"), "kubectl")

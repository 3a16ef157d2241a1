"""Server-side apply: merge, ownership and conflicts. The expectations are answers of a real API server."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from kubeschema.errors import FieldsError

Object = dict[str, Any]
CONTAINER = 'k:{"name":"c"}'
LIMITS = '.spec.template.spec.containers[name="c"].resources.limits'


def test_create_owns_what_was_applied_and_nothing_defaulted(
    deployments: Any, deployment: Object, owner: Callable[..., Object]
) -> None:
    live = deployments.apply(None, deployment, "one")
    assert owner(live, "one") == {
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {
                    "f:containers": {
                        CONTAINER: {
                            ".": {},
                            "f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}},
                            "f:image": {},
                            "f:name": {},
                            "f:ports": {
                                'k:{"containerPort":8000,"protocol":"TCP"}': {
                                    ".": {},
                                    "f:containerPort": {},
                                    "f:name": {},
                                }
                            },
                            "f:resources": {
                                "f:limits": {"f:cpu": {}, "f:memory": {}},
                                "f:requests": {"f:cpu": {}, "f:memory": {}},
                            },
                        }
                    }
                },
            },
        }
    }
    assert live["spec"]["progressDeadlineSeconds"] == 600
    assert live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "2", "memory": "2Gi"}


def test_applying_the_same_configuration_again_changes_nothing(deployments: Any, deployment: Object) -> None:
    """The resourceVersion and times are unchanged, although "2000m" is stored as "2"."""
    live = deployments.apply(None, deployment, "one", now="1")
    assert deployments.apply(live, copy.deepcopy(deployment), "one", now="2") is live


def test_conflicts_name_manager_and_field(deployments: Any, deployment: Object, changed: Callable[..., Object]) -> None:
    """Equal values are shared. Like in the real server, equal quantities with different text are different values."""
    live = deployments.apply(None, deployment, "one")
    with pytest.raises(FieldsError) as found:
        deployments.apply(live, changed({"replicas": 3}), "two")
    assert (found.value.code, found.value.reason) == (409, "Conflict")
    assert found.value.message == (
        f'Apply failed with 3 conflicts: conflicts with "one":\n- .spec.replicas\n- {LIMITS}.cpu\n- {LIMITS}.memory'
    )
    assert [(c.reason, c.message, c.field) for c in found.value.causes] == [
        ("FieldManagerConflict", 'conflict with "one"', field)
        for field in (".spec.replicas", f"{LIMITS}.cpu", f"{LIMITS}.memory")
    ]


def test_force_transfers_the_ownership_of_fields(
    deployments: Any, deployment: Object, changed: Callable[..., Object], owner: Callable[..., Object]
) -> None:
    live = deployments.apply(None, deployment, "one")
    live = deployments.apply(live, changed({"replicas": 3}), "two", force=True)
    assert live["spec"]["replicas"] == 3
    assert "f:replicas" not in owner(live, "one")["f:spec"]
    assert "f:replicas" in owner(live, "two")["f:spec"]
    assert "f:selector" in owner(live, "one")["f:spec"], "what is equal stays shared"


def test_a_conflict_with_an_updater_names_its_api_version(
    deployments: Any, deployment: Object, changed: Callable[..., Object]
) -> None:
    live = deployments.apply(None, deployment, "one")
    edited = copy.deepcopy(live)
    edited["spec"]["template"]["spec"]["containers"][0]["image"] = "img:edited"
    live = deployments.update(live, edited, "kubectl-edit", now="2")
    with pytest.raises(FieldsError) as found:
        deployments.apply(live, deployment, "one")
    message = 'conflict with "kubectl-edit" using apps/v1: .spec.template.spec.containers[name="c"].image'
    assert found.value.message == f"Apply failed with 1 conflict: {message}"


def test_an_unapplied_field_is_removed_unless_it_has_another_owner(
    config_maps: Any, owner: Callable[..., Object]
) -> None:
    live = config_maps.apply(None, _config({"a": "1", "b": "2", "c": "3"}, x="1"), "one")
    live = config_maps.apply(live, _config({"b": "2"}), "two")
    live = config_maps.apply(live, _config({"a": "1"}), "one")
    assert live["data"] == {"a": "1", "b": "2"}
    assert live["metadata"].get("labels") is None
    assert live["metadata"]["name"] == "m"
    assert owner(live, "one") == {"f:data": {"f:a": {}}}


def test_fields_without_an_owner_are_kept(config_maps: Any) -> None:
    """A manager does not remove fields that it never applied."""
    live = config_maps.update(None, _config({"kept": "1"}), "editor")
    live = config_maps.apply(live, _config({"a": "1"}), "one")
    live = config_maps.apply(live, _config({}), "one")
    assert live["data"] == {"kept": "1"}


def test_a_struct_with_defaults_is_kept(deployments: Any, deployment: Object, changed: Callable[..., Object]) -> None:
    """The defaults of the server in the struct have no owner."""
    both = changed()
    both["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "side:1"})
    live = deployments.apply(None, both, "one")
    live = deployments.apply(live, deployment, "one")
    assert [item["name"] for item in live["spec"]["template"]["spec"]["containers"]] == ["c"]


def test_replicas_that_are_no_longer_applied_are_defaulted(
    deployments: Any, deployment: Object, changed: Callable[..., Object]
) -> None:
    live = deployments.apply(None, changed({"replicas": 3}), "one")
    live = deployments.apply(live, changed({"replicas": None}), "one")
    assert live["spec"]["replicas"] == 1


def test_a_manager_that_applies_nothing_is_removed(config_maps: Any, owner: Callable[..., Object]) -> None:
    live = config_maps.apply(None, _config({"a": "1"}), "one")
    with_finalizer = _config({})
    with_finalizer["metadata"]["finalizers"] = ["example.org/f"]
    live = config_maps.apply(live, with_finalizer, "two")
    assert owner(live, "two") == {"f:metadata": {"f:finalizers": {'v:"example.org/f"': {}}}}
    live = config_maps.apply(live, _config({}), "two")
    assert owner(live, "two") is None
    assert "finalizers" not in live["metadata"]


def test_applying_managed_fields_is_refused(config_maps: Any) -> None:
    applied = _config({})
    applied["metadata"]["managedFields"] = [{"manager": "x"}]
    with pytest.raises(FieldsError, match=r"metadata\.managedFields must be nil") as found:
        config_maps.apply(None, applied, "one")
    assert found.value.code == 400


@pytest.mark.parametrize(
    ("applied", "message"),
    [
        ({"bogus": 1}, "(/m; /v1, Kind=ConfigMap): .bogus: field not declared in schema"),
        (
            {"metadata": {"name": "m", "finalizers": ["a", "a"]}},
            '(/m; /v1, Kind=ConfigMap): .metadata.finalizers: duplicate entries for key [="a"]',
        ),
    ],
)
def test_a_configuration_must_match_the_schema(config_maps: Any, applied: Object, message: str) -> None:
    with pytest.raises(FieldsError) as found:
        config_maps.apply(None, {**_config({}), **applied}, "one")
    assert (found.value.code, found.value.message) == (500, f"failed to create typed patch object {message}")


def test_an_object_without_managers_gets_before_first_apply(config_maps: Any, owner: Callable[..., Object]) -> None:
    """The applier does not own fields that existed before."""
    live = config_maps.complete(_config({"old": "1"}))
    live = config_maps.apply(live, _config({"a": "1"}), "one")
    assert owner(live, "before-first-apply") == {"f:data": {".": {}, "f:old": {}}}


def test_status_is_ignored_on_the_main_resource(
    deployments: Any, deployment: Object, owner: Callable[..., Object]
) -> None:
    live = deployments.apply(None, {**deployment, "status": {"replicas": 3}}, "one")
    assert "f:status" not in owner(live, "one")


def _config(data: Object, **labels: str) -> Object:
    metadata: Object = {"name": "m", **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **({"data": data} if data else {})}

"""Whether a live object contains the manifest."""

from typing import Any

import pytest

from agent_operator.render.compare import covers


def _spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


EQUAL = [
    ("defaults of the server", {"a": 1, "b": 2}, {"a": 1}),
    ("quantity", _spec(resources={"limits": {"cpu": "2"}}), _spec(resources={"limits": {"cpu": "2000m"}})),
    ("quantity of bytes", {"requests": {"memory": "1Gi"}}, {"requests": {"memory": "1024Mi"}}),
    ("quantity leaf", {"averageValue": "1k"}, {"averageValue": 1000}),
    ("int-or-string", {"targetPort": 8000}, {"targetPort": "8000"}),
    ("dropped false", {}, {"hostNetwork": False}),
    ("dropped empty map", {}, {"labels": {}}),
    ("filled empty map", {"emptyDir": {"medium": ""}}, {"emptyDir": {}}),
    ("dropped empty list", {}, {"egress": []}),
    (
        "an injected sidecar",
        {"containers": [{"name": "proxy"}, {"name": "agent", "image": "i", "tty": False}]},
        {"containers": [{"name": "agent", "image": "i"}]},
    ),
    (
        "a default protocol",
        {"containers": [{"name": "a", "ports": [{"containerPort": 1, "protocol": "TCP"}]}]},
        {"containers": [{"name": "a", "ports": [{"containerPort": 1}]}]},
    ),
    ("another's finalizer", {"finalizers": ["a", "b"]}, {"finalizers": ["b"]}),
    ("defaults in an atomic list", {"rules": [{"a": 1, "b": 2}]}, {"rules": [{"a": 1}]}),
]
DIFFERENT = [
    ("malformed quantities", _spec(resources={"limits": {"cpu": "2x"}}), _spec(resources={"limits": {"cpu": "2y"}})),
    ("a value", {"a": 1}, {"a": 2}),
    ("a missing field", {}, {"a": 1}),
    ("a missing map", {}, {"a": {"b": 1}}),
    ("a map of another type", {"a": "x"}, {"a": {"b": 1}}),
    ("a list of another type", {"a": "x"}, {"a": [1]}),
    ("a scalar in place of an empty map", {"a": "x"}, {"a": {}}),
    ("a missing list", {}, {"a": [1]}),
    ("an amount", {"limits": {"cpu": "1"}}, {"limits": {"cpu": "2"}}),
    ("no amount", {"limits": {"cpu": "x"}}, {"limits": {"cpu": "y"}}),
    ("equal numbers of a label", {"labels": {"a": "1.0"}}, {"labels": {"a": "1"}}),
    ("a missing item", {"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "B", "value": "1"}]}),
    ("true against nothing", {}, {"a": True}),
    ("a missing finalizer", {"finalizers": ["a"]}, {"finalizers": ["b"]}),
    (
        "one port more in a NetworkPolicy, whose lists are atomic",
        {"egress": [{"ports": [{"port": 1, "protocol": "TCP"}, {"port": 2, "protocol": "TCP"}]}]},
        {"egress": [{"ports": [{"port": 1, "protocol": "TCP"}]}]},
    ),
    ("the order of an atomic list", {"args": ["b", "a"]}, {"args": ["a", "b"]}),
]


@pytest.mark.parametrize(("live", "desired"), [pytest.param(a, b, id=name) for name, a, b in EQUAL])
def test_the_live_object_contains_the_manifest(live: Any, desired: Any) -> None:
    assert covers(live, desired)


@pytest.mark.parametrize(("live", "desired"), [pytest.param(a, b, id=name) for name, a, b in DIFFERENT])
def test_the_live_object_differs_from_the_manifest(live: Any, desired: Any) -> None:
    assert not covers(live, desired)

"""Which Events belong to an agent, and their rows."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agentctl.cluster import agent_events
from agentctl.cluster.states import Colour, DisplayState

Object = dict[str, Any]
AGENT: Object = {
    "metadata": {"name": "web", "namespace": "team"},
    "spec": {"namespace": {"name": "web-pods"}},
    "status": {"children": [{"kind": "Service", "name": "web"}, {"kind": "Job", "name": "web-checks-1"}]},
}


def event(kind: str, name: str, **fields: Any) -> Object:
    return {
        "involvedObject": {"kind": kind, "name": name},
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
    } | (fields)


@pytest.mark.parametrize(
    ("kind", "name", "belongs"),
    [
        ("AgentDeployment", "web", True),
        ("Service", "web", True),
        ("Service", "other", False),
        ("ReplicaSet", "web-8457cb964c", True),
        ("Pod", "web-8457cb964c-pfs4w", True),
        ("Pod", "web-canary-8457cb964c-pfs4w", True),
        ("Pod", "web-checks-1-pfs4w", True),
        ("Pod", "web-checks-1", False),
        # Another agent with the name web-shop.
        ("ReplicaSet", "web-shop-8457cb964c", False),
        ("Pod", "web-shop-8457cb964c-pfs4w", False),
        ("Pod", "web", False),
        ("Deployment", "web-8457cb964c", False),
    ],
)
def test_events_of_the_agent_its_children_and_its_pods_belong_to_it(kind: str, name: str, belongs: bool) -> None:
    assert agent_events.selection(AGENT).has(event(kind, name)) is belongs


def test_an_event_without_an_object_belongs_to_no_agent() -> None:
    selection = agent_events.selection({"metadata": {"name": "web", "namespace": "team"}})

    assert not any(selection.has(item) for item in ({}, {"involvedObject": None}, {"involvedObject": {"kind": 1}}))


def test_both_namespaces_of_an_agent_are_read() -> None:
    assert agent_events.namespaces(AGENT) == ["team", "web-pods"]


@pytest.mark.parametrize(
    ("fields", "time"),
    [
        ({"lastTimestamp": "2026-01-01T00:00:05Z", "eventTime": None}, "2026-01-01T00:00:05Z"),
        ({"eventTime": "2026-01-01T00:00:06.000000Z", "lastTimestamp": None}, "2026-01-01T00:00:06.000000Z"),
        ({"series": {"lastObservedTime": "2026-01-01T00:00:07Z"}, "lastTimestamp": "x"}, "2026-01-01T00:00:07Z"),
        ({}, "2026-01-01T00:00:00Z"),
    ],
)
def test_the_last_time_is_read_from_events_of_both_apis(fields: Object, time: str) -> None:
    assert agent_events.last_seen(event("Pod", "x", **fields)) == time


def test_a_message_of_several_lines_is_one_row() -> None:
    now = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    found = event("Pod", "web-1", type="Warning", reason="Failed", message="first\n  second")

    age, kind, *rest = agent_events.cells(found, now)

    assert kind == DisplayState("Warning", Colour.BAD)
    assert (age, *rest) == ("60s", "Failed", "pod/web-1", "first second")

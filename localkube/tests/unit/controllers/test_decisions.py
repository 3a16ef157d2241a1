"""Pure functions of controllers: surplus pods, budgets, autoscaling, ports, revisions."""

from typing import Any

import pytest

from localkube.controllers import endpoint_slices, revisions
from localkube.controllers.autoscaler import bounded, missing_metric
from localkube.controllers.disruption import Budget, budget, status_of
from localkube.controllers.pod_owner import surplus
from localkube.controllers.selection import SelectorIndex
from localkube.meta.objects import timestamp, with_condition
from localkube.meta.pods import available_in, is_active
from localkube.meta.selectors import LabelSelector


def pod(name: str, *, ready: float | None = None, phase: str = "Running", node: str = "n", **annotations: str) -> Any:
    conditions = []
    if ready is not None:
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": timestamp(ready)}]
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": name,
            "creationTimestamp": timestamp(0),
            "annotations": annotations,
        },
        "spec": {"nodeName": node, "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8000}]}]},
        "status": {"phase": phase, "conditions": conditions, "podIP": "127.0.0.1"},
    }


def test_surplus_pods_are_deleted_in_the_order_of_kubernetes() -> None:
    """Unassigned, pending, unready, of low deletion cost, ready for a short time; the oldest ready pod is kept."""
    cost = {"controller.kubernetes.io/pod-deletion-cost": "-5"}
    pods = [
        pod("old", ready=10),
        pod("young", ready=99),
        pod("cheap", ready=1, **cost),
        pod("unready"),
        pod("pending", phase="Pending"),
        pod("unbound", phase="Pending", node=""),
    ]
    order = ["unbound", "pending", "unready", "cheap", "young"]
    assert [p["metadata"]["name"] for p in surplus(pods, 1)] == order
    assert surplus(pods, 6) == surplus(pods, 9) == []


def test_a_pod_is_available_after_min_ready_seconds() -> None:
    assert available_in(pod("a", ready=100), 10, 104) == 6
    assert available_in(pod("a", ready=100), 10, 111) == 0
    assert available_in(pod("a", ready=100), 0, 100) == 0
    assert available_in(pod("a"), 0, 100) is None


def test_a_finished_or_deleted_pod_is_no_replica() -> None:
    assert is_active(pod("a"))
    assert not is_active(pod("a", phase="Failed"))
    leaving = pod("a")
    leaving["metadata"]["deletionTimestamp"] = "now"
    assert not is_active(leaving)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 2}, Budget(3, 2)),
        ({"minAvailable": "50%"}, Budget(5, 3)),
        ({"maxUnavailable": 1}, Budget(5, 4)),
        ({"maxUnavailable": "30%"}, Budget(5, 3)),
        ({"maxUnavailable": 9}, Budget(5, 0)),
    ],
)
def test_a_budget_counts_pods_or_the_replicas_of_their_controllers(spec: dict[str, Any], expected: Budget) -> None:
    assert budget(spec, 3, lambda: 5) == expected


@pytest.mark.parametrize(("healthy", "allowed", "reason"), [(3, 1, "SufficientPods"), (2, 0, "InsufficientPods")])
def test_disruptions_allowed(healthy: int, allowed: int, reason: str) -> None:
    found = status_of({"metadata": {"generation": 4}}, Budget(3, 2), healthy, 0)
    assert (found["disruptionsAllowed"], found["observedGeneration"]) == (allowed, 4)
    assert found["conditions"][0]["reason"] == reason


@pytest.mark.parametrize(("current", "wanted"), [(0, 0), (1, 2), (2, 2), (4, 4), (9, 5)])
def test_an_autoscaler_changes_only_replicas_out_of_bounds(current: int, wanted: int) -> None:
    found = bounded({"minReplicas": 2, "maxReplicas": 5}, current)
    assert found.replicas == wanted
    assert bool(found.why) is (current not in (0, wanted))


def test_a_missing_metric_is_reported_like_without_metrics_server() -> None:
    target = {"type": "Utilization", "averageUtilization": 70}
    found = missing_metric({"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]})
    assert found.reason == "FailedGetResourceMetric"
    assert found.why.startswith("failed to get cpu utilization: unable to get metrics for resource cpu")


def test_a_named_target_port_is_resolved_per_pod() -> None:
    assert endpoint_slices.target_port({"port": 80, "targetPort": "http"}, pod("a")) == 8000
    assert endpoint_slices.target_port({"port": 80, "targetPort": 9}, pod("a")) == 9
    assert endpoint_slices.target_port({"port": 80, "targetPort": "no"}, pod("a")) is None


def test_a_terminating_pod_is_not_ready_but_serves() -> None:
    leaving = pod("a", ready=1)
    leaving["metadata"]["deletionTimestamp"] = "now"
    service = {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": "http"}]}}
    found = endpoint_slices.backends(service, [leaving, pod("b")], lambda _, port: port + 1)
    (one,) = endpoint_slices.slices(service, found)
    assert one["ports"] == [{"name": "http", "port": 8001, "protocol": "TCP"}]
    assert [e["conditions"] for e in one["endpoints"]] == [
        {"ready": False, "serving": True, "terminating": True},
        {"ready": False, "serving": False, "terminating": False},
    ]


def test_pods_on_different_ports_are_in_different_slices() -> None:
    service = {"spec": {"ports": [{"port": 80}]}}
    pods = [pod("a"), pod("b")]
    found = endpoint_slices.backends(service, pods, lambda p, port: port + (p["metadata"]["name"] == "b"))
    assert [s["ports"][0]["port"] for s in endpoint_slices.slices(service, found)] == [80, 81]


def test_the_template_hash_depends_on_template_and_collision_count() -> None:
    one = {"spec": {"a": 1}}
    assert revisions.template_hash(one, None) == revisions.template_hash({"spec": {"a": 1}}, None)
    assert len({revisions.template_hash(*x) for x in ((one, None), (one, 1), ({"spec": {"a": 2}}, None))}) == 3


def test_the_new_replicaset_is_the_oldest_with_the_template() -> None:
    def replicaset(name: str, age: int, image: str) -> dict[str, Any]:
        labels = {"app": "a", revisions.HASH_LABEL: name}
        template = {"metadata": {"labels": labels}, "spec": {"image": image}}
        return {"metadata": {"name": name, "creationTimestamp": timestamp(age)}, "spec": {"template": template}}

    wanted = {"spec": {"template": {"metadata": {"labels": {"app": "a"}}, "spec": {"image": "x"}}}}
    old, twin, other = replicaset("old", 1, "x"), replicaset("twin", 2, "x"), replicaset("other", 0, "y")
    assert revisions.find_new(wanted, [twin, other, old]) is old
    assert revisions.find_new(wanted, [other]) is None


def test_a_rolled_back_replicaset_keeps_its_revision_history() -> None:
    metadata = {"annotations": {revisions.REVISION: "1", "note": "old"}}
    found = revisions.revised_annotations({"metadata": {"annotations": {"note": "new"}}}, {"metadata": metadata}, 4)
    assert found == {revisions.REVISION: "4", revisions.HISTORY: "1", "note": "new"}


def test_an_unchanged_condition_keeps_its_times() -> None:
    old = {"type": "A", "status": "True", "reason": "r", "lastTransitionTime": "1"}
    assert with_condition([old], {**old, "lastTransitionTime": "2"}) == [old]
    assert with_condition([old], {**old, "reason": "s", "lastTransitionTime": "2"})[0]["lastTransitionTime"] == "1"
    assert with_condition([old], {**old, "status": "False", "lastTransitionTime": "2"})[0]["lastTransitionTime"] == "2"


def test_the_index_finds_selectors_that_match_before_or_after_a_change() -> None:
    index = SelectorIndex()
    index.put(("default", "web"), LabelSelector.of({"matchLabels": {"app": "web"}}))
    index.put(("default", "any"), LabelSelector.of({"matchExpressions": [{"key": "app", "operator": "Exists"}]}))
    index.put(("other", "web"), LabelSelector.of({"matchLabels": {"app": "web"}}))
    one = pod("a")
    one["metadata"]["labels"] = {"app": "web"}
    assert index.affected("ADDED", one) == {("default", "web"), ("default", "any")}
    two = {**one, "metadata": {**one["metadata"], "labels": {}}}
    assert index.affected("MODIFIED", two) == {("default", "web"), ("default", "any")}
    assert index.affected("DELETED", two) == set()
    index.drop(("default", "any"))
    assert index.affected("ADDED", one) == {("default", "web")}

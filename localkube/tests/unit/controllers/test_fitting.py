"""Which pods fit the node, and what is said of the others: the words of a real scheduler 1.36."""

from decimal import Decimal
from typing import Any

import pytest

from localkube.controllers.fitting import misfit, requests

Object = dict[str, Any]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
LASTING = "Preemption is not helpful for scheduling"
PASSING = "No preemption victims found for incoming pod"
HOST = "kubernetes.io/hostname"


def node(**spec: Any) -> Object:
    labels = {HOST: "n", "disk": "ssd", "cores": "8"}
    allocatable = {"cpu": "2", "memory": "4Gi", "pods": "5"}
    return {"metadata": {"name": "n", "labels": labels}, "spec": spec, "status": {"allocatable": allocatable}}


def pod(name: str = "one", app: str = "x", cpu: str = "", **spec: Any) -> Object:
    asked = {"resources": {"requests": {"cpu": cpu}}} if cpu else {}
    metadata = {"name": name, "namespace": "default", "labels": {"app": app}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c", **asked}], **spec}}


def near(kind: str, app: str, key: str = HOST) -> Object:
    return {kind: {REQUIRED: [{"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}]}}


def on_node(**expression: Any) -> Object:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}


SPREAD = [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}]
AWAY = "node(s) didn't match Pod's node affinity/selector"


@pytest.mark.parametrize(
    ("given", "why", "preemption"),
    [
        (pod(cpu="3"), "Insufficient cpu", LASTING),
        (pod(cpu="1"), "Insufficient cpu", PASSING),
        (pod(nodeSelector={"disk": "tape"}), AWAY, LASTING),
        (pod(affinity=on_node(key="disk", operator="In", values=["tape"])), AWAY, LASTING),
        (pod(affinity=on_node(key="disk", operator="NotIn", values=["ssd"])), AWAY, LASTING),
        (pod(affinity=on_node(key="disk", operator="DoesNotExist")), AWAY, LASTING),
        (pod(affinity=on_node(key="cores", operator="Gt", values=["8"])), AWAY, LASTING),
        (pod(affinity=near("podAntiAffinity", "old")), "node(s) didn't match pod anti-affinity rules", PASSING),
        (pod(affinity=near("podAffinity", "nobody")), "node(s) didn't match pod affinity rules", LASTING),
        (pod(app="loner"), "node(s) didn't satisfy existing pods anti-affinity rules", PASSING),
        (
            pod(topologySpreadConstraints=SPREAD),
            "node(s) didn't match pod topology spread constraints (missing required label)",
            LASTING,
        ),
    ],
)
def test_what_keeps_a_pod_from_the_node(given: Object, why: str, preemption: str) -> None:
    placed = [pod("old", "old", affinity=near("podAntiAffinity", "loner"))]
    found = misfit(given, node(), {"cpu": Decimal("1.5")}, placed)
    assert found
    tail = f"no new claims to deallocate, preemption: 0/1 nodes are available: 1 {preemption}."
    assert found.message == f"0/1 nodes are available: 1 {why}. {tail}"


@pytest.mark.parametrize(
    "given",
    [
        pod(),
        pod(cpu="500m"),
        pod(nodeSelector={"disk": "ssd"}),
        pod(affinity=on_node(key="disk", operator="In", values=["ssd", "tape"])),
        pod(affinity=on_node(key="cores", operator="Gt", values=["7"])),
        pod(affinity=on_node(key="cores", operator="Lt", values=["9"])),
        pod(affinity=near("podAffinity", "old")),
        pod(affinity=near("podAffinity", "x")),
        pod(affinity=near("podAntiAffinity", "x")),
        pod(affinity=near("podAntiAffinity", "old", "topology.kubernetes.io/zone")),
        pod(topologySpreadConstraints=[{**SPREAD[0], "topologyKey": HOST}]),
        pod(topologySpreadConstraints=[{**SPREAD[0], "whenUnsatisfiable": "ScheduleAnyway"}]),
    ],
)
def test_a_pod_that_fits(given: Object) -> None:
    """A pod may be the first of those it wants to be near to."""
    assert misfit(given, node(), {"cpu": Decimal("1.5")}, [pod("old", "old")]) is None


TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({}, False),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_a_taint_keeps_out_who_does_not_tolerate_it(toleration: Object, fits: bool) -> None:
    given = pod(tolerations=[toleration] if toleration else [])
    found = misfit(given, node(taints=[TAINT]), {}, [])
    assert (found is None) is fits
    assert found is None or "1 node(s) had untolerated taint(s)." in found.message
    assert misfit(given, node(taints=[{**TAINT, "effect": "PreferNoSchedule"}]), {}, []) is None


def test_a_cordoned_node_takes_no_pod_and_all_that_lacks_is_told() -> None:
    found = misfit(pod(cpu="3"), node(unschedulable=True), {}, [])
    assert found
    assert found.why == ("node(s) were unschedulable",)
    full = misfit(pod(cpu="1"), node(), {"cpu": Decimal(2), "pods": Decimal(5)}, [])
    assert full
    assert full.message.startswith("0/1 nodes are available: 1 Insufficient cpu, 1 Too many pods. ")


def test_requests_are_of_the_containers_or_of_the_greediest_init_container() -> None:
    def asks(name: str, cpu: str, **more: Any) -> Object:
        return {"name": name, "resources": {"requests": {"cpu": cpu}}, **more}

    given = pod(overhead={"cpu": "100m"})
    given["spec"]["containers"] = [asks("a", "500m"), asks("b", "1")]
    assert requests(given)["cpu"] == Decimal("1.6")
    given["spec"]["initContainers"] = [asks("c", "3"), asks("side", "250m", restartPolicy="Always"), asks("d", "2900m")]
    assert requests(given)["cpu"] == Decimal("3.25"), "the last one starts beside the sidecar"
    assert requests(given)["pods"] == 1

"""Which pods fit the node, with the messages of kube-scheduler 1.36."""

from decimal import Decimal
from typing import Any

import pytest

from localkube.controllers.fitting import check_fit, total_requests

Object = dict[str, Any]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PERMANENT = "Preemption is not helpful for scheduling"
TEMPORARY = "No preemption victims found for incoming pod"
HOST = "kubernetes.io/hostname"


def node(**spec: Any) -> Object:
    labels = {HOST: "n", "disk": "ssd", "cores": "8"}
    allocatable = {"cpu": "2", "memory": "4Gi", "pods": "5"}
    return {"metadata": {"name": "n", "labels": labels}, "spec": spec, "status": {"allocatable": allocatable}}


def pod(cpu: str = "", **spec: Any) -> Object:
    requests = {"resources": {"requests": {"cpu": cpu}}} if cpu else {}
    metadata = {"name": "one", "namespace": "default"}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c", **requests}], **spec}}


def on_node(**expression: Any) -> Object:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}


AWAY = "node(s) didn't match Pod's node affinity/selector"


@pytest.mark.parametrize(
    ("given", "why", "preemption"),
    [
        (pod(cpu="3"), "Insufficient cpu", PERMANENT),
        (pod(cpu="1"), "Insufficient cpu", TEMPORARY),
        (pod(nodeSelector={"disk": "tape"}), AWAY, PERMANENT),
        (pod(affinity=on_node(key="disk", operator="In", values=["tape"])), AWAY, PERMANENT),
        (pod(affinity=on_node(key="disk", operator="NotIn", values=["ssd"])), AWAY, PERMANENT),
        (pod(affinity=on_node(key="disk", operator="DoesNotExist")), AWAY, PERMANENT),
        (pod(affinity=on_node(key="cores", operator="Gt", values=["8"])), AWAY, PERMANENT),
    ],
)
def test_the_message_names_why_a_pod_does_not_fit(given: Object, why: str, preemption: str) -> None:
    found = check_fit(given, node(), {"cpu": Decimal("1.5")})
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
    ],
)
def test_a_pod_fits(given: Object) -> None:
    assert check_fit(given, node(), {"cpu": Decimal("1.5")}) is None


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
def test_a_pod_must_tolerate_taints(toleration: Object, fits: bool) -> None:
    given = pod(tolerations=[toleration] if toleration else [])
    found = check_fit(given, node(taints=[TAINT]), {})
    assert (found is None) is fits
    assert found is None or "1 node(s) had untolerated taint(s)." in found.message
    assert check_fit(given, node(taints=[{**TAINT, "effect": "PreferNoSchedule"}]), {}) is None


def test_a_cordoned_node_accepts_no_pod() -> None:
    found = check_fit(pod(cpu="3"), node(unschedulable=True), {})
    assert found
    assert found.reasons == ("node(s) were unschedulable",)


def test_the_message_names_all_insufficient_resources() -> None:
    found = check_fit(pod(cpu="1"), node(), {"cpu": Decimal(2), "pods": Decimal(5)})
    assert found
    assert found.message.startswith("0/1 nodes are available: 1 Insufficient cpu, 1 Too many pods. ")


def test_total_requests_are_those_of_containers_or_of_the_greatest_init_container() -> None:
    def container(name: str, cpu: str, **more: Any) -> Object:
        return {"name": name, "resources": {"requests": {"cpu": cpu}}, **more}

    given = pod(overhead={"cpu": "100m"})
    given["spec"]["containers"] = [container("a", "500m"), container("b", "1")]
    assert total_requests(given)["cpu"] == Decimal("1.6")
    sidecar = container("side", "250m", restartPolicy="Always")
    given["spec"]["initContainers"] = [container("c", "3"), sidecar, container("d", "2900m")]
    assert total_requests(given)["cpu"] == Decimal("3.25"), "the last one runs together with the sidecar"
    assert total_requests(given)["pods"] == 1

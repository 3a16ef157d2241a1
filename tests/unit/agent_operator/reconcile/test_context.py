"""Which cached objects a pass counts as children."""

from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.kube.agent_object import pack_agent
from agent_operator.kube.objects import Key, pack, ref
from agent_operator.reconcile.context import start_pass

KEY = Key("ns", "web")
LABELS = {constants.LABEL_AGENT: "web", constants.LABEL_OWNER_UID: "agent"}
AGENT = {
    "apiVersion": constants.API_VERSION,
    "kind": constants.KIND,
    "metadata": {"namespace": "ns", "name": "web", "uid": "agent", "resourceVersion": "1"},
    "spec": {},
}


def child(kind: str, name: str, controller: str, *, label: str = "agent", is_controller: bool = True) -> Any:
    owners = [{"kind": "any", "name": "any", "uid": controller, "controller": is_controller}] if controller else []
    metadata = {"namespace": "ns", "name": name, "uid": f"{kind}/{name}", "ownerReferences": owners}
    return kind, {"metadata": metadata | {"labels": LABELS | {constants.LABEL_OWNER_UID: label}}, "spec": {}}


DEPLOYMENT = child("Deployment", "web", "agent")
REPLICA_SET = child("ReplicaSet", "web-1", "Deployment/web")
JOB = child("Job", "web-checks-0a1b", "agent")
POD = child("Pod", "web-1-a", "ReplicaSet/web-1")
CHECKS = child("Pod", "web-checks-a", "Job/web-checks-0a1b")


def counted(*objects: Any) -> set[str]:
    live = {ref(kind, obj): pack(kind, obj) for kind, obj in objects}
    context = start_pass(KEY, pack_agent(AGENT), live, "2026-01-01T00:00:00Z", manage_namespaces=True)
    return {target.name for target in context.children if target.kind in ("Pod", "ReplicaSet")}


def test_pods_of_the_agents_workloads_count() -> None:
    found = counted(DEPLOYMENT, REPLICA_SET, JOB, POD, CHECKS)
    assert found == {"web-1", "web-1-a", "web-checks-a"}
    assert counted(child("Deployment", "web-canary", "agent"), child("ReplicaSet", "c", "Deployment/web-canary")) == {
        "c"
    }


@pytest.mark.parametrize(
    "forged",
    [
        [child("Pod", "bare", "")],
        [child("Pod", "bare", "", label="ReplicaSet/web-1")],
        [child("Pod", "bare", "", label="Deployment/web")],
        [child("Pod", "bare", "", label="Job/web-checks-0a1b")],
        [child("Pod", "bare", "ReplicaSet/web-1", is_controller=False)],
        [child("Pod", "bare", "Deployment/web")],
        [child("Pod", "bare", "agent")],
        [child("ReplicaSet", "bare", "agent"), child("Pod", "of-bare", "ReplicaSet/bare")],
        [child("ReplicaSet", "bare", "", label="Deployment/web"), child("Pod", "of-bare", "ReplicaSet/bare")],
        [
            child("Deployment", "mine", ""),
            child("ReplicaSet", "bare", "Deployment/mine"),
            child("Pod", "of-bare", "ReplicaSet/bare"),
        ],
        [child("Job", "mine", ""), child("Pod", "of-bare", "Job/mine")],
    ],
    ids=lambda objects: ", ".join(f"{kind} {obj['metadata']['name']}" for kind, obj in objects),
)
def test_pods_of_others_do_not_count(forged: list[Any]) -> None:
    assert counted(DEPLOYMENT, REPLICA_SET, JOB, POD, *forged) == {"web-1", "web-1-a"}

"""The tree of `agentctl status`."""

import io
from typing import Any

from rich.console import Console

from agentctl.cluster import status_tree
from agentctl.cluster.snapshot import Child, Snapshot

DEPLOYMENT = {"kind": "Deployment", "spec": {"replicas": 1}, "status": {"readyReplicas": 0, "updatedReplicas": 1}}
POD = {"metadata": {"name": "support-x"}, "status": {"phase": "Pending"}}


def make_snapshot(**status: Any) -> Snapshot:
    agent = {
        "metadata": {"name": "support", "namespace": "team", "generation": 2},
        "status": {"observedGeneration": 2, "ready": "0/1", "model": "echo"} | status,
    }
    children = (
        Child("ConfigMap", "support-config", ready=True, live=None),
        Child("Secret", "support-secrets", ready=True, live=None),
        Child("ServiceMonitor", "support", ready=None, live=None, served=False),
        Child("Deployment", "support", ready=False, live=DEPLOYMENT),
    )
    return Snapshot(agent, children, (POD,))


def draw(snapshot: Snapshot, *, colour: bool = False) -> str:
    target = io.StringIO()
    console = Console(file=target, width=120, force_terminal=colour, no_color=not colour)
    console.print(status_tree.draw(snapshot))
    return target.getvalue()


def test_children_are_below_the_agent_and_pods_below_the_deployment() -> None:
    lines = draw(make_snapshot()).splitlines()

    assert lines[0].rstrip() == "AgentDeployment team/support  ready 0/1  model echo"
    assert [line.rstrip() for line in lines[1:6]] == [
        "├── ConfigMap support-config  missing",
        "├── Secret support-secrets  present",
        "├── ServiceMonitor support  not installed in this cluster",
        "└── Deployment support  0/1 ready",
        "    └── Pod support-x  Pending",
    ]


def test_a_generation_that_is_not_yet_reconciled_is_marked() -> None:
    assert "not yet reconciled" in draw(make_snapshot(observedGeneration=1))


def test_conditions_and_the_last_failure_follow_the_tree() -> None:
    conditions = [
        {"type": "Ready", "status": "False", "reason": "Unavailable", "message": "0 of 1 pods are ready"},
        {"type": "Stalled", "status": "True", "reason": "ProgressDeadlineExceeded", "message": "no progress"},
    ]
    failure = {"pod": "support-x", "reason": "Error", "exitCode": 2, "message": "agent.models: missing"}

    text = draw(make_snapshot(conditions=conditions, lastFailure=failure))

    assert "Ready    False  Unavailable               0 of 1 pods are ready" in text
    assert "Last failure: pod support-x: Error with exit code 2: agent.models: missing" in text


def test_several_warnings_are_listed_one_per_line() -> None:
    conditions = [{"type": "Warning", "status": "True", "reason": "BudgetLowered", "message": "one; two"}]
    warnings = [
        {"reason": "BudgetLowered", "message": "one"},
        {"reason": "ReplicasIgnored", "field": "spec.replicas", "message": "two"},
    ]

    lines = draw(make_snapshot(conditions=conditions, warnings=warnings)).splitlines()

    assert [line.split() for line in lines[-4:]] == [
        ["Warning", "True", "2", "warnings,", "see", "below"],
        [],
        ["BudgetLowered", "one"],
        ["ReplicasIgnored", "spec.replicas:", "two"],
    ]


def test_the_colour_of_a_condition_depends_on_its_type() -> None:
    conditions = [
        {"type": "Ready", "status": "True", "reason": "R", "message": ""},
        {"type": "Stalled", "status": "True", "reason": "R", "message": ""},
        {"type": "Warning", "status": "True", "reason": "R", "message": ""},
        {"type": "Progressing", "status": "False", "reason": "R", "message": ""},
    ]

    ready, stalled, warning, progressing = draw(make_snapshot(conditions=conditions), colour=True).splitlines()[-4:]

    assert "\x1b[32mTrue" in ready
    assert "\x1b[31mTrue" in stalled
    assert "\x1b[33mTrue" in warning
    assert "False" in progressing.replace("\x1b", "")
    assert "\x1b[31mFalse" not in progressing

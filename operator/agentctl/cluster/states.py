"""A short description of the state of each child and pod, read from the live object."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agentctl.objects import nested_field

LiveObject = Mapping[str, Any]


class Colour(StrEnum):
    """Colours of states, by their names in rich."""

    GOOD = "green"
    WAITING = "yellow"
    BAD = "red"
    PLAIN = ""


@dataclass(frozen=True, slots=True)
class DisplayState:
    """A description and its colour."""

    text: str
    colour: Colour = Colour.PLAIN


TERMINATING = DisplayState("terminating", Colour.WAITING)


def _deployment(child: LiveObject) -> DisplayState:
    # 1 is the default of the API server.
    replicas = nested_field(child, "spec", "replicas")
    desired = 1 if replicas is None else replicas
    status = nested_field(child, "status") or {}
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    text = f"{ready}/{desired} ready" + ("" if updated >= desired else f", {updated} updated")
    return DisplayState(text, Colour.GOOD if ready >= desired and updated >= desired else Colour.WAITING)


def _autoscaler(child: LiveObject) -> DisplayState:
    spec, status = nested_field(child, "spec") or {}, nested_field(child, "status") or {}
    bounds = f"min {spec.get('minReplicas', 1)}, max {spec.get('maxReplicas')}"
    return DisplayState(f"{status.get('currentReplicas', 0)} replicas ({bounds})")


def _disruption_budget(child: LiveObject) -> DisplayState:
    allowed = nested_field(child, "status", "disruptionsAllowed") or 0
    return DisplayState(f"{allowed} disruption{'' if allowed == 1 else 's'} allowed")


def _service(child: LiveObject) -> DisplayState:
    address = nested_field(child, "spec", "clusterIP") or "no cluster IP"
    ports = ", ".join(str(port.get("port")) for port in nested_field(child, "spec", "ports") or ())
    return DisplayState(f"{nested_field(child, 'spec', 'type') or 'ClusterIP'} {address}, ports {ports}")


def _ingress(child: LiveObject) -> DisplayState:
    return DisplayState(", ".join(rule.get("host", "*") for rule in nested_field(child, "spec", "rules") or ()))


def _namespace(child: LiveObject) -> DisplayState:
    phase = nested_field(child, "status", "phase") or "Active"
    return DisplayState(phase, Colour.PLAIN if phase == "Active" else Colour.WAITING)


def _ready_condition(child: LiveObject) -> DisplayState:
    for condition in nested_field(child, "status", "conditions") or ():
        if condition.get("type") == "Ready":
            good = condition.get("status") == "True"
            return DisplayState(condition.get("reason") or "Ready", Colour.GOOD if good else Colour.BAD)
    return DisplayState("present")


_BY_KIND: Mapping[str, Callable[[LiveObject], DisplayState]] = {
    "Deployment": _deployment,
    "HorizontalPodAutoscaler": _autoscaler,
    "PodDisruptionBudget": _disruption_budget,
    "Service": _service,
    "Ingress": _ingress,
    "Namespace": _namespace,
}


def child_state(child: LiveObject) -> DisplayState:
    """Return the state of a live child."""
    if nested_field(child, "metadata", "deletionTimestamp"):
        return TERMINATING
    return _BY_KIND.get(str(child.get("kind")), _ready_condition)(child)


def pod_state(pod: LiveObject) -> DisplayState:
    """Return the state of a pod: why its first failing container waits or ended, or whether the pod is ready."""
    if nested_field(pod, "metadata", "deletionTimestamp"):
        return TERMINATING
    containers = nested_field(pod, "status", "containerStatuses") or ()
    count = sum(container.get("restartCount", 0) for container in containers)
    restarts = f", restarted {count} times" if count > 1 else ", restarted once" if count else ""
    for container in containers:
        for state in ("waiting", "terminated"):
            reason = nested_field(container, "state", state, "reason")
            if reason:
                bad = reason not in {"ContainerCreating", "PodInitializing", "Completed"}
                return DisplayState(f"{reason}{restarts}", Colour.BAD if bad else Colour.WAITING)
    if containers and all(container.get("ready") for container in containers):
        return DisplayState(f"ready{restarts}", Colour.GOOD)
    phase = nested_field(pod, "status", "phase") or "Pending"
    return DisplayState(f"{phase}{', not ready' if phase == 'Running' else ''}{restarts}", Colour.WAITING)

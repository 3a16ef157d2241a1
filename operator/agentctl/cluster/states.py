"""One phrase of state for each kind of child, read from the live object."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agentctl.offline.input_files import dig

Object = Mapping[str, Any]


class Colour(StrEnum):
    """What rich calls the colours used here."""

    GOOD = "green"
    WAITING = "yellow"
    BAD = "red"
    PLAIN = ""


@dataclass(frozen=True, slots=True)
class State:
    """A phrase and the colour of what it means."""

    text: str
    colour: Colour = Colour.PLAIN


def _deployment(child: Object) -> State:
    # An HPA or a default may own the number: the API server always fills it in.
    wanted = dig(child, "spec", "replicas")
    wanted = 1 if wanted is None else wanted
    status = dig(child, "status") or {}
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    text = f"{ready}/{wanted} ready" + ("" if updated >= wanted else f", {updated} updated")
    return State(text, Colour.GOOD if ready >= wanted and updated >= wanted else Colour.WAITING)


def _autoscaler(child: Object) -> State:
    spec, status = dig(child, "spec") or {}, dig(child, "status") or {}
    bounds = f"{spec.get('minReplicas', 1)} to {spec.get('maxReplicas')}"
    return State(f"{status.get('currentReplicas', 0)} replicas of {bounds}")


def _budget(child: Object) -> State:
    allowed = dig(child, "status", "disruptionsAllowed") or 0
    return State(f"{allowed} disruption{'' if allowed == 1 else 's'} allowed")


def _service(child: Object) -> State:
    address = dig(child, "spec", "clusterIP") or "no address"
    ports = ", ".join(str(port.get("port")) for port in dig(child, "spec", "ports") or ())
    return State(f"{dig(child, 'spec', 'type') or 'ClusterIP'} {address}, ports {ports}")


def _ingress(child: Object) -> State:
    return State(", ".join(rule.get("host", "*") for rule in dig(child, "spec", "rules") or ()))


def _namespace(child: Object) -> State:
    phase = dig(child, "status", "phase") or "Active"
    return State(phase, Colour.PLAIN if phase == "Active" else Colour.WAITING)


def _conditioned(child: Object) -> State:
    for condition in dig(child, "status", "conditions") or ():
        if condition.get("type") == "Ready":
            good = condition.get("status") == "True"
            return State(condition.get("reason") or "Ready", Colour.GOOD if good else Colour.BAD)
    return State("present")


_BY_KIND: Mapping[str, Callable[[Object], State]] = {
    "Deployment": _deployment,
    "HorizontalPodAutoscaler": _autoscaler,
    "PodDisruptionBudget": _budget,
    "Service": _service,
    "Ingress": _ingress,
    "Namespace": _namespace,
}


def of(child: Object) -> State:
    """Return the state of a live child."""
    if dig(child, "metadata", "deletionTimestamp"):
        return State("being deleted", Colour.WAITING)
    return _BY_KIND.get(str(child.get("kind")), _conditioned)(child)


def of_pod(pod: Object) -> State:
    """Return the state of a pod: what holds its first container up, or whether it is ready."""
    if dig(pod, "metadata", "deletionTimestamp"):
        return State("being deleted", Colour.WAITING)
    containers = dig(pod, "status", "containerStatuses") or ()
    restarts = sum(container.get("restartCount", 0) for container in containers)
    more = f", restarted {restarts} times" if restarts > 1 else ", restarted once" if restarts else ""
    for container in containers:
        for phase in ("waiting", "terminated"):
            reason = dig(container, "state", phase, "reason")
            if reason:
                bad = reason not in {"ContainerCreating", "PodInitializing", "Completed"}
                return State(f"{reason}{more}", Colour.BAD if bad else Colour.WAITING)
    if containers and all(container.get("ready") for container in containers):
        return State(f"ready{more}", Colour.GOOD)
    phase = dig(pod, "status", "phase") or "Pending"
    return State(f"{phase}, not ready{more}" if phase == "Running" else f"{phase}{more}", Colour.WAITING)

"""Functions on pods: phase, readiness, and which to delete first."""

from localkube.meta.objects import (
    annotations_of,
    find_condition,
    is_deleting,
    is_true,
    unix_seconds,
)
from localkube.meta.status import Object

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def is_finished(pod: Object) -> bool:
    """Whether the phase is Succeeded or Failed."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Whether the pod counts as a replica: neither finished nor being deleted."""
    return not is_finished(pod) and not is_deleting(pod)


def is_ready(pod: Object) -> bool:
    """Whether the pod's Ready condition is True."""
    return is_true(pod.get("status", {}).get("conditions"), "Ready")


def ready_since(pod: Object) -> float | None:
    """Unix seconds at which a ready pod became ready; None if it is not ready."""
    found = find_condition(pod.get("status", {}).get("conditions"), "Ready")
    if found is None or found["status"] != "True":
        return None
    return unix_seconds(found["lastTransitionTime"])


def available_in(pod: Object, min_ready_seconds: int, now: float) -> float | None:
    """Seconds until a ready pod is available, 0 if it is; None if it is not ready."""
    since = ready_since(pod)
    if since is None:
        return None
    return max(since + min_ready_seconds - now, 0.0) if min_ready_seconds else 0.0


def deletion_rank(pod: Object) -> tuple[object, ...]:
    """Sort key: pods to delete first come first.

    In order: unassigned, pending, not ready, of low deletion cost, ready for a short time, with many restarts, new.
    """
    status = pod.get("status", {})
    restarts = max((c.get("restartCount", 0) for c in status.get("containerStatuses") or ()), default=0)
    return (
        bool(pod["spec"].get("nodeName")),
        _PHASES.get(status.get("phase", "Pending"), 0),
        is_ready(pod),
        _cost(pod),
        -(ready_since(pod) or 0.0),
        -restarts,
        -unix_seconds(pod["metadata"]["creationTimestamp"]),
        pod["metadata"]["name"],
    )


def _cost(pod: Object) -> int:
    try:
        return int(annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0

"""Compute the status of a Deployment from its ReplicaSets. Pure."""

from localkube.controllers.rollout import fenceposts, replicas_of, total_of
from localkube.meta.objects import find_condition, timestamp, unix_seconds
from localkube.meta.status import Object

NO_DEADLINE = 2**31 - 1
AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"


def condition(kind: str, status: str, reason: str, message: str, now: float) -> Object:
    """A DeploymentCondition whose times are `now`."""
    stamp = timestamp(now)
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp,
        "reason": reason,
        "message": message,
    }


def put_condition(status: Object, new: Object) -> None:
    """Set a condition in `status` if its status or reason changes; lastTransitionTime changes with its status."""
    old = find_condition(status.get("conditions"), new["type"])
    if old and (old["status"], old["reason"]) == (new["status"], new["reason"]):
        return
    if old and old["status"] == new["status"]:
        new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
    kept = [c for c in status.get("conditions") or () if c["type"] != new["type"]]
    status["conditions"] = [*kept, new]


def counts(deployment: Object, new: Object | None, replicasets: list[Object], now: float) -> Object:
    """The status, except for the condition Progressing."""
    available = _sum(replicasets, "availableReplicas")
    before = deployment.get("status", {})
    status: Object = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": _sum(replicasets, "replicas"),
        "updatedReplicas": _sum([new] if new else [], "replicas"),
        "readyReplicas": _sum(replicasets, "readyReplicas"),
        "availableReplicas": available,
        "terminatingReplicas": _sum(replicasets, "terminatingReplicas"),
        "unavailableReplicas": max(total_of(replicasets) - available, 0),
        "conditions": list(before.get("conditions") or ()),
        "collisionCount": before.get("collisionCount"),
    }
    if available >= replicas_of(deployment) - fenceposts(deployment)[1]:
        words = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        words = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    put_condition(status, condition("Available", *words, now))
    _copy_failure(status, replicasets)
    return status


def _sum(replicasets: list[Object], field: str) -> int:
    return sum(rs.get("status", {}).get(field, 0) for rs in replicasets)


def _copy_failure(status: Object, replicasets: list[Object]) -> None:
    failures = [find_condition(rs.get("status", {}).get("conditions"), "ReplicaFailure") for rs in replicasets]
    failure = next(filter(None, failures), None)
    if failure is None:
        status["conditions"] = [c for c in status["conditions"] if c["type"] != "ReplicaFailure"]
    else:
        put_condition(status, {**failure, "lastUpdateTime": failure["lastTransitionTime"]})


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether all replicas are updated and available, and no old ones exist."""
    wanted = replicas_of(deployment)
    return bool(
        status["updatedReplicas"] == wanted
        and status["replicas"] == wanted
        and status["availableReplicas"] == wanted
        and status["observedGeneration"] >= deployment["metadata"].get("generation", 1)
    )


def progress(deployment: Object, new: Object | None, status: Object, now: float) -> None:
    """Set the condition Progressing in `status`."""
    if not has_deadline(deployment):
        status["conditions"] = [c for c in status["conditions"] if c["type"] != "Progressing"]
        return
    old = find_condition(status["conditions"], "Progressing")
    if old and old["reason"] == AVAILABLE and status["replicas"] == status["updatedReplicas"]:
        return
    name = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    if is_complete(deployment, status):
        put_condition(status, condition("Progressing", "True", AVAILABLE, f"{name} has successfully progressed.", now))
    elif _advanced(deployment.get("status", {}), status):
        _refresh(status, old, condition("Progressing", "True", "ReplicaSetUpdated", f"{name} is progressing.", now))
    elif timed_out(deployment, status, now):
        put_condition(status, condition("Progressing", "False", TIMED_OUT, f"{name} has timed out progressing.", now))


def _refresh(status: Object, old: Object | None, new: Object) -> None:
    # The deadline counts from lastUpdateTime, so every progress sets it.
    if old and old["status"] == new["status"]:
        new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
    status["conditions"] = [*(c for c in status["conditions"] if c["type"] != "Progressing"), new]


def _advanced(before: Object, status: Object) -> bool:
    old = {k: before.get(k, 0) for k in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")}
    return bool(
        status["updatedReplicas"] > old["updatedReplicas"]
        or status["replicas"] - status["updatedReplicas"] < old["replicas"] - old["updatedReplicas"]
        or status["readyReplicas"] > old["readyReplicas"]
        or status["availableReplicas"] > old["availableReplicas"]
    )


def has_deadline(deployment: Object) -> bool:
    """Whether the Deployment has a progress deadline."""
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    return seconds is not None and seconds != NO_DEADLINE


def timed_out(deployment: Object, status: Object, now: float) -> bool:
    """Whether there was no progress for progressDeadlineSeconds."""
    old = find_condition(status["conditions"], "Progressing")
    if old is None or old["reason"] in (AVAILABLE, PAUSED):
        return False
    return old["reason"] == TIMED_OUT or seconds_left(deployment, status, now) == 0


def seconds_left(deployment: Object, status: Object, now: float) -> float | None:
    """Seconds until an unfinished rollout times out; None if it has no deadline."""
    old = find_condition(status.get("conditions"), "Progressing")
    if old is None or not has_deadline(deployment) or old["reason"] in (AVAILABLE, TIMED_OUT, PAUSED):
        return None
    deadline = float(deployment["spec"]["progressDeadlineSeconds"])
    return max(unix_seconds(old["lastUpdateTime"]) + deadline - now, 0.0)


def without_zeros(status: Object) -> Object:
    """The status as it is stored: without counts of zero."""
    return {k: v for k, v in status.items() if v or k == "terminatingReplicas"}

"""The failure of a pod, as Kubernetes or the container reports it."""

from collections.abc import Iterator, Mapping
from typing import Any

# Waiting reasons of a container that is starting normally.
_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
_MESSAGE_LIMIT = 1024
# Reason of the condition PodScheduled of a pod for which no node has room.
UNSCHEDULABLE = "Unschedulable"


def of_pod(pod: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return status.lastFailure for a failing pod; None for a pod that runs, starts or is being deleted."""
    if "deletionTimestamp" in pod["metadata"]:
        return None
    status = pod.get("status") or {}
    found = next(_of_containers(status), None) or _of_phase(status) or _unscheduled(status)
    if found is None:
        return None
    found = {key: value for key, value in found.items() if value is not None}
    if "message" in found:
        found["message"] = found["message"].strip()[-_MESSAGE_LIMIT:]
    return {"pod": pod["metadata"]["name"], **found}


def describe(failure: Mapping[str, Any]) -> str:
    """Describe a failure in one sentence."""
    code = f" with exit code {failure['exitCode']}" if "exitCode" in failure else ""
    message = f": {failure['message']}" if failure.get("message") else ""
    return f"pod {failure['pod']}: {failure['reason']}{code}{message}"


def _of_containers(status: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        failure = _of_container(container)
        if failure:
            yield {"container": container["name"], **failure}


def _of_container(container: Mapping[str, Any]) -> dict[str, Any] | None:
    state = container.get("state") or {}
    waiting = state.get("waiting")
    last = (container.get("lastState") or {}).get("terminated")
    if waiting and waiting.get("reason", "ContainerCreating") not in _STARTING:
        # The termination message says more than "back-off 40s restarting failed container".
        ended = last or {}
        return {
            "reason": waiting["reason"],
            "exitCode": ended.get("exitCode"),
            "message": ended.get("message") or waiting.get("message"),
            "time": ended.get("finishedAt"),
        }
    ended = state.get("terminated") or (last if not container.get("ready") else None)
    if not ended or ended.get("exitCode", 0) == 0:
        return None
    return {
        "reason": ended.get("reason") or "Error",
        "exitCode": ended["exitCode"],
        "message": ended.get("message"),
        "time": ended.get("finishedAt"),
    }


def _of_phase(status: Mapping[str, Any]) -> dict[str, Any] | None:
    if status.get("phase") != "Failed":
        return None
    return {"reason": status.get("reason") or "Failed", "message": status.get("message")}


def _unscheduled(status: Mapping[str, Any]) -> dict[str, Any] | None:
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return {
                "reason": condition.get("reason") or UNSCHEDULABLE,
                "message": condition.get("message"),
                "time": condition.get("lastTransitionTime"),
            }
    return None

"""The failure of a pod, as Kubernetes or the container reports it."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.kube.shapes import conditions, mapping, mappings, number, text

# Waiting reasons of a container that is starting normally.
_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
_MESSAGE_LIMIT = 1024
# Reason of the condition PodScheduled of a pod for which no node has room.
UNSCHEDULABLE = "Unschedulable"


def of_pod(pod: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return status.lastFailure for a failing pod; None for a pod that runs, starts or is being deleted."""
    if "deletionTimestamp" in pod["metadata"]:
        return None
    status = mapping(pod.get("status"))
    found = next(_of_containers(status), None) or _of_phase(status) or _unscheduled(status)
    if found is None:
        return None
    found = {key: value for key, value in found.items() if value is not None}
    if "message" in found:
        found["message"] = text(found["message"]).strip()[-_MESSAGE_LIMIT:]
    found["reason"] = text(found["reason"])[:_MESSAGE_LIMIT] or "Error"
    return {"pod": pod["metadata"]["name"], **found}


def describe(failure: Mapping[str, Any]) -> str:
    """Describe a failure in one sentence."""
    code = f" with exit code {failure['exitCode']}" if "exitCode" in failure else ""
    message = f": {failure['message']}" if failure.get("message") else ""
    return f"pod {failure['pod']}: {failure['reason']}{code}{message}"


def _of_containers(status: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for field in ("initContainerStatuses", "containerStatuses"):
        for container in mappings(status.get(field)):
            failure = _of_container(container)
            if failure:
                yield {"container": text(container.get("name")), **failure}


def _of_container(container: Mapping[str, Any]) -> dict[str, Any] | None:
    state = mapping(container.get("state"))
    waiting = mapping(state.get("waiting"))
    last = mapping(mapping(container.get("lastState")).get("terminated"))
    if waiting and waiting.get("reason", "ContainerCreating") not in _STARTING:
        # The termination message says more than "back-off 40s restarting failed container".
        return {
            "reason": waiting["reason"],
            "exitCode": last.get("exitCode"),
            "message": last.get("message") or waiting.get("message"),
            "time": last.get("finishedAt"),
        }
    ended = mapping(state.get("terminated")) or (last if not container.get("ready") else {})
    if not number(ended.get("exitCode")):
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
    for condition in conditions(status.get("conditions")):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return {
                "reason": condition.get("reason") or UNSCHEDULABLE,
                "message": condition.get("message"),
                "time": condition.get("lastTransitionTime"),
            }
    return None

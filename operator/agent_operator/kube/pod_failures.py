"""The failure of a pod, as Kubernetes or the container reports it.

A failure names the cause, and stays the same while the kubelet tries again. Otherwise the status would alternate
between `OOMKilled` and `CrashLoopBackOff` every few seconds.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent_operator.api.constants import CONTAINER
from agent_operator.kube.shapes import conditions, mapping, mappings, number, text
from agent_runtime.config.terminal import printable

# Waiting reasons of a container that is starting normally.
_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
# The kubelet alternates between the two.
_IMAGE_PULL = frozenset({"ErrImagePull", "ImagePullBackOff"})
_PULL_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*"(: ErrImagePull)?(: )?')
# Reasons of a terminated container that say no more than its exit code.
_UNSPECIFIC = frozenset({"", "Error", "Completed"})
_MESSAGE_LIMIT = 1024
# Reason of the condition PodScheduled of a pod for which no node has room.
UNSCHEDULABLE = "Unschedulable"
# Reason of a Deployment whose pods the API server rejects.
FAILED_CREATE = "FailedCreate"


def of_pod(pod: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return status.lastFailure for a failing pod; None for a pod that runs, starts or is being deleted."""
    if "deletionTimestamp" in pod["metadata"]:
        return None
    status = mapping(pod.get("status"))
    found = next(_of_containers(pod, status), None) or _of_phase(status) or _unscheduled(status)
    return _bounded({"pod": pod["metadata"]["name"], **found}) if found is not None else None


def of_deployment(found: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return status.lastFailure for the conditions of a Deployment; None unless its pods are rejected.

    A quota, an admission policy or a missing PriorityClass may be the cause.
    """
    for condition in found:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            reason = condition.get("reason") or FAILED_CREATE
            return _bounded(
                {"reason": reason, "message": condition.get("message"), "time": condition.get("lastTransitionTime")}
            )
    return None


def with_earlier_cause(failure: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Add the cause that an earlier status has, if it is the same failure.

    Before Kubernetes 1.32, the kubelet reports why it cannot pull an image only between two back-offs.
    """
    if failure is None or failure.get("message") or not before:
        return dict(failure) if failure is not None else None
    is_same = all(failure.get(field) == before.get(field) for field in ("pod", "container", "reason"))
    return {**failure, "message": before["message"]} if is_same and before.get("message") else dict(failure)


def unready_sidecars(pod: Mapping[str, Any]) -> list[str]:
    """Return the containers of a running pod, other than the agent's, that are not ready."""
    status = mapping(pod.get("status"))
    if "deletionTimestamp" in pod["metadata"] or status.get("phase") != "Running":
        return []
    containers = [*mappings(status.get("initContainerStatuses")), *mappings(status.get("containerStatuses"))]
    # An init container that has ended is ready, too.
    names = (text(container.get("name")) for container in containers if container.get("ready") is False)
    return [name for name in names if name != CONTAINER]


def _bounded(failure: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in failure.items() if value is not None}
    if "message" in found:
        found["message"] = printable(text(found["message"]).strip()[-_MESSAGE_LIMIT:])
    found["reason"] = text(found["reason"])[:_MESSAGE_LIMIT] or "Error"
    return {key: value for key, value in found.items() if value != ""}


def describe(failure: Mapping[str, Any]) -> str:
    """Describe a failure in one sentence."""
    code = f" with exit code {failure['exitCode']}" if "exitCode" in failure else ""
    message = f": {failure['message']}" if failure.get("message") else ""
    subject = f"pod {failure['pod']}" if failure.get("pod") else "the pods are rejected"
    container = f", container {failure['container']}" if failure.get("container", CONTAINER) != CONTAINER else ""
    return f"{subject}{container}: {failure['reason']}{code}{message}"


def _of_containers(pod: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for field in ("initContainerStatuses", "containerStatuses"):
        for container in mappings(status.get(field)):
            failure = _of_container(pod, container)
            if failure:
                yield {"container": text(container.get("name")), **failure}


def _of_container(pod: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any] | None:
    state = mapping(container.get("state"))
    waiting = mapping(state.get("waiting"))
    reason = text(waiting.get("reason")) or "ContainerCreating"
    last = mapping(mapping(container.get("lastState")).get("terminated"))
    ended = mapping(state.get("terminated")) or (last if not container.get("ready") else {})
    if reason == "CrashLoopBackOff" or (number(ended.get("exitCode")) and reason in _STARTING):
        return _of_crash(pod, container, ended, is_looping=reason == "CrashLoopBackOff")
    if reason in _STARTING:
        return None
    if reason in _IMAGE_PULL:
        cause = _PULL_BACK_OFF.sub("", text(waiting.get("message")))
        return {"reason": "ImagePullBackOff", "message": cause or None}
    return {"reason": reason, "message": waiting.get("message")}


def _of_crash(
    pod: Mapping[str, Any], container: Mapping[str, Any], ended: Mapping[str, Any], *, is_looping: bool
) -> dict[str, Any]:
    reason, message = text(ended.get("reason")), ended.get("message")
    if reason == "OOMKilled":
        message = _out_of_memory(pod, text(container.get("name")))
    elif reason in _UNSPECIFIC:
        is_looping = is_looping or number(container.get("restartCount")) > 0
        reason = "CrashLoopBackOff" if is_looping else "Error"
    return {"reason": reason, "exitCode": ended.get("exitCode"), "message": message, "time": ended.get("finishedAt")}


def _out_of_memory(pod: Mapping[str, Any], name: str) -> str:
    spec = mapping(pod.get("spec"))
    containers = [*mappings(spec.get("initContainers")), *mappings(spec.get("containers"))]
    container = next((it for it in containers if it.get("name") == name), {})
    limit = mapping(mapping(container.get("resources")).get("limits")).get("memory")
    field = "spec.resources" if name == CONTAINER else f"spec.podTemplate.spec.containers[{name}].resources"
    exceeded = f"exceeded its memory limit of {limit}" if limit else "was killed because its node had no free memory"
    return f"the container {exceeded}: raise {field}.limits.memory, or reduce what the container keeps in memory"


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

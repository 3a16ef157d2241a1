"""The status of simulated pods. Pure.

Most are Ready. The spec decides, so that a test can use the same pods with a real kubelet: an image of `nowhere/` is
not found; Python with a missing home crashes repeatedly; a pod that ends, as that of a Job, has the report in its
variable STAND_IN_REPORT as its termination message, by default that of passed checks. With the value `none` it
does not end.
"""

from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
NO_IMAGE = "nowhere/"
CRASHES = "PYTHONHOME"
REPORT = "STAND_IN_REPORT"
ENDLESS = "none"
PASSED = '{"passed": true, "total": 1, "failed": 0, "checks": []}'


def status(pod: Object, address: str) -> Object:
    """Return the status of a pod with a node; `address` is its IP."""
    now = _now()
    states = [_state(pod, container, now) for container in pod["spec"]["containers"]]
    phase = _phase(states)
    ready = str(all(state["ready"] for state in states))
    statuses = {"PodScheduled": "True", "Initialized": "True", "ContainersReady": ready, "Ready": ready}
    since = {item["type"]: item["lastTransitionTime"] for item in pod.get("status", {}).get("conditions") or ()}
    conditions = [
        {"type": kind, "status": item, "lastTransitionTime": since.get(kind, now)} for kind, item in statuses.items()
    ]
    found: Object = {"phase": phase, "conditions": conditions, "containerStatuses": states, "startTime": now}
    return found | {"hostIP": address, "podIP": address, "podIPs": [{"ip": address}]}


def ended(pod: Object) -> Object:
    """Return the status of a pod that is deleted: a Job waits for its pods to end."""
    found = pod.get("status") or {}
    if found.get("phase") in ("Succeeded", "Failed"):
        return found
    killed = _terminated(137, "", _now())
    states = [item | {"ready": False, "state": killed} for item in found.get("containerStatuses") or ()]
    return found | {"phase": "Failed", "containerStatuses": states}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _phase(states: list[Object]) -> str:
    codes = [state["state"]["terminated"]["exitCode"] for state in states if "terminated" in state["state"]]
    if codes:
        return "Failed" if any(codes) else "Succeeded"
    # A container that waits for its restart has run; one without an image has not.
    return "Running" if all("running" in state["state"] or state["restartCount"] for state in states) else "Pending"


def _state(pod: Object, container: Object, now: str) -> Object:
    variables = {item["name"]: item.get("value", "") for item in container.get("env") or ()}
    found: Object = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
    found |= {"ready": False, "started": False, "lastState": {}}
    if container["image"].startswith(NO_IMAGE):
        waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{container["image"]}"'}
        return found | {"state": {"waiting": waiting}}
    report = variables.get(REPORT, PASSED)
    if pod["spec"].get("restartPolicy") == "Never" and report != ENDLESS:
        return found | {"state": _terminated(0 if report == PASSED else 1, report, now)}
    if CRASHES in variables:
        waiting = {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}
        last = _terminated(1, "Fatal Python error: no module named 'encodings'", now)
        return found | {"restartCount": 3, "state": {"waiting": waiting}, "lastState": last}
    return found | {"ready": True, "started": True, "state": {"running": {"startedAt": now}}}


def _terminated(code: int, message: str, now: str) -> Object:
    reason = "Error" if code else "Completed"
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, "startedAt": now, "finishedAt": now}}

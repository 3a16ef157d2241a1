"""What pods that run nothing are said to do. Pure.

Most are Ready. By their spec, so that a test can have the same pods with a real kubelet and with none: an image of
`nowhere/` is not found; Python with a home that is not there ends again and again; a pod that ends, as a Job's, leaves
what its variable STAND_IN_REPORT says as its termination message, or the report of checks that passed;
with the value `none` it goes on.
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
    """Return the status of a pod that has a node; `address`: its IP."""
    now = _now()
    states = [_state(pod, container, now) for container in pod["spec"]["containers"]]
    phase = _phase(states)
    ready = str(all(state["ready"] for state in states))
    told = {"PodScheduled": "True", "Initialized": "True", "ContainersReady": ready, "Ready": ready}
    since = {it["type"]: it["lastTransitionTime"] for it in pod.get("status", {}).get("conditions") or ()}
    conditions = [{"type": kind, "status": it, "lastTransitionTime": since.get(kind, now)} for kind, it in told.items()]
    found: Object = {"phase": phase, "conditions": conditions, "containerStatuses": states, "startTime": now}
    return found | {"hostIP": address, "podIP": address, "podIPs": [{"ip": address}]}


def ended(pod: Object) -> Object:
    """Return what a pod's status becomes as the pod is deleted: a Job waits for its pods to have ended."""
    found = pod.get("status") or {}
    if found.get("phase") in ("Succeeded", "Failed"):
        return found
    killed = _terminated(137, "", _now())
    states = [it | {"ready": False, "state": killed} for it in found.get("containerStatuses") or ()]
    return found | {"phase": "Failed", "containerStatuses": states}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _phase(states: list[Object]) -> str:
    codes = [state["state"]["terminated"]["exitCode"] for state in states if "terminated" in state["state"]]
    if codes:
        return "Failed" if any(codes) else "Succeeded"
    # A container that waits to be started again has run; one without an image has not.
    return "Running" if all("running" in state["state"] or state["restartCount"] for state in states) else "Pending"


def _state(pod: Object, container: Object, now: str) -> Object:
    variables = {it["name"]: it.get("value", "") for it in container.get("env") or ()}
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

"""The table of pods."""

from typing import Any

from localkube.apiserver.http.tables import cells
from localkube.apiserver.http.tables.columns import AGE, NAME, Column
from localkube.meta.status import Object

COLUMNS = (
    NAME,
    Column("Ready", "The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", "The aggregate status of the containers in this pod."),
    Column(
        "Restarts",
        "The number of times the containers in this pod have been restarted and when the last container in this pod "
        "has restarted.",
    ),
    AGE,
    Column("IP", "=Pod.status.podIP", wide=True),
    Column("Node", "=Pod.spec.nodeName", wide=True),
    Column("Nominated Node", "=Pod.status.nominatedNodeName", wide=True),
    Column("Readiness Gates", "=Pod.spec.readinessGates", wide=True),
)


def row(obj: Object) -> list[Any]:
    """The cells of a pod."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    statuses = status.get("containerStatuses") or []
    ready = sum(1 for s in statuses if s.get("ready"))
    return [
        obj["metadata"]["name"],
        f"{ready}/{len(spec.get('containers') or ())}",
        phase(obj, statuses),
        _restarts(statuses),
        cells.age(obj["metadata"].get("creationTimestamp")),
        status.get("podIP") or cells.NONE,
        spec.get("nodeName") or cells.NONE,
        status.get("nominatedNodeName") or cells.NONE,
        _gates(obj, spec),
    ]


def phase(obj: Object, statuses: list[Object]) -> str:
    """The STATUS of a pod: the reason of a container if there is one, else the phase."""
    status = obj.get("status") or {}
    reason = status.get("reason") or status.get("phase") or "Unknown"
    waiting = _initializing(obj)
    if waiting:
        reason = waiting
    else:
        running = False
        for container in reversed(statuses):
            found = _container(container)
            reason = found or reason
            running |= bool(container.get("ready")) and "running" in (container.get("state") or {})
        if reason == "Completed" and running:
            ready = (cells.condition(obj, "Ready") or {}).get("status") == "True"
            reason = "Running" if ready else "NotReady"
    if "deletionTimestamp" in obj["metadata"]:
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return str(reason)


def _container(container: Object) -> str:
    state = container.get("state") or {}
    if (state.get("waiting") or {}).get("reason"):
        return str(state["waiting"]["reason"])
    ended = state.get("terminated")
    if not ended:
        return ""
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _initializing(obj: Object) -> str:
    statuses = (obj.get("status") or {}).get("initContainerStatuses") or []
    for index, container in enumerate(statuses):
        ended = (container.get("state") or {}).get("terminated")
        if ended and not ended.get("exitCode"):
            continue
        found = _container(container)
        if found and found != "PodInitializing":
            return f"Init:{found}"
        return f"Init:{index}/{len((obj.get('spec') or {}).get('initContainers') or ())}"
    return ""


def _restarts(statuses: list[Object]) -> str:
    total = sum(s.get("restartCount", 0) for s in statuses)
    ends = [
        (s.get("lastState") or {}).get("terminated", {}).get("finishedAt")
        for s in statuses
        if (s.get("lastState") or {}).get("terminated")
    ]
    last = max((e for e in ends if e), default=None)
    return f"{total} ({cells.age(last)} ago)" if total and last else str(total)


def _gates(obj: Object, spec: Object) -> str:
    gates = spec.get("readinessGates") or ()
    if not gates:
        return cells.NONE
    met = sum(1 for g in gates if (cells.condition(obj, g["conditionType"]) or {}).get("status") == "True")
    return f"{met}/{len(gates)}"

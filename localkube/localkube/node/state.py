"""The state of a container, and the status of a pod computed from its containers. Pure."""

from dataclasses import dataclass, field

from localkube.meta.objects import timestamp, with_condition
from localkube.meta.status import Object

RESTART_ALWAYS = "Always"
_FINISHED = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}  # phase → reason of its conditions


@dataclass(slots=True)
class ContainerState:
    """The state of one container, across restarts."""

    spec: Object
    is_init: bool = False
    state: Object = field(default_factory=lambda: waiting("ContainerCreating"))
    last: Object = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    started: bool = False
    container_id: str = ""

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.spec["name"])

    @property
    def is_sidecar(self) -> bool:
        """Whether it is an init container with restartPolicy Always."""
        return self.is_init and self.spec.get("restartPolicy") == RESTART_ALWAYS

    @property
    def exit_code(self) -> int | None:
        """The exit code while it is terminated; None while it runs or waits."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    @property
    def is_done(self) -> bool:
        """Whether the next init container may start."""
        return self.started if self.is_sidecar else self.exit_code == 0

    def status(self) -> Object:
        """The entry of `containerStatuses`."""
        found: Object = {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": f"local://{self.spec['image']}" if self.container_id else "",
            "lastState": self.last,
            "ready": self.ready,
            "restartCount": self.restarts,
            "started": self.started,
            "state": self.state,
        }
        if self.container_id:
            found["containerID"] = self.container_id
        return found


def waiting(reason: str, message: str = "") -> Object:
    """The state of a container that is not running."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def running(now: float) -> Object:
    """The state of a running container."""
    return {"running": {"startedAt": timestamp(now)}}


def terminated(code: int, started: str, now: float, *, reason: str = "", message: str = "") -> Object:
    """The state of a terminated container."""
    ended: Object = {
        "exitCode": code,
        "reason": reason or ("Completed" if code == 0 else "Error"),
        "startedAt": started,
        "finishedAt": timestamp(now),
    }
    if message:
        ended["message"] = message
    return {"terminated": ended}


def phase(pod: Object, init: list[ContainerState], main: list[ContainerState], *, over: bool = False) -> str:
    """Pending, Running, Succeeded or Failed. `over`: the containers were stopped and no container will start."""
    if over:
        return "Succeeded" if all(s.exit_code == 0 for s in main) else "Failed"
    never = pod["spec"].get("restartPolicy", RESTART_ALWAYS) == "Never"
    if any(s.exit_code for s in init if not s.is_sidecar) and never:
        return "Failed"
    if not all(s.is_done for s in init) and not any(s.restarts or "running" in s.state for s in main):
        return "Pending"
    codes = [s.exit_code for s in main]
    policy = pod["spec"].get("restartPolicy", RESTART_ALWAYS)
    if all(code is not None for code in codes) and policy != RESTART_ALWAYS:
        if not any(codes):
            return "Succeeded"
        if never:
            return "Failed"
    begun = any("waiting" not in s.state or s.last or s.restarts for s in main)
    return "Running" if begun else "Pending"


def conditions(
    pod: Object,
    init: list[ContainerState],
    main: list[ContainerState],
    now: float,
    state: str = "",
    *,
    mounted: bool = True,
) -> list[Object]:
    """The pod's conditions in a phase (`state`). Conditions of other clients, such as readiness gates, are kept."""
    old = pod.get("status", {}).get("conditions")
    finished = _FINISHED.get(state, "")
    incomplete = [s.name for s in init if not s.is_done]
    unready = [s.name for s in (*init, *main) if not s.ready and (s.is_sidecar or not s.is_init)]
    result = list(old or ())
    for kind, ok, reason, message in (
        ("PodReadyToStartContainers", mounted and not finished, "", ""),
        ("Initialized", not incomplete, *_why(incomplete, "ContainersNotInitialized", "incomplete", finished)),
        ("Ready", *_ready(pod, result, unready, finished)),
        ("ContainersReady", not unready, *_why(unready, "ContainersNotReady", "unready", finished)),
        ("PodScheduled", True, "", ""),
    ):
        result = with_condition(result, _condition(pod, kind, (ok, reason, message), now))
    return result


def _condition(pod: Object, kind: str, values: tuple[bool, str, str], now: float) -> Object:
    ok, reason, message = values
    found: Object = {
        "type": kind,
        "status": "True" if ok else "False",
        "observedGeneration": pod["metadata"].get("generation", 1),
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(now),
    }
    if not ok or reason == "PodCompleted":
        found |= {k: v for k, v in (("reason", reason), ("message", message)) if v}
    return found


def _why(names: list[str], reason: str, word: str, finished: str) -> tuple[str, str]:
    if finished and (names or finished == "PodCompleted"):
        return finished, ""
    return (reason, f"containers with {word} status: [{' '.join(names)}]") if names else ("", "")


def _ready(pod: Object, present: list[Object], unready: list[str], finished: str) -> tuple[bool, str, str]:
    if unready:
        return (False, *_why(unready, "ContainersNotReady", "unready", finished))
    true = {c["type"] for c in present if c["status"] == "True"}
    gates = [g["conditionType"] for g in pod["spec"].get("readinessGates") or () if g["conditionType"] not in true]
    if gates:
        message = f'corresponding condition of pod readiness gate "{gates[0]}" does not exist.'
        return False, "ReadinessGatesNotReady", message
    return True, "", ""


def pod_status(
    pod: Object,
    init: list[ContainerState],
    main: list[ContainerState],
    address: tuple[str, str],
    now: float,
    *,
    over: bool = False,
) -> Object:
    """The status of a pod; `address` is (podIP, hostIP), without podIP before its volumes are mounted."""
    old = pod.get("status", {})
    found = phase(pod, init, main, over=over)
    status: Object = {
        **old,
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": found,
        "conditions": conditions(pod, init, main, now, found, mounted=bool(address[0])),
        "hostIP": address[1],
        "hostIPs": [{"ip": address[1]}],
        "startTime": old.get("startTime") or timestamp(now),
        "containerStatuses": [s.status() for s in main],
    }
    if address[0]:
        status |= {"podIP": address[0], "podIPs": [{"ip": address[0]}]}
    if init:
        status["initContainerStatuses"] = [s.status() for s in init]
    return status

"""What an agent that is not ready waits for, read from its conditions, children and pods. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agent_operator.api import constants
from agentctl.cluster.fleet import ready_condition
from agentctl.cluster.snapshot import Child, Snapshot
from agentctl.objects import Object, nested_field

# Conditions that are false because of the spec or what it refers to. Ready quotes the first of them.
_CAUSES = ("ConfigValid", "SecretsReady", "ComponentsHealthy")
_MISSING = "Missing"
_FAILURES = {"ReplicaFailure": "True", "Progressing": "False"}
# A container that runs through these states is starting.
_STARTING = frozenset({"ContainerCreating", "PodInitializing", "Completed"})


@dataclass(frozen=True, slots=True)
class Blocker:
    """One reason why an agent is not ready.

    Attributes:
        object: kind and name, such as `Pod web-1`.
        reason: in PascalCase.
        message: details; may be empty.
    """

    object: str
    reason: str
    message: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.object, self.reason, " ".join(self.message.split()))))

    def to_json(self) -> Object:
        """Return the blocker as `status -o json` prints it."""
        return {"object": self.object, "reason": self.reason, "message": self.message}


def blockers(snapshot: Snapshot) -> tuple[Blocker, ...]:
    """Return what an agent waits for; empty if it is ready."""
    ready = ready_condition(snapshot.agent)
    if ready.get("status") == "True":
        return ()
    causes = tuple(_causes(snapshot.agent))
    children = [item for child in snapshot.children for item in _of_child(child)]
    found = [
        *causes,
        # The operator creates no children as long as such a condition is false.
        *(item for item in children if not causes or item.reason != _MISSING),
        *(item for pod in snapshot.pods for item in _of_pod(pod)),
    ]
    if not found or ready.get("reason") not in {item.reason for item in found}:
        reason = str(ready.get("reason") or "Pending")
        message = str(ready.get("message") or "the operator has not reconciled the agent: check that it is running")
        found.insert(0, Blocker(_title(constants.KIND, snapshot.agent), reason, message))
    return tuple(dict.fromkeys(found))


def _causes(agent: Object) -> Iterator[Blocker]:
    for condition in nested_field(agent, "status", "conditions") or ():
        if condition.get("type") in _CAUSES and condition.get("status") == "False":
            yield Blocker(_title(constants.KIND, agent), str(condition["reason"]), str(condition["message"]))


def _of_child(child: Child) -> Iterator[Blocker]:
    title = f"{child.kind} {child.name}"
    if not child.served:
        yield Blocker(title, "NotServed", "the API server does not serve this kind: install its CRD")
    elif child.live is None:
        # Secrets are not read, and their problems are in the condition SecretsReady.
        if child.kind != "Secret":
            yield Blocker(title, _MISSING, "")
    elif child.kind == "Deployment":
        yield from _false(title, child.live, _FAILURES)
    elif child.ready is False:
        yield from _false(title, child.live, {"Ready": "False"})


def _false(title: str, obj: Object, bad: dict[str, str]) -> Iterator[Blocker]:
    for condition in _conditions(obj):
        if condition.get("status") == bad.get(str(condition.get("type"))):
            yield Blocker(title, str(condition.get("reason") or ""), str(condition.get("message") or ""))


def _of_pod(pod: Object) -> Iterator[Blocker]:
    if nested_field(pod, "metadata", "deletionTimestamp"):
        return
    title = _title("Pod", pod)
    conditions = {str(it.get("type")): it for it in _conditions(pod)}
    if conditions.get("Ready", {}).get("status") == "True":
        return
    if conditions.get("PodScheduled", {}).get("status") == "False":
        yield from _false(title, pod, {"PodScheduled": "False"})
        return
    kinds = ("initContainerStatuses", "containerStatuses")
    found = [item for kind in kinds for item in _of_containers(title, nested_field(pod, "status", kind) or ())]
    yield from found or _starting(title, pod)


def _of_containers(title: str, statuses: Iterable[Object]) -> Iterator[Blocker]:
    for status in statuses:
        for state in ("waiting", "terminated"):
            details = nested_field(status, "state", state) or {}
            reason = str(details.get("reason") or "")
            if reason and reason not in _STARTING:
                last = nested_field(status, "lastState", "terminated") or details
                code = last.get("exitCode")
                message = str(details.get("message") or last.get("message") or "")
                ended = f"container {status.get('name')} ended with exit code {code}" if code is not None else ""
                yield Blocker(title, reason, ": ".join(filter(None, (ended, message))))


def _starting(title: str, pod: Object) -> Iterator[Blocker]:
    running = nested_field(pod, "status", "phase") == "Running"
    if running:
        yield Blocker(title, "NotReady", "its readiness probe does not succeed")
    else:
        yield Blocker(title, str(nested_field(pod, "status", "phase") or "Pending"), "its containers are starting")


def _title(kind: str, obj: Object) -> str:
    return f"{kind} {nested_field(obj, 'metadata', 'name')}"


def _conditions(obj: Object) -> Iterable[Object]:
    return nested_field(obj, "status", "conditions") or ()

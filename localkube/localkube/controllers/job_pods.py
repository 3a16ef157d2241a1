"""Functions on the pods of a Job: which have finished, how, and what a failure means. Pure."""

from collections.abc import Iterable, Iterator

from localkube.controllers.pod_owner import pod_from_template
from localkube.meta.objects import annotations_of, is_deleting, labels_of, unix_seconds
from localkube.meta.status import Object

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"


def is_tracked(pod: Object) -> bool:
    """Whether the pod has the tracking finalizer: the Job has not counted it yet."""
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def has_succeeded(pod: Object) -> bool:
    """Whether the phase is Succeeded."""
    return bool(pod.get("status", {}).get("phase") == "Succeeded")


def has_failed(job: Object, pod: Object) -> bool:
    """Whether the pod counts as failed. A deleted pod does so at once, unless the Job waits until it has terminated."""
    phase = pod.get("status", {}).get("phase")
    if phase == "Failed" or waits_for_end(job):
        return bool(phase == "Failed")
    return is_deleting(pod) and phase != "Succeeded"


def waits_for_end(job: Object) -> bool:
    """Whether a terminating pod is replaced only after it has terminated."""
    return "podFailurePolicy" in job["spec"] or job["spec"].get("podReplacementPolicy") == "Failed"


def is_indexed(job: Object) -> bool:
    """Whether each completion has an index."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: Object) -> int | None:
    """The pod's completion index."""
    text = annotations_of(pod).get(INDEX, "")
    return int(text) if text.isdigit() else None


def parse_indexes(text: str) -> set[int]:
    """Parse `0,2-4` into numbers."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def format_indexes(numbers: Iterable[int]) -> str:
    """Format numbers as `0,2-4`. Three or more consecutive numbers form a range."""
    return ",".join(_range(first, last) for first, last in _rows(sorted(numbers)))


def _rows(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = 0
    for at, number in enumerate(numbers):
        if at and number != numbers[at - 1] + 1:
            yield numbers[first], numbers[at - 1]
            first = at
    if numbers:
        yield numbers[first], numbers[-1]


def _range(first: int, last: int) -> str:
    separator = "," if last == first + 1 else "-"
    return str(first) if first == last else f"{first}{separator}{last}"


def restarts(pods: Iterable[Object]) -> int:
    """The sum of the restarts of all containers."""
    return sum(
        status.get("restartCount", 0)
        for pod in pods
        for kind in ("initContainerStatuses", "containerStatuses")
        for status in pod.get("status", {}).get(kind) or ()
    )


def ended_at(pod: Object, now: float) -> float:
    """Unix seconds at which the last container terminated, or at which the deletion of the pod was requested."""
    ends = [state["finishedAt"] for state in _terminated(pod) if state.get("finishedAt")]
    if ends:
        return max(unix_seconds(end) for end in ends)
    if is_deleting(pod):
        grace = pod["metadata"].get("deletionGracePeriodSeconds", 0)
        return unix_seconds(pod["metadata"]["deletionTimestamp"]) - float(grace)
    return now


def _terminated(pod: Object) -> list[Object]:
    return [s for _, s in _ends(pod)]


def _ends(pod: Object) -> list[tuple[str, Object]]:
    """The names and states of terminated containers."""
    status = pod.get("status", {})
    known = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return [(s["name"], s["state"]["terminated"]) for s in known if "terminated" in (s.get("state") or {})]


def apply_failure_policy(job: Object, pod: Object) -> tuple[bool, str]:
    """Whether a failed pod counts towards backoffLimit, and why it fails the whole Job ("" if it does not)."""
    for at, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        why = _matches(rule, pod)
        if why:
            if rule["action"] == "FailJob":
                return True, f"{why} matching FailJob rule at index {at}"
            return rule["action"] != "Ignore", ""
    return True, ""


def _matches(rule: Object, pod: Object) -> str:
    """Why a rule of a podFailurePolicy matches a pod; "" if it does not match."""
    where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    codes = rule.get("onExitCodes")
    if codes is not None:
        for name, state in _ends(pod):
            code = state["exitCode"]
            concerned = code and codes.get("containerName") in (None, name)
            if concerned and (code in codes["values"]) == (codes["operator"] == "In"):
                return f"Container {name} for pod {where} failed with exit code {code}"
        return ""
    for wanted in rule.get("onPodConditions") or ():
        for condition in pod.get("status", {}).get("conditions") or ():
            if (condition["type"], condition["status"]) == (wanted["type"], wanted.get("status", "True")):
                return f"Pod {where} has condition {wanted['type']}"
    return ""


def new_pod(job: Object, index: int | None) -> Object:
    """A new pod of a Job, with its completion index unless that is None."""
    pod = pod_from_template(job)
    metadata = pod["metadata"]
    metadata["finalizers"] = [*(metadata.get("finalizers") or ()), TRACKING]
    if index is None:
        return pod
    name = job["metadata"]["name"]
    metadata["generateName"] = f"{name}-{index}-"
    metadata["annotations"] = {**metadata.get("annotations", {}), INDEX: str(index)}
    metadata["labels"] = {**labels_of(pod), INDEX: str(index)}
    variable = {
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}},
    }
    spec = dict(pod["spec"])
    spec["hostname"] = f"{name}-{index}"
    for kind in ("initContainers", "containers"):
        if kind in spec:
            spec[kind] = [{**c, "env": [*(c.get("env") or ()), variable]} for c in spec[kind]]
    return {**pod, "spec": spec}

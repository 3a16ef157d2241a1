"""What the Job controller asks about the pods of a Job: which have ended, how, and what a failure means. Pure."""

from collections.abc import Iterable, Iterator

from localkube.controllers.pod_owner import pod_from_template
from localkube.meta.objects import annotations_of, is_deleting, labels_of, unix_seconds
from localkube.meta.status import Object

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"


def is_tracked(pod: Object) -> bool:
    """Whether the pod has yet to be counted."""
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def has_succeeded(pod: Object) -> bool:
    """Whether the pod's containers have all ended well."""
    return bool(pod.get("status", {}).get("phase") == "Succeeded")


def has_failed(job: Object, pod: Object) -> bool:
    """Whether the pod counts as failed: one that is to go does so at once, unless the Job waits for its end."""
    phase = pod.get("status", {}).get("phase")
    if phase == "Failed" or waits_for_end(job):
        return bool(phase == "Failed")
    return is_deleting(pod) and phase != "Succeeded"


def waits_for_end(job: Object) -> bool:
    """Whether a pod on its way out is replaced only when it has ended."""
    return "podFailurePolicy" in job["spec"] or job["spec"].get("podReplacementPolicy") == "Failed"


def is_indexed(job: Object) -> bool:
    """Whether every completion has a number of its own."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: Object) -> int | None:
    """The pod's completion index."""
    text = annotations_of(pod).get(INDEX, "")
    return int(text) if text.isdigit() else None


def indexes(text: str) -> set[int]:
    """The numbers of `0,2-4`."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def shown_indexes(numbers: Iterable[int]) -> str:
    """The numbers as `0,2-4`: three or more in a row, and no fewer, are a range."""
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
    """How often the containers of these pods were restarted."""
    return sum(
        status.get("restartCount", 0)
        for pod in pods
        for kind in ("initContainerStatuses", "containerStatuses")
        for status in pod.get("status", {}).get(kind) or ()
    )


def ended_at(pod: Object, now: float) -> float:
    """Unix seconds at which the pod's last container ended, or the pod was to go."""
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
    """The containers that have ended: name and terminated state."""
    status = pod.get("status", {})
    known = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return [(s["name"], s["state"]["terminated"]) for s in known if "terminated" in (s.get("state") or {})]


def judged(job: Object, pod: Object) -> tuple[bool, str]:
    """Whether a failed pod counts towards the backoffLimit, and why the whole Job fails because of it, if it does."""
    for at, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        why = _matches(rule, pod)
        if why:
            if rule["action"] == "FailJob":
                return True, f"{why} matching FailJob rule at index {at}"
            return rule["action"] != "Ignore", ""
    return True, ""


def _matches(rule: Object, pod: Object) -> str:
    """How a rule of a podFailurePolicy applies to a pod; "" when it does not."""
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
    """A pod of a Job, with its index if it has one."""
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

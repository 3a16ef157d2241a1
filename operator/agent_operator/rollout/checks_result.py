"""The result of the checks of a canary, from their Job and its pods. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube import pod_failures
from agent_operator.kube.objects import Live, Object, Ref
from agent_operator.render.plan import owner_of
from agent_operator.rollout.checks_job import has_checks, job_name
from agent_operator.rollout.checks_report import ChecksReport, parse_report, summary


@dataclass(frozen=True, slots=True)
class ChecksResult:
    """Whether all checks passed.

    Attributes:
        passed: whether all checks passed.
        message: a summary such as `5/5 passed`.
        is_reported: whether a pod reported it. Otherwise the Job ended, and no cached pod has a report.
    """

    passed: bool
    message: str
    is_reported: bool = True


def find_result(live: Mapping[Ref, Live], inputs: Inputs, revision: str) -> ChecksResult | None:
    """Return the result of the checks of a revision; None while they run, or if the spec defines none."""
    if not has_checks(inputs):
        return None
    target = Ref("Job", inputs.namespace, job_name(inputs, revision))
    if target not in live:
        return None
    job = live[target].object
    if "deletionTimestamp" in job["metadata"] or not owner_of(inputs).owns(target, job, live[target].uid):
        return None
    uid = live[target].uid
    pods = (it.object for other, it in live.items() if other.kind == "Pod" and it.owner == uid)
    return job_result(job, [pod for pod in pods if pod.get("job") == target.name])


def job_result(job: Object, pods: Iterable[Object]) -> ChecksResult | None:
    """Return the result of a Job; None while it runs.

    Args:
        job: trimmed: status.conditions.
        pods: its pods, trimmed: `report`, the termination message, and `failure`.
    """
    pods = tuple(pods)
    reports = [report for report in (parse_report(pod.get("report", "")) for pod in pods) if report is not None]
    # A wrong answer is final. A missing answer is not, because the next pod may receive one.
    final = [report for report in reports if report.has_wrong_answer] or [report for report in reports if report.passed]
    if final:
        return ChecksResult(passed=final[0].passed, message=summary(final[0]))
    conditions = (job.get("status") or {}).get("conditions") or ()
    ended = {condition["type"]: condition for condition in conditions if condition["status"] == "True"}
    # The watch of pods may lag behind the watch of Jobs, so wait for the report of a pod that seems to run.
    if ("Failed" not in ended and "Complete" not in ended) or any(map(_is_running, pods)):
        return None
    return ChecksResult(False, _failure_message(ended.get("Failed"), reports, pods), is_reported=bool(reports))


def _is_running(pod: Object) -> bool:
    return not (pod.get("ended") or pod.get("report") or pod.get("failure"))


def _failure_message(failed: Mapping[str, Any] | None, reports: list[ChecksReport], pods: Iterable[Object]) -> str:
    """Return why the checks did not pass: the last report, or else the failures of the pod and the Job."""
    if reports:
        return summary(reports[-1])
    parts = []
    failures = [pod["failure"] for pod in pods if pod.get("failure")]
    if any(pod.get("report", "").lstrip().startswith("{") for pod in pods):
        parts.append("the report of the checks cannot be read")
    elif failures:
        parts.append(pod_failures.describe(failures[-1]))
    if failed:
        parts.append(f"{failed.get('reason') or 'Failed'}: {failed.get('message') or 'the Job failed'}")
    return "; ".join(parts) or "the checks ended without a report: use an image with `agent-runtime check-answers`"

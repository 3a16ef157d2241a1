"""What the live Deployments and pods of an agent show about a rollout: which revision runs, and why one fails. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.objects import Live, Object, Ref
from agent_operator.kube.pod_failures import UNSCHEDULABLE, describe
from agent_operator.render.plan import Owner
from agent_operator.status.observed import Pods

# One crash can have a temporary cause, such as a Secret that was created late.
MIN_RESTARTS = 2


def stable_and_canary(live: Mapping[Ref, Live], owner: Owner) -> tuple[Object | None, Object | None]:
    """Return the stable and the canary Deployment of an agent. Those of others only have its labels."""
    unpacked = ((target, it.object, it.uid) for target, it in live.items() if target.kind == "Deployment")
    found = {it[0].name: it[1] for it in unpacked if owner.owns(*it)}
    return found.get(owner.key.name), found.get(constants.canary(owner.key.name))


def running_revision(deployment: Mapping[str, Any] | None) -> str:
    """Return the revision in the pod template of a Deployment; empty without a Deployment."""
    if deployment is None:
        return ""
    labels = deployment["spec"].get("template", {}).get("metadata", {}).get("labels") or {}
    revision: str = labels.get(constants.LABEL_REVISION, "")
    return revision


def revision_failures(
    pods: Iterable[Object], *deployments: Mapping[str, Any] | None, reported: Mapping[str, Any] | None = None
) -> dict[str, Problem]:
    """Return why revisions fail, by revision: a Deployment exceeds its progress deadline, or pods crash repeatedly.

    `reported` is status.lastFailure. It may have a cause that the status of the pods does not show.
    """
    pods = tuple(pods)
    found = dict(_exceeded_deadlines(pods, deployments, reported or {}))
    for pod in pods:
        if not pod.get("ended") and pod.get("failure") and pod.get("restarts", 0) >= MIN_RESTARTS:
            found.setdefault(pod.get("revision", ""), Problem(Reason.CRASH_LOOP, "", describe(pod["failure"])))
    return found


def lack_of_room(pods: Iterable[Object], *deployments: Mapping[str, Any] | None) -> dict[str, str]:
    """Return why pods of a revision cannot be created, by a quota or a policy, or scheduled, by revision."""
    found = {}
    for deployment in deployments:
        if deployment is not None and deployment.get("failure"):
            found[running_revision(deployment)] = describe(deployment["failure"])
    for pod in pods:
        failure = pod.get("failure") or {}
        if failure.get("reason") == UNSCHEDULABLE:
            found.setdefault(pod.get("revision", ""), describe(failure))
    return found


def _exceeded_deadlines(
    pods: tuple[Object, ...], deployments: Iterable[Mapping[str, Any] | None], reported: Mapping[str, Any]
) -> Iterator[tuple[str, Problem]]:
    for deployment in deployments:
        if deployment is None or not _exceeded_deadline(deployment):
            continue
        revision = running_revision(deployment)
        own = [pod for pod in pods if pod.get("revision") == revision]
        failures = [pod["failure"] for pod in own if pod.get("failure")] + [deployment.get("failure") or {}]
        failures += [reported for pod in own if pod["metadata"]["name"] == reported.get("pod")]
        first = next((describe(failure) for failure in failures if failure), "")
        message = "the rollout exceeded its progress deadline" + (f"; {first}" if first else "")
        yield revision, Problem(Reason.DEADLINE_EXCEEDED, "", message)


def _exceeded_deadline(deployment: Mapping[str, Any]) -> bool:
    conditions = (deployment.get("status") or {}).get("conditions") or ()
    exceeded = any(it["type"] == "Progressing" and it.get("reason") == "ProgressDeadlineExceeded" for it in conditions)
    # A status of an older generation describes other pods.
    return exceeded and Pods.of(deployment).observed

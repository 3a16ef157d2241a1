"""What there is to see of a rollout in the live objects. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.objects import Live, Object, Ref
from agent_operator.kube.pod_failures import describe
from agent_operator.status.observed import Pods

# The first end of a container may be bad luck, such as a Secret that came late.
CRASHES = 2


def stable_and_canary(live: Mapping[Ref, Live], agent: str) -> tuple[Object | None, Object | None]:
    """Return the stable Deployment and the canary's."""
    found = {target.name: it.object for target, it in live.items() if target.kind == "Deployment"}
    return found.get(agent), found.get(constants.canary(agent))


def running_revision(deployment: Mapping[str, Any] | None) -> str:
    """Return the revision that a Deployment is given; empty when there is none."""
    if deployment is None:
        return ""
    labels = deployment["spec"].get("template", {}).get("metadata", {}).get("labels") or {}
    revision: str = labels.get(constants.LABEL_REVISION, "")
    return revision


def revision_failures(pods: Iterable[Object], *deployments_: Mapping[str, Any] | None) -> dict[str, Problem]:
    """Tell what is wrong with revisions: pods that end again and again, or Deployments that get no further."""
    pods = tuple(pods)
    found = dict(_stuck(pods, deployments_))
    for pod in pods:
        if not pod.get("ended") and pod.get("failure") and pod.get("restarts", 0) >= CRASHES:
            found.setdefault(pod.get("revision", ""), Problem(Reason.CRASH_LOOP, "", describe(pod["failure"])))
    return found


def _stuck(pods: tuple[Object, ...], deployments_: Iterable[Mapping[str, Any] | None]) -> Iterator[tuple[str, Problem]]:
    for deployment in deployments_:
        if deployment is None or not Pods.of(deployment).observed:
            continue
        conditions = (deployment.get("status") or {}).get("conditions") or ()
        if not any(it.get("reason") == "ProgressDeadlineExceeded" for it in conditions if it["type"] == "Progressing"):
            continue
        revision = running_revision(deployment)
        failing = (pod["failure"] for pod in pods if pod.get("revision") == revision and pod.get("failure"))
        said = "; ".join(["the rollout made no progress in time", *(describe(failure) for failure in failing)][:2])
        yield revision, Problem(Reason.DEADLINE_EXCEEDED, "", said)

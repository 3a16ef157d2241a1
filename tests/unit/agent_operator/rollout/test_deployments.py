"""What live Deployments and pods show about a rollout."""

from typing import Any

import pytest

from agent_operator.kube.objects import Key, Live, Ref, pack
from agent_operator.render.plan import Owner
from agent_operator.rollout import deployments


def pod(revision: str = "new", **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web-1"}, "uses": [], "revision": revision, **more}


def deployment(name: str = "web", revision: str = "new", reason: str = "NewReplicaSetAvailable") -> dict[str, Any]:
    condition = {"type": "Progressing", "status": "False", "reason": reason}
    return {
        "metadata": {"name": name, "namespace": "team", "generation": 2, "uid": "u", "resourceVersion": "1"},
        "spec": {"template": {"metadata": {"labels": {"agent-operator.dev/revision": revision}}}},
        "status": {"observedGeneration": 2, "conditions": [condition]},
    }


CRASH = {"pod": "web-1", "reason": "CrashLoopBackOff", "exitCode": 2, "message": "model: no such provider"}


@pytest.mark.parametrize(
    ("pod_", "expected"),
    [
        (
            pod(failure=CRASH, restarts=2),
            {"new": "pod web-1: CrashLoopBackOff with exit code 2: model: no such provider"},
        ),
        (pod(failure=CRASH, restarts=1), {}),
        (pod(failure=CRASH), {}),
        (pod(restarts=5), {}),
        (pod(failure=CRASH, restarts=9, ended=True), {}),
        (pod(failure={"pod": "web-1", "reason": "ImagePullBackOff"}), {}),
    ],
    ids=["crashes", "one restart", "no restart", "recovered", "ended", "cannot pull"],
)
def test_pods_that_crash_repeatedly_fail_their_revision(pod_: dict[str, Any], expected: dict[str, str]) -> None:
    found = deployments.revision_failures([pod_], None, None)

    assert {revision: it.message for revision, it in found.items()} == expected


def test_exceeded_deadline_quotes_the_failure_of_a_pod() -> None:
    pulls = pod(failure={"pod": "web-1", "reason": "ImagePullBackOff", "message": "no such image"})
    others = pod("old", failure={"pod": "web-0", "reason": "Evicted"})

    found = deployments.revision_failures([others, pulls], deployment(reason="ProgressDeadlineExceeded"), None)

    assert found["new"].reason == "ProgressDeadlineExceeded"
    assert (
        found["new"].message == "the rollout exceeded its progress deadline; pod web-1: ImagePullBackOff: no such image"
    )
    assert set(found) == {"new"}


def test_exceeded_deadline_quotes_the_cause_that_only_the_status_of_the_agent_has() -> None:
    """The component that keeps a pod unready is not in the status of the pod. Another pod's failure is not quoted."""
    late = deployment(reason="ProgressDeadlineExceeded")
    reported = {"pod": "web-1", "reason": "HostUnknown", "message": "gpt: nowhere does not resolve"}
    silent = pod() | {"metadata": {"name": "web-1"}}

    found = deployments.revision_failures([silent], late, None, reported=reported)
    other = deployments.revision_failures([silent], late, None, reported=reported | {"pod": "web-7"})

    assert found["new"].message.endswith("; pod web-1: HostUnknown: gpt: nowhere does not resolve")
    assert other["new"].message == "the rollout exceeded its progress deadline"


def test_status_of_an_older_generation_is_ignored() -> None:
    late = deployment(reason="ProgressDeadlineExceeded")
    late["status"]["observedGeneration"] = 1

    assert deployments.revision_failures([], late, None) == {}


def test_stable_and_canary_differ_by_name() -> None:
    def live(namespace: str) -> dict[Ref, Live]:
        marks = {
            "agent-operator.dev/owner-uid": "u",
            "agent-operator.dev/agent": "web",
            "agent-operator.dev/agent-namespace": "team",
        }
        objects = [deployment("web-canary", "new"), deployment("web", "old")]
        owned = [it | {"metadata": it["metadata"] | {"namespace": namespace, "labels": marks}} for it in objects]
        return {Ref("Deployment", namespace, it["metadata"]["name"]): pack("Deployment", it) for it in owned}

    owner = Owner("u", Key("team", "web"), "own")
    stable, canary = deployments.stable_and_canary(live("own"), owner)

    assert (deployments.running_revision(stable), deployments.running_revision(canary)) == ("old", "new")
    assert deployments.stable_and_canary(live("team"), owner) == (None, None), "labels can be forged"
    assert deployments.running_revision(None) == ""

"""The result of the checks of a canary."""

from dataclasses import replace
from typing import Any, cast

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Live, Ref, pack
from agent_operator.render import render
from agent_operator.rollout import checks_job, checks_result
from agent_operator.rollout.analysis.client import Scraper
from agent_operator.rollout.planner import RolloutPlanner
from agent_runtime.checks.report import Result, message

GREETS = {"name": "greets", "prompt": "Say hello", "contains": ["hello"]}


QUICK = {"name": "quick", "prompt": "Now", "maxLatencySeconds": 5}


def make_inputs(canary: dict[str, Any] | None = None, **spec: Any) -> Inputs:
    config = {"models": [{"name": "echo", "provider": "echo"}]}
    rollout = {"strategy": "Canary", "canary": {"checks": [GREETS]} if canary is None else canary}
    body = {
        "metadata": {"name": "web", "namespace": "team", "uid": "u-1"},
        "spec": {"config": config, "rollout": rollout, **spec},
    }
    return Inputs(AgentDeployment.model_validate(body))


@pytest.mark.parametrize(
    "other",
    [
        make_inputs({"checks": [GREETS | {"prompt": "Say hi"}]}),
        make_inputs({"checks": [GREETS, QUICK]}),
        make_inputs(service={"port": 81}),
    ],
)
def test_job_that_differs_has_another_name(other: Inputs) -> None:
    """A Job is immutable, and its result is only valid for the checks that it ran."""
    assert checks_job.job_name(other, "abc") != checks_job.job_name(make_inputs(), "abc")
    assert checks_job.job_name(make_inputs(), "abd") != checks_job.job_name(make_inputs(), "abc")


def test_fields_outside_the_job_keep_its_name() -> None:
    assert checks_job.job_name(make_inputs(replicas=7), "abc") == checks_job.job_name(make_inputs(), "abc")
    assert checks_job.job_name(
        make_inputs({"checks": [GREETS], "steps": [{"weight": 1}]}), "abc"
    ) == checks_job.job_name(make_inputs(), "abc")


@pytest.mark.parametrize(
    "agent",
    [
        make_inputs({}),
        make_inputs({"checksFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}),
        make_inputs(rollout={}),
    ],
)
def test_no_result_without_checks(agent: Inputs) -> None:
    assert not checks_job.has_checks(agent)
    assert checks_result.find_result({}, agent, "abc") is None


def job(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"status": {"conditions": [{"status": "True", **condition} for condition in conditions]}}


def pod(report: str = "", **failure: Any) -> dict[str, Any]:
    failed = {"failure": {"pod": "p", "reason": "Error", **failure}} if failure else {}
    return {"report": report, **failed}


def report_of(*results: Result) -> str:
    return message(results).decode()


RUNNING: dict[str, Any] = {"status": {}}
COMPLETE = job({"type": "SuccessCriteriaMet"}, {"type": "Complete"})
FAILED = job(
    {"type": "FailureTarget"},
    {"type": "Failed", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"},
)
LATE = job({"type": "Failed", "reason": "DeadlineExceeded", "message": "Job was active longer than specified deadline"})
GOOD, BAD = Result("greets", "passed"), Result("polite", "failed", "the answer lacks 'please'")
DOWN = Result("quick", "error", "the agent answered 503 busy")
MANY = tuple(Result(f"c{n}", "failed", "x" * 300) for n in range(50))
RESULTS: list[tuple[str, Any, list[Any], bool | None, str]] = [
    ("not started", RUNNING, [], None, ""),
    ("running", RUNNING, [pod()], None, ""),
    ("all passed", COMPLETE, [pod(report_of(GOOD, GOOD))], True, "2/2 passed"),
    ("all passed before the Job completes", RUNNING, [pod(report_of(GOOD))], True, "1/1 passed"),
    ("a wrong answer", RUNNING, [pod(report_of(GOOD, BAD), exitCode=1)], False, "1/2 passed; polite: the answer lacks"),
    ("a wrong answer is final", COMPLETE, [pod(report_of(BAD)), pod(report_of(GOOD))], False, "0/1 passed"),
    ("no answer in the first try", RUNNING, [pod(report_of(DOWN, GOOD), exitCode=1)], None, ""),
    (
        "no answer in both tries",
        FAILED,
        [pod(report_of(DOWN)), pod(report_of(DOWN))],
        False,
        "0/1 passed; quick: the agent answered 503",
    ),
    ("no answer, then all passed", COMPLETE, [pod(report_of(DOWN)), pod(report_of(GOOD))], True, "1/1 passed"),
    ("wrong answers come first", RUNNING, [pod(report_of(DOWN, BAD))], False, "0/2 passed; polite: the"),
    ("more than are shown", RUNNING, [pod(report_of(*MANY))], False, "; and 45 more"),
    ("evicted", FAILED, [pod(pod="p", reason="Evicted", message="disk")], False, "pod p: Evicted: disk; BackoffLimit"),
    (
        "pod deleted with its node",
        FAILED,
        [],
        False,
        "BackoffLimitExceeded: Job has reached the specified backoff limit",
    ),
    ("crashed", FAILED, [pod(exitCode=137, reason="OOMKilled")], False, "pod p: OOMKilled with exit code 137; Backoff"),
    (
        "image without check-answers",
        FAILED,
        [pod("usage:", exitCode=2, message="no such command")],
        False,
        "no such command",
    ),
    ("deadline exceeded", LATE, [], False, "DeadlineExceeded: Job was active longer than specified deadline"),
    ("a damaged report", COMPLETE, [pod('{"passed": tru')], False, "the report of the checks cannot be read"),
    ("a damaged report of a failure", FAILED, [pod("{}", exitCode=1)], False, "cannot be read; BackoffLimitExceeded"),
    ("a report that contradicts itself", COMPLETE, [pod('{"passed":true,"total":5,"failed":5}')], False, "cannot be"),
    ("a report without checks", COMPLETE, [pod('{"passed":true,"total":0,"failed":0}')], False, "cannot be read"),
    ("a pod that seems to run", COMPLETE, [pod()], None, ""),
    ("no report", COMPLETE, [pod() | {"ended": True}], False, "the checks ended without a report: use an image with"),
    ("text in place of a report", COMPLETE, [pod("all fine")], False, "ended without a report"),
]


@pytest.mark.parametrize(("_case", "job", "pods", "passed", "message"), RESULTS, ids=[case for case, *_ in RESULTS])
def test_job_result(_case: str, job: Any, pods: list[Any], passed: bool | None, message: str) -> None:
    result = checks_result.job_result(job, pods)
    assert (result.passed if result else None) is passed
    assert message in (result.message if result else "")


def test_message_has_no_control_characters() -> None:
    result = checks_result.job_result(RUNNING, [pod(report_of(Result("c", "failed", "\x1b[2J\nboo")))])
    assert result
    assert result.message == "0/1 passed; c: \ufffd boo"


def live_objects(agent: Inputs, *objects: tuple[str, dict[str, Any]]) -> dict[Ref, Live]:
    return {
        Ref(kind, agent.namespace, obj["metadata"]["name"]): replace(pack(kind, obj), uid=kind.lower())
        for kind, obj in objects
    }


def ended_pod(name: str, owner: str, report: str, uid: str = "job") -> dict[str, Any]:
    state = {"terminated": {"exitCode": 0, "message": report}}
    return {
        "metadata": {
            "name": name,
            "namespace": "team",
            "labels": {"batch.kubernetes.io/job-name": owner},
            "ownerReferences": [{"kind": "Job", "name": owner, "uid": uid, "controller": True}] if uid else [],
        },
        "spec": {"containers": []},
        "status": {"phase": "Succeeded", "containerStatuses": [{"name": "agent", "state": state}]},
    }


def test_result_is_that_of_the_job_of_these_checks() -> None:
    """Pods of other Jobs do not count."""
    agent = make_inputs()
    revision = render(agent).revision
    _, job_manifest = checks_job.manifests(agent, revision)

    stored = job_manifest | {"status": COMPLETE["status"]}
    other = ended_pod("other", "web-checks-other", report_of(BAD), uid="other")
    own = ended_pod("own", job_manifest["metadata"]["name"], report_of(GOOD))
    labelled = ended_pod("labelled", job_manifest["metadata"]["name"], report_of(BAD), uid="")
    live = live_objects(agent, ("Job", stored), ("Pod", labelled), ("Pod", other), ("Pod", own))
    assert checks_result.find_result(live, agent, revision.name) == checks_result.ChecksResult(
        passed=True, message="1/1 passed"
    )
    assert checks_result.find_result(live, agent, "another") is None
    assert checks_result.find_result(live_objects(agent, ("Pod", own)), agent, revision.name) is None


class FakeCluster:
    """A Cluster with pods that the watch has not shown yet."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = list(pods)
        self.lists: list[tuple[str, ...]] = []

    async def list_in(self, *arguments: str) -> list[dict[str, Any]]:
        self.lists.append(arguments)
        return self.pods


async def test_pods_that_the_watch_has_not_shown_are_read() -> None:
    """Otherwise a canary whose checks passed would be rolled back."""
    agent = make_inputs()
    rendered = render(agent)
    _, job_manifest = checks_job.manifests(agent, rendered.revision)
    name = job_manifest["metadata"]["name"]
    live = live_objects(agent, ("Job", job_manifest | {"status": COMPLETE["status"]}))
    cluster = FakeCluster(ended_pod("own", name, report_of(GOOD)))
    planner = RolloutPlanner(cast(Cluster, cluster), Scraper(), lambda: 0.0)
    cached = checks_result.find_result(live, agent, rendered.revision.name)

    read = await planner._read_checks(agent, rendered.revision.name, live)

    assert cached is not None
    assert not cached.is_reported
    assert read == checks_result.ChecksResult(passed=True, message="1/1 passed")
    assert cluster.lists == [("Pod", "team", f"job-name={name}")]

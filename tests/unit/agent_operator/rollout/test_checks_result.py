"""What comes of the Job that asks a canary the checks' prompts, and which Job is asked."""

from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.objects import Live, Ref, pack
from agent_operator.render import render
from agent_operator.rollout import checks_job
from agent_runtime.checks.report import Result, message

GREETS = {"name": "greets", "prompt": "Say hello", "contains": ["hello"]}


QUICK = {"name": "quick", "prompt": "Now", "maxLatencySeconds": 5}


def inputs(canary: dict[str, Any] | None = None, **spec: Any) -> Inputs:
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
        inputs({"checks": [GREETS | {"prompt": "Say hi"}]}),
        inputs({"checks": [GREETS, QUICK]}),
        inputs(service={"port": 81}),
    ],
)
def test_whatever_makes_another_job_makes_another_name(other: Inputs) -> None:
    """A Job cannot be changed, and what one has found about other checks is not about these."""
    assert checks_job.job_name(other, "abc") != checks_job.job_name(inputs(), "abc")
    assert checks_job.job_name(inputs(), "abd") != checks_job.job_name(inputs(), "abc")


def test_what_makes_no_other_job_keeps_the_name() -> None:
    assert checks_job.job_name(inputs(replicas=7), "abc") == checks_job.job_name(inputs(), "abc")
    assert checks_job.job_name(inputs({"checks": [GREETS], "steps": [{"weight": 1}]}), "abc") == checks_job.job_name(
        inputs(), "abc"
    )


@pytest.mark.parametrize(
    "given",
    [
        inputs({}),
        inputs({"checksFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}),
        inputs(rollout={}),
    ],
)
def test_without_checks_there_is_no_job(given: Inputs) -> None:
    assert not checks_job.has_checks(given)
    assert checks_job.checks_result({}, given, "abc") is None


def job(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"status": {"conditions": [{"status": "True", **condition} for condition in conditions]}}


def pod(report: str = "", **failure: Any) -> dict[str, Any]:
    told = {"failure": {"pod": "p", "reason": "Error", **failure}} if failure else {}
    return {"report": report, **told}


def left(*results: Result) -> str:
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
OUTCOMES: list[tuple[str, Any, list[Any], bool | None, str]] = [
    ("not begun", RUNNING, [], None, ""),
    ("asking", RUNNING, [pod()], None, ""),
    ("all passed", COMPLETE, [pod(left(GOOD, GOOD))], True, "2/2 passed"),
    ("all passed, and the Job does not know it yet", RUNNING, [pod(left(GOOD))], True, "1/1 passed"),
    ("a wrong answer", RUNNING, [pod(left(GOOD, BAD), exitCode=1)], False, "1/2 passed; polite: the answer lacks"),
    ("a wrong answer is one, whatever comes next", COMPLETE, [pod(left(BAD)), pod(left(GOOD))], False, "0/1 passed"),
    ("no answer, but there is another try", RUNNING, [pod(left(DOWN, GOOD), exitCode=1)], None, ""),
    ("no answer again", FAILED, [pod(left(DOWN)), pod(left(DOWN))], False, "0/1 passed; quick: the agent answered 503"),
    ("no answer, then all passed", COMPLETE, [pod(left(DOWN)), pod(left(GOOD))], True, "1/1 passed"),
    ("wrong and no answer: the wrong one first", RUNNING, [pod(left(DOWN, BAD))], False, "0/2 passed; polite: the"),
    ("more than fit", RUNNING, [pod(left(*MANY))], False, "; and 45 more"),
    ("evicted", FAILED, [pod(pod="p", reason="Evicted", message="disk")], False, "pod p: Evicted: disk; BackoffLimit"),
    ("gone with its node", FAILED, [], False, "BackoffLimitExceeded: Job has reached the specified backoff limit"),
    ("crashed", FAILED, [pod(exitCode=137, reason="OOMKilled")], False, "pod p: OOMKilled with exit code 137; Backoff"),
    ("an old image", FAILED, [pod("usage:", exitCode=2, message="no such command")], False, "no such command"),
    ("too slow", LATE, [], False, "DeadlineExceeded: Job was active longer than specified deadline"),
    ("a garbled report", COMPLETE, [pod('{"passed": tru')], False, "the report of the checks cannot be read"),
    ("a garbled report of a failure", FAILED, [pod("{}", exitCode=1)], False, "cannot be read; BackoffLimitExceeded"),
    ("a report that contradicts itself", COMPLETE, [pod('{"passed":true,"total":5,"failed":5}')], False, "cannot be"),
    ("a report of nothing", COMPLETE, [pod('{"passed":true,"total":0,"failed":0}')], False, "cannot be read"),
    ("a pod whose end was not heard of yet", COMPLETE, [pod()], None, ""),
    ("no report", COMPLETE, [pod() | {"ended": True}], False, "the checks ended without a report: does the image have"),
    ("text in place of a report", COMPLETE, [pod("all fine")], False, "ended without a report"),
]


@pytest.mark.parametrize(("_case", "job", "pods", "passed", "told"), OUTCOMES, ids=[case for case, *_ in OUTCOMES])
def test_outcome(_case: str, job: Any, pods: list[Any], passed: bool | None, told: str) -> None:
    found = checks_job.job_result(job, pods)
    assert (found.passed if found else None) is passed
    assert told in (found.message if found else "")


def test_a_report_cannot_write_on_a_terminal() -> None:
    found = checks_job.job_result(RUNNING, [pod(left(Result("c", "failed", "\x1b[2J\nboo")))])
    assert found
    assert found.message == "0/1 passed; c: [2J boo"


def _live(given: Inputs, *objects: tuple[str, dict[str, Any]]) -> dict[Ref, Live]:
    return {Ref(kind, given.namespace, obj["metadata"]["name"]): pack(kind, obj) for kind, obj in objects}


def test_outcome_is_that_of_the_job_of_these_checks() -> None:
    """Read from what the operator keeps of live objects; other Jobs' pods do not count."""
    given = inputs()
    found = render(given).revision
    _, wanted = checks_job.manifests(given, found)

    def ended(name: str, owner: str, report: str) -> dict[str, Any]:
        state = {"terminated": {"exitCode": 0, "message": report}}
        return {
            "metadata": {"name": name, "labels": {"batch.kubernetes.io/job-name": owner}},
            "spec": {"containers": []},
            "status": {"phase": "Succeeded", "containerStatuses": [{"name": "agent", "state": state}]},
        }

    stored = wanted | {"status": COMPLETE["status"]}
    other = ended("other", "web-checks-other", left(BAD))
    mine = ended("mine", wanted["metadata"]["name"], left(GOOD))
    live = _live(given, ("Job", stored), ("Pod", other), ("Pod", mine))
    assert checks_job.checks_result(live, given, found.name) == checks_job.ChecksResult(
        passed=True, message="1/1 passed"
    )
    assert checks_job.checks_result(live, given, "another") is None
    assert checks_job.checks_result(_live(given, ("Pod", mine)), given, found.name) is None

"""What may not be read becomes a gap; nothing but the agent itself is required."""

import json
from typing import Any

import pytest

from agentctl.cluster import bounded, evidence_reader, network_check
from agentctl.cluster.bounded import Output
from agentctl.cluster.kubectl import Kubectl
from agentctl.diagnosis.examination import examine
from tests.unit.agentctl.diagnosis.cases import make_agent, make_deployment, make_pod

FORBIDDEN = 'Error from server (Forbidden): pods is forbidden: User "dev" cannot list resource "pods"'
NOT_FOUND = "Error from server (NotFound): the server could not find the requested resource"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Output]:
    """Answers of the API server by a part of the request; every other request is forbidden."""
    known: dict[str, Output] = {}
    requests: list[tuple[str, ...]] = []

    def run(_: Kubectl, *arguments: str, **__: Any) -> Output:
        requests.append(arguments)
        found = (answer for part, answer in known.items() if part in " ".join(arguments))
        return next(found, Output(b"", 1, FORBIDDEN))

    monkeypatch.setattr(bounded, "run", run)
    monkeypatch.setattr(bounded, "end_of_log", lambda kubectl, *arguments, **_: run(kubectl, "logs", *arguments))
    monkeypatch.setattr(
        evidence_reader, "get_agent", lambda *_: make_agent(credentials={"secretRef": {"name": "keys"}})
    )
    return known


def listed(*items: Any) -> Output:
    return Output(json.dumps({"items": items}).encode(), 0)


def test_without_any_right_each_area_is_incomplete_and_nothing_is_a_problem(answers: dict[str, Output]) -> None:
    diagnosis = examine(evidence_reader.read(Kubectl(), "support").evidence)
    assert diagnosis.problems == 0, diagnosis.findings
    assert {finding.reason for finding in diagnosis.findings} == {"Forbidden"}
    assert all("kubectl auth can-i" in finding.remedy for finding in diagnosis.findings)
    incomplete = {str(area) for area, complete in diagnosis.checked.items() if not complete}
    assert incomplete == {"pods", "exposure", "policy", "resources", "scaling", "operator", "identity", "secrets"}


def test_an_api_that_is_not_installed_is_no_gap_unless_it_matters(answers: dict[str, Output]) -> None:
    answers[""] = Output(b"", 1, NOT_FOUND)
    gaps = evidence_reader.read(Kubectl(), "support").evidence.gaps
    assert [gap.what for gap in gaps] == ["pods.metrics.k8s.io"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Output(b"", 1, FORBIDDEN), "create pods/exec -n team"),
        (
            Output(b"", 2, "agent-runtime: error: argument command: invalid choice: 'check-network'"),
            "spec.runtime.version",
        ),
        (Output(b"not json", 0), "try again"),
    ],
)
def test_a_check_that_does_not_run_is_a_gap(answers: dict[str, Output], answer: Output, words: str) -> None:
    answers |= {"exec": answer, "/pods?": listed(make_pod()), "/deployments?": listed(make_deployment())}
    evidence = evidence_reader.read(Kubectl(), "support").evidence
    [gap] = [gap for gap in evidence.gaps if gap.area == "network"]
    assert words in gap.remedy


def test_the_config_of_the_pod_is_checked_and_secrets_stay_out_of_logs(answers: dict[str, Output]) -> None:
    pod = make_pod(containerStatuses=[{"name": "agent", "state": {"running": {}}}])
    pod["spec"]["containers"][0]["args"] = ["serve", "--config", "/other/agent.toml"]
    assert network_check.config_path(pod) == "/other/agent.toml"

    crashed = {
        "name": "agent",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1}},
    }
    failing = make_pod(ready=False, containerStatuses=[crashed])
    answers |= {
        "logs": Output(b"cannot log in with c0rrect-horse", 0),
        "/pods?": listed(failing),
        "secrets/keys": Output(b'{"data": {"KEY": "YzBycmVjdC1ob3JzZQ=="}}', 0),
    }
    reading = evidence_reader.read(Kubectl(), "support")
    assert reading.evidence.logs == {("support-1", "agent"): "cannot log in with (redacted)"}


def test_output_is_bounded_in_size_and_time(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "kubectl"
    program.write_text(
        "#!/bin/sh\ncase $1 in endless) yes;; silent) exec sleep 60;; *) echo out; echo why >&2; exit 3;; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr("agentctl.cluster.kubectl.binary", lambda: str(program))
    endless = bounded.run(Kubectl(), "endless", largest=100_000)
    assert (len(endless.content), endless.error) == (100_000, "longer than 100000 bytes")
    assert bounded.run(Kubectl(), "silent", seconds=0.3).error == "no answer within 0.3 s"
    failed = bounded.run(Kubectl(), "other")
    assert (failed.content, failed.status, failed.error) == (b"out\n", 3, "why")

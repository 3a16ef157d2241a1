"""Reads keep the end of a log, follow pages, and stop at their bounds."""

import json
import subprocess
import sys
from typing import Any

import pytest

from agentctl.cluster import bounded, evidence_reader
from agentctl.cluster.bounded import Output
from agentctl.cluster.kubectl import Kubectl
from agentctl.diagnosis.examination import examine
from tests.unit.agentctl.diagnosis.cases import make_agent, make_deployment


class Program(Kubectl):
    """Runs a program in the place of kubectl."""

    def start(self, *arguments: str, **_: Any) -> "subprocess.Popen[bytes]":
        assert not any("limit-bytes" in argument for argument in arguments)
        return subprocess.Popen([sys.executable, "-c", arguments[1]], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_newest_lines_of_a_long_log_remain() -> None:
    program = "for n in range(200_000): print('line', n)\nprint('Traceback: the crash')"
    output = bounded.end_of_log(Program(), program, largest=8_192)
    lines = output.content.decode().splitlines()
    assert lines[-1] == "Traceback: the crash"
    assert all(line.startswith("line ") for line in lines[:-1]), lines[:1]
    assert 8_000 < len(output.content) <= 8_192


def test_an_endless_log_is_ended_and_its_end_remains() -> None:
    output = bounded.end_of_log(Program(), "while True: print('x' * 1000)", largest=8_192, seconds=1.0)
    assert 0 < len(output.content) <= 8_192
    assert output.error


def test_a_short_log_remains_whole() -> None:
    assert bounded.end_of_log(Program(), "print('a\\nb')", largest=8_192) == Output(b"a\nb\n", 0)


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The Services of the namespace of the agent."""
    items: list[dict[str, Any]] = []

    def get(_: Kubectl, path: str, **parameters: Any) -> Output:
        if "/agentdeployments/" in path:
            return Output(json.dumps(make_agent()).encode(), 0)
        if path.endswith("/deployments"):
            return Output(json.dumps({"items": [make_deployment()]}).encode(), 0)
        if path.endswith("/services"):
            start, size = int(parameters.get("continue", 0)), int(parameters["limit"])
            token = str(start + size) if start + size < len(items) else ""
            page = {"items": items[start : start + size], "metadata": {"continue": token}}
            return Output(json.dumps(page).encode(), 0)
        found = [it for it in items if path.endswith(f"/services/{it['metadata']['name']}")]
        if "/services/" in path and not found:
            return Output(b"", 1, "Error from server (NotFound): services")
        return Output(json.dumps(found[0] if found else {"items": []}).encode(), 0)

    monkeypatch.setattr(bounded, "get", get)
    monkeypatch.setattr(evidence_reader, "get_agent", lambda *_: make_agent())
    return items


@pytest.mark.parametrize("others", [10, 1_200, 12_000])
def test_the_service_is_found_among_many(services: list[dict[str, Any]], others: int) -> None:
    services += [{"metadata": {"name": f"a{n}", "namespace": "team"}, "spec": {}} for n in range(others)]
    services += [{"metadata": {"name": "support", "namespace": "team"}, "spec": {"selector": {"app": "support"}}}]
    evidence = evidence_reader.read(Kubectl(), "support", connect=False).evidence
    assert evidence.named("services", "support") is not None
    assert "ServiceMissing" not in {finding.reason for finding in examine(evidence).findings}
    gaps = [gap for gap in evidence.gaps if gap.what == "services"]
    assert [gap.error for gap in gaps] == (["only 10001 were read: there are more"] if others == 12_000 else [])

"""`agentctl doctor` and `agentctl report` look at agents of a running cluster."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.integration.agentctl.conftest import Cluster
from tests.polling import eventually

pytestmark = pytest.mark.kubelet

API_KEY = "sk-canary-51b2a9e47c"
PASSWORD = "hunter2-canary"
BROKEN = f"""
apiVersion: v1
kind: Secret
metadata: {{name: keys}}
stringData: {{OPENAI_API_KEY: "{API_KEY}\\n"}}
---
apiVersion: agent-operator.dev/v1alpha1
kind: AgentDeployment
metadata: {{name: healthy}}
spec:
  replicas: 1
  resources: {{requests: {{cpu: 20m}}}}
  config: {{models: [{{name: echo, provider: echo}}]}}
---
apiVersion: agent-operator.dev/v1alpha1
kind: AgentDeployment
metadata: {{name: broken}}
spec:
  replicas: 1
  resources: {{requests: {{cpu: 20m}}}}
  credentials: {{secretRef: {{name: keys}}}}
  env: [{{name: DB_PASSWORD, value: {PASSWORD}}}]
  config:
    models:
    - {{name: gpt, provider: openai, baseUrl: "http://nowhere.invalid/v1"}}
"""


@pytest.fixture(scope="module")
def agents(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    file = tmp_path_factory.mktemp("agents") / "agents.yaml"
    file.write_text(BROKEN, encoding="utf-8")
    cluster.kubectl("apply", "-f", file)
    cluster.kubectl("wait", "agd/healthy", "--for=condition=Ready", "--timeout=60s")
    selector = ("get", "pods", "-l", "app=broken", "-o", "jsonpath={.items[0].status.phase}")
    eventually("the pod of the broken agent runs", lambda: cluster.kubectl(*selector) == "Running")
    return cluster


def diagnosis(cluster: Cluster, name: str, *options: str) -> tuple[int, dict[str, Any]]:
    done = cluster.agentctl("doctor", name, "-o", "json", *options)
    assert API_KEY not in done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def test_a_healthy_agent_has_no_problems(agents: Cluster) -> None:
    code, found = diagnosis(agents, "healthy")
    assert (code, found["problems"]) == (0, 0), found
    # The local cluster has no metrics API.
    assert {area for area, state in found["areas"].items() if state == "incomplete"} == {"resources"}


def test_the_server_that_a_pod_does_not_reach_and_the_value_of_a_secret_are_named(agents: Cluster) -> None:
    code, found = diagnosis(agents, "broken")
    problems = {it["reason"]: it for it in found["findings"] if it["severity"] != "info"}
    assert (code, sorted(problems)) == (1, ["HostUnknown", "SecretValueNewline"])
    assert "to nowhere.invalid:80: dns failed" in problems["HostUnknown"]["evidence"]
    assert "spec.config.models[0].baseUrl" in problems["HostUnknown"]["remedy"]
    assert "key OPENAI_API_KEY" in problems["SecretValueNewline"]["subject"]


def test_the_text_has_evidence_cause_and_remedy(agents: Cluster) -> None:
    done = agents.agentctl("doctor", "agd/broken", "--no-connect")
    assert done.returncode == 1
    assert done.stdout.startswith("AgentDeployment default/broken: 2 problems\n\nerror: HostUnknown")
    assert all(f"\n  {label}" in done.stdout for label in ("evidence", "cause", "remedy"))


def test_an_agent_that_cannot_be_read_is_no_diagnosis(agents: Cluster) -> None:
    done = agents.agentctl("doctor", "missing")
    assert (done.returncode, done.stdout) == (2, "")
    assert '"missing" not found' in done.stderr


def test_a_report_contains_what_support_needs_and_no_credentials(agents: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "report.tar.gz"
    done = agents.agentctl("report", "broken", "-o", file)
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        texts = {it.name.partition("/")[2]: archive.extractfile(it).read().decode() for it in archive.getmembers()}
    assert {"agent.yaml", "doctor.txt", "doctor.json", "versions.json", "network.json", "events.yaml"} <= set(texts)
    assert {"objects/pods.yaml", "objects/deployments.yaml", "objects/secrets.yaml"} <= set(texts)
    assert any(name.startswith("logs/broken-") and "component gpt" in text for name, text in texts.items())
    assert "OPENAI_API_KEY: (redacted)" in texts["objects/secrets.yaml"]
    assert not [name for name, text in texts.items() if API_KEY in text or PASSWORD in text]

    again = agents.agentctl("report", "broken", "-o", file)
    assert (again.returncode, f"{file} exists: remove it" in again.stderr) == (1, True)


def test_exec_returns_output_and_exit_code_of_a_command(agents: Cluster) -> None:
    """Doctor checks connections by it."""
    shell = ("exec", "deploy/healthy", "-c", "agent", "--")
    assert agents.kubectl(*shell, "/bin/sh", "-c", "echo $AGENT_NAME") == "healthy\n"
    failed = agents._run("kubectl", *shell, "/bin/sh", "-c", "echo no >&2; exit 7")
    assert (failed.returncode, failed.stdout, failed.stderr.splitlines()[0]) == (7, "", "no")
    missing = agents._run("kubectl", *shell, "nothing")
    assert "executable file not found" in missing.stderr

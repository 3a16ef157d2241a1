"""`agentctl status` of a running agent, and its errors."""

import json
from pathlib import Path
from typing import Any

import pytest

ECHO = Path(__file__).parents[3] / "examples" / "01-echo" / "agent.yaml"

pytestmark = pytest.mark.kubelet


@pytest.fixture(scope="module")
def hello(cluster: Any) -> Any:
    cluster.kubectl("apply", "-f", ECHO)
    cluster.kubectl("wait", "agd/hello", "--for=condition=Ready", "--timeout=120s")
    return cluster


def test_the_tree_has_children_pods_and_conditions(hello: Any) -> None:
    done = hello.agentctl("status", "hello", "--namespace", "default")

    assert done.returncode == 0
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0].startswith("AgentDeployment default/hello  ready 2/2  model echo  version ")
    assert "├── ServiceAccount hello  present" in lines
    assert sum(line.lstrip("│ ├└─").startswith("Pod hello-") and line.endswith("  ready") for line in lines) == 2
    assert any(line.startswith("Ready ") and " True " in line for line in lines)
    assert "\x1b" not in done.stdout


def test_json_output_has_the_objects(hello: Any) -> None:
    found = json.loads(hello.agentctl("status", "hello", "-o", "json").stdout)

    assert found["agent"]["metadata"]["name"] == "hello"
    assert {"Deployment", "Service", "ConfigMap"} <= {child["kind"] for child in found["children"]}
    assert len(found["pods"]) == 2
    assert "managedFields" not in json.dumps(found)


def test_the_kubectl_plugin_prints_the_same(hello: Any) -> None:
    assert hello.kubectl("agent", "status", "hello") == hello.agentctl("status", "hello").stdout


def test_secrets_are_not_read(hello: Any, tmp_path: Path) -> None:
    agent = ECHO.read_text(encoding="utf-8").replace("name: hello", "name: secretive", 1)
    path = tmp_path / "agent.yaml"
    path.write_text(agent + "  credentials: {values: {OPENAI_API_KEY: canary-5f1c}}\n", encoding="utf-8")
    hello.kubectl("apply", "-f", path)
    hello.kubectl("wait", "agd/secretive", "--for=condition=SecretsReady", "--timeout=120s")

    text = hello.agentctl("status", "secretive").stdout
    children = json.loads(hello.agentctl("status", "secretive", "-o", "json").stdout)["children"]

    assert "Secret secretive-secrets  present" in text
    assert "Secret" not in {child["kind"] for child in children}
    hello.kubectl("delete", "agd", "secretive")


def test_a_missing_agent_is_an_error(cluster: Any) -> None:
    done = cluster.agentctl("status", "missing")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'error: AgentDeployment "missing" not found: list all agents with kubectl get agd -A\n'


def test_an_unreachable_cluster_is_an_error_on_one_line(cluster: Any, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(cluster.kubeconfig.read_text().replace(cluster.status()["url"], "http://127.0.0.1:1"))

    done = cluster.agentctl("status", "hello", "--kubeconfig", kubeconfig)

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1

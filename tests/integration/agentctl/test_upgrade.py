"""A new operator restarts no agent. `agentctl upgrade` previews the changes and rolls them out."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent_operator import __version__
from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import CommandError
from tests import fast_yaml as yaml
from tests.patience import DEADLINE

OLD = "0.0.9"
# Runs the operator with another version, which changes the tag of the runtime image.
OPERATOR = """
import sys
import agent_operator
import agent_runtime
agent_operator.__version__ = agent_runtime.__version__ = sys.argv.pop(1)
from agent_operator.command import main
main()
"""
Agentctl = Callable[..., Any]
AGENTS = ("legal", "sales", "support")


@dataclass
class UpgradeCluster:
    """A cluster without a kubelet, which reports pods as ready, and an operator whose version can be changed."""

    folder: Path
    operator: subprocess.Popen[bytes] | None = None
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(str(self.kubeconfig))

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Start a Python process."""
        with (self.folder / "log").open("ab") as sink:
            process = subprocess.Popen([sys.executable, *arguments], stdout=sink, stderr=sink)
        self.started.append(process)
        return process

    def replace_operator(self, version: str) -> None:
        """Stop the operator, and start one with this version."""
        if self.operator is not None:
            self.operator.terminate()
            self.operator.wait(DEADLINE)
        options: list[str | Path] = ["--no-leader-election", "--kubeconfig", self.kubeconfig, "--listen", "127.0.0.1:0"]
        self.operator = self.start("-c", OPERATOR, version, "run", *options)

    def image_tags(self) -> dict[str, str]:
        """Return the tag of the image of each Deployment."""
        tags = {}
        for deployment in self.kubectl.get("deployments"):
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            tags[deployment["metadata"]["name"]] = container["image"].rpartition(":")[2]
        return tags


@pytest.fixture(scope="module")
def upgrade_cluster(
    tmp_path_factory: pytest.TempPathFactory, eventually: Callable[..., Any]
) -> Iterator[UpgradeCluster]:
    """A cluster with three agents that an older operator has rolled out."""
    cluster = UpgradeCluster(tmp_path_factory.mktemp("upgrade"))
    options: list[str | Path] = ["--kubeconfig", cluster.kubeconfig, "--state-dir", cluster.folder / "state"]
    cluster.start("-m", "localkube", "--pods", "stand-in", *options)
    try:
        eventually("the API server is ready", cluster.kubeconfig.exists)
        crd = Path(__file__).parents[3] / "crds" / "agentdeployments.agent-operator.dev.yaml"
        eventually("the CRD is applied", lambda: _succeeds(cluster.kubectl, "apply", "-f", str(crd)))
        cluster.replace_operator(OLD)
        eventually("agents are served", lambda: _succeeds(cluster.kubectl, "get", "agd"))
        cluster.kubectl.run("apply", "-f", "-", stdin=yaml.safe_dump_all(_agent(name) for name in AGENTS))
        for name in AGENTS:
            cluster.kubectl.run("wait", f"agd/{name}", "--for=condition=Ready", "--timeout=120s")
        yield cluster
    finally:
        for process in cluster.started:
            process.terminate()
        for process in cluster.started:
            process.wait(DEADLINE)


@pytest.fixture(autouse=True)
def _kubeconfig(upgrade_cluster: UpgradeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(upgrade_cluster.kubeconfig))


def _succeeds(kubectl: Kubectl, *arguments: str) -> bool:
    try:
        kubectl.run(*arguments)
    except CommandError:
        return False
    return True


def _agent(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "agent-operator.dev/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": 1, "config": {"models": [{"name": "echo", "provider": "echo"}]}},
    }


def test_apply_fails_if_the_running_operator_has_another_version(
    upgrade_cluster: UpgradeCluster, agentctl: Agentctl
) -> None:
    done = agentctl("upgrade", "apply", "-A", "--yes", "--timeout", "100")

    assert done.returncode == 1
    progress, error = done.stderr.splitlines()
    assert progress == "[1/3] default/legal"
    assert error.startswith(f"error: default/legal: the running operator is not version {__version__}")
    assert error.endswith("upgrade the operator first")
    assert set(upgrade_cluster.image_tags().values()) == {OLD}


def test_plan_shows_what_this_version_changes(upgrade_cluster: UpgradeCluster, agentctl: Agentctl) -> None:
    head, *rows = (line.split() for line in agentctl("upgrade", "plan").stdout.splitlines())
    one = agentctl("upgrade", "plan", "sales").stdout
    data = json.loads(agentctl("upgrade", "plan", "-A", "-o", "json").stdout)

    assert head == ["NAMESPACE", "NAME", "FROM", "TO", "CHANGES"]
    assert [(row[1], row[3], row[5], row[6]) for row in rows] == [(name, OLD, __version__, "image") for name in AGENTS]
    image = "image: agent-operator/agent-runtime"
    assert f"\n-    {image}:{OLD}\n+    {image}:{__version__}\n" in one
    assert data["operator"] == __version__
    assert [(agent["name"], agent["differs"], agent["changes"]) for agent in data["agents"]] == [
        (name, True, ["image"]) for name in AGENTS
    ]


def test_apply_upgrades_only_the_agents_that_are_named(upgrade_cluster: UpgradeCluster, agentctl: Agentctl) -> None:
    upgrade_cluster.replace_operator(__version__)
    unconfirmed = agentctl("upgrade", "apply", "sales")
    assert (unconfirmed.returncode, unconfirmed.stdout) == (2, "")
    assert "--yes" in unconfirmed.stderr

    done = agentctl("upgrade", "apply", "sales", "--yes", "--timeout", "100")
    assert done.returncode == 0, done.stderr
    assert upgrade_cluster.image_tags() == {"legal": OLD, "sales": __version__, "support": OLD}

    rest = agentctl("upgrade", "apply", "-A", "--yes", "--timeout", "100")
    assert rest.returncode == 0, rest.stderr
    assert rest.stderr.splitlines() == ["[1/2] default/legal", "[2/2] default/support"]
    assert set(upgrade_cluster.image_tags().values()) == {__version__}
    same = f"no differences: operator {__version__} renders the current revisions of 3 agents\n"
    assert agentctl("upgrade", "plan", "-A").stdout == same
    assert agentctl("upgrade", "apply", "-A").stdout == same


@pytest.mark.parametrize("arguments", [("apply",), ("apply", "sales", "-A", "--yes"), ("plan", "sales", "-A")])
def test_a_name_or_all_namespaces_is_required_and_both_are_refused(
    agentctl: Agentctl, arguments: tuple[str, ...]
) -> None:
    assert agentctl("upgrade", *arguments).returncode == 2

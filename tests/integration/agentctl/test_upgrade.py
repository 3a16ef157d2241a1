"""A new operator restarts nobody; `agentctl upgrade` tells what it would bring, and brings it to whom one names."""

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
# The operator as it was in another version: what differs is the tag of the image.
OPERATOR = """
import sys
import agent_operator
import agent_runtime
agent_operator.__version__ = agent_runtime.__version__ = sys.argv.pop(1)
from agent_operator.__main__ import main
main()
"""
Agentctl = Callable[..., Any]
AGENTS = ("legal", "sales", "support")


@dataclass
class World:
    """A cluster whose pods are only said to be ready, and an operator of any version."""

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
        """End the operator, and start one of this version."""
        if self.operator is not None:
            self.operator.terminate()
            self.operator.wait(DEADLINE)
        options: list[str | Path] = ["--no-leader-election", "--kubeconfig", self.kubeconfig, "--listen", "127.0.0.1:0"]
        self.operator = self.start("-c", OPERATOR, version, "run", *options)

    def images(self) -> dict[str, str]:
        """The tags of the images that the Deployments have."""
        return {
            it["metadata"]["name"]: it["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]
            for it in self.kubectl.get("deployments")
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, eventually: Callable[..., Any]) -> Iterator[World]:
    """A world of three agents that an older operator has made."""
    made = World(tmp_path_factory.mktemp("upgrade"))
    paths = {"--kubeconfig": made.kubeconfig, "--state-dir": made.folder / "state"}
    made.start("-m", "localkube", "--pods", "stand-in", *(part for option in paths.items() for part in option))
    try:
        eventually("the cluster", made.kubeconfig.exists)
        crd = Path(__file__).parents[3] / "crds" / "agentdeployments.agent-operator.dev.yaml"
        eventually("the CRD", lambda: _done(made.kubectl, "apply", "-f", str(crd)))
        made.replace_operator(OLD)
        eventually("agents are served", lambda: _done(made.kubectl, "get", "agd"))
        made.kubectl.run("apply", "-f", "-", stdin=yaml.safe_dump_all(_agent(name) for name in AGENTS))
        for name in AGENTS:
            made.kubectl.run("wait", f"agd/{name}", "--for=condition=Ready", "--timeout=120s")
        yield made
    finally:
        for process in made.started:
            process.terminate()
        for process in made.started:
            process.wait(DEADLINE)


@pytest.fixture(autouse=True)
def _kubeconfig(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(world.kubeconfig))


def _done(kubectl: Kubectl, *arguments: str) -> bool:
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


def test_upgrade_fails_while_another_version_of_the_operator_runs(world: World, agentctl: Agentctl) -> None:
    done = agentctl("upgrade", "apply", "-A", "--yes", "--timeout", "100")

    assert done.returncode == 1
    why = f"the operator renders it as before: it is not of this version, {__version__}: upgrade it first"
    assert done.stderr.splitlines() == ["[1/3] default/legal", f"error: default/legal: {why}"]
    assert set(world.images().values()) == {OLD}


def test_the_plan_shows_the_changes_of_this_version(world: World, agentctl: Agentctl) -> None:
    head, *rows = (line.split() for line in agentctl("upgrade", "plan").stdout.splitlines())
    one = agentctl("upgrade", "plan", "sales").stdout
    machine = json.loads(agentctl("upgrade", "plan", "-A", "-o", "json").stdout)

    assert head == ["NAMESPACE", "NAME", "FROM", "TO", "CHANGES"]
    assert [(row[1], row[3], row[5], row[6]) for row in rows] == [(it, OLD, __version__, "image") for it in AGENTS]
    image = "image: agent-operator/agent-runtime"
    assert f"\n-    {image}:{OLD}\n+    {image}:{__version__}\n" in one
    assert machine["operator"] == __version__
    assert [(it["name"], it["differs"], it["changes"]) for it in machine["agents"]] == [
        (name, True, ["image"]) for name in AGENTS
    ]


def test_agents_are_upgraded_only_on_request(world: World, agentctl: Agentctl) -> None:
    world.replace_operator(__version__)
    unasked = agentctl("upgrade", "apply", "sales")
    assert (unasked.returncode, unasked.stdout) == (2, "")
    assert "--yes" in unasked.stderr

    done = agentctl("upgrade", "apply", "sales", "--yes", "--timeout", "100")
    assert done.returncode == 0, done.stderr
    assert world.images() == {"legal": OLD, "sales": __version__, "support": OLD}

    rest = agentctl("upgrade", "apply", "-A", "--yes", "--timeout", "100")
    assert rest.returncode == 0, rest.stderr
    assert rest.stderr.splitlines() == ["[1/2] default/legal", "[2/2] default/support"]
    assert set(world.images().values()) == {__version__}
    same = f"nothing differs: operator {__version__} renders 3 agents as before\n"
    assert agentctl("upgrade", "plan", "-A").stdout == same
    assert agentctl("upgrade", "apply", "-A").stdout == same


@pytest.mark.parametrize("arguments", [("apply",), ("apply", "sales", "-A", "--yes"), ("plan", "sales", "-A")])
def test_upgrade_requires_a_name_or_all(agentctl: Agentctl, arguments: tuple[str, ...]) -> None:
    assert agentctl("upgrade", *arguments).returncode == 2

"""A cluster, an operator as its own process, and kubectl: what a user has.

The cluster is the local one, or the one that `--kubeconfig` names. Where that has no node, one that runs nothing stands
in, and tests that need real processes are skipped.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests import fast_yaml as yaml
from tests.patience import DEADLINE
from tests.stand_in.kubelet import NODE, stand_in_node

ROOT = Path(__file__).parents[2]
CRDS = sorted((ROOT / "crds").glob("*.yaml"))
RUNTIME = "agent-operator/agent-runtime:*"
Object = dict[str, Any]
Found = TypeVar("Found")


def until(what: str, look: Callable[[], Found | None], seconds: float = DEADLINE) -> Found:
    """Return the first answer of `look` that is true; fail with `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:g} s")
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a kubeconfig and, mostly, a namespace."""

    kubeconfig: Path
    namespace: str = "default"

    def run(self, *args: str, stdin: Any = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl; objects given as `stdin` go in as YAML."""
        binary = Path(sys.executable).with_name("kubectl")
        text = stdin if isinstance(stdin, str | None) else yaml.safe_dump(stdin)
        done = subprocess.run(
            [binary, "--kubeconfig", self.kubeconfig, "-n", self.namespace, *args],
            input=text,
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"kubectl {' '.join(args)}: {done.stderr}")
        return done

    def out(self, *args: str) -> str:
        """What kubectl prints."""
        return self.run(*args).stdout.strip()

    def apply(self, *objects: Object, check: bool = True) -> str:
        """Apply objects; return what kubectl says, its refusal included."""
        text = yaml.safe_dump_all(objects)
        done = self.run("apply", "-f", "-", stdin=text, check=check)
        return done.stdout + done.stderr

    def get(self, kind: str, name: str) -> Object | None:
        """The object, or None."""
        done = self.run("get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(done.stdout) if done.stdout else None

    def list(self, kind: str, *args: str) -> list[Object]:
        """All objects of a kind."""
        items: list[Object] = json.loads(self.out("get", kind, "-o", "json", *args))["items"]
        return items

    def account(self, name: str, namespace: str, kubeconfig: Path) -> "Kubectl":
        """Kubectl with the rights of a ServiceAccount."""
        config = json.loads(self.out("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        token = self.out("create", "token", name, f"--namespace={namespace}", "--duration=2h")
        config["users"][0]["user"] = {"token": token}
        kubeconfig.write_text(json.dumps(config), encoding="utf-8")
        return Kubectl(kubeconfig, self.namespace)

    def install(self, overlay: str, **renamed: str) -> None:
        """Install an overlay of deploy/, but for the operator itself: that is a process of the tests."""
        objects = yaml.safe_load_all(self.out("kustomize", str(ROOT / "deploy" / "kustomize" / "overlays" / overlay)))
        text = yaml.safe_dump_all(obj for obj in objects if obj["kind"] not in ("Deployment", "PodDisruptionBudget"))
        for old, new in renamed.items():
            text = text.replace(f": {old.replace('_', '-')}\n", f": {new}\n")
        Kubectl(self.kubeconfig, "").run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def children(self, agent: str) -> dict[tuple[str, str], Object]:
        """Objects that carry the agent's label, by kind and name; pods and what controllers make are left out."""
        kinds = "sa,cm,secret,deploy,svc,ing,hpa,pdb,netpol"
        found = self.list(kinds, "-l", f"agent-operator.dev/agent={agent}")
        return {(item["kind"], item["metadata"]["name"]): item for item in found}

    def condition(self, agent: str, kind: str) -> Object:
        """A condition of an agent as {status, reason, message}; empty when it has none."""
        found = self.get("agd", agent) or {}
        conditions = found.get("status", {}).get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def until_condition(self, agent: str, kind: str, status: str, reason: str, seconds: float = DEADLINE) -> Object:
        """Wait for a condition, decided on the current generation."""

        def look() -> Object | None:
            found = self.get("agd", agent) or {"metadata": {}}
            condition = self.condition(agent, kind)
            current = condition.get("observedGeneration") == found["metadata"].get("generation")
            return condition if current and (condition["status"], condition["reason"]) == (status, reason) else None

        try:
            return until(f"{agent} {kind}={status} {reason}", look, seconds)
        except pytest.fail.Exception:
            pytest.fail(f"{agent}: wanted {kind}={status} {reason}, have {self.get('agd', agent)}")


def agent(name: str = "support", **spec: Any) -> Object:
    """The smallest agent that needs nothing, changed by `spec`."""
    small = {"config": {"models": [{"name": "echo", "provider": "echo"}]}, "replicas": 1}
    return {
        "apiVersion": "agent-operator.dev/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": name},
        "spec": small | spec,
    }


@pytest.fixture(scope="session", name="agent")
def _agent() -> Callable[..., Object]:
    return agent


@pytest.fixture(scope="session", name="until")
def _until() -> Callable[..., Any]:
    return until


def start(arguments: list[str | Path], log: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start a module as a program."""
    with log.open("ab") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=sink, stderr=subprocess.STDOUT, env=os.environ | environment
        )


def stop(process: subprocess.Popen[bytes]) -> int:
    """Stop it with SIGTERM; return its exit code."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


@contextmanager
def localkube(folder: Path, *options: str) -> Iterator[Kubectl]:
    """A local cluster of its own, without our CRDs; `options` of `python -m localkube` override those here."""
    kubeconfig = folder / "kubeconfig"
    arguments: list[str | Path] = [
        "localkube",
        "--state-dir",
        folder,
        "--kubeconfig",
        kubeconfig,
        "--probe-time-scale",
        "0.1",
    ]
    process = start([*arguments, *options], folder / "cluster.log")
    try:
        until("the local cluster", kubeconfig.exists, 120)
        kubectl = Kubectl(kubeconfig)
        until("its API", lambda: kubectl.run("get", "--raw", "/readyz", check=False).returncode == 0)
        yield kubectl
    finally:
        stop(process)


def runtime_image(*prefix: str) -> list[str]:
    """Options that describe the runtime's image as deploy/docker/runtime.Dockerfile does; `prefix` goes before it."""
    command = shlex.join([*prefix, sys.executable, "-m", "agent_runtime"])
    args, directory = "serve --config /app/config/agent.toml", "/app"
    given = {"--image": command, "--image-args": args, "--image-workdir": directory}
    return [part for option, value in given.items() for part in (option, f"{RUNTIME}={value}")]


def _nodes(kubectl: Kubectl) -> list[Object]:
    """The nodes that run pods."""
    return [node for node in kubectl.list("nodes") if node["metadata"]["name"] != NODE]


def _with_crds(kubectl: Kubectl, *options: str) -> Kubectl:
    for crd in CRDS:
        kubectl.run("apply", "-f", str(crd), *options)
    # A real API server serves a new resource some moments after it has taken the definition.
    served = ("create", "--dry-run=server", "-f", "-")
    until("the new kind", lambda: kubectl.run(*served, stdin=agent("probe"), check=False).returncode == 0)
    return kubectl


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """Kubectl to the cluster under test, with our CRD."""
    given = pytestconfig.getoption("--kubeconfig")
    folder = tmp_path_factory.mktemp("cluster")
    if given:
        kubectl = _with_crds(Kubectl(Path(given)), "--server-side", "--force-conflicts")
        with nullcontext() if _nodes(kubectl) else stand_in_node(given):
            yield kubectl
        return
    with localkube(folder, *runtime_image()) as kubectl:
        yield _with_crds(kubectl)


@dataclass
class Operator:
    """The operator as a process that tests may stop and start."""

    kubeconfig: Path
    log: Path
    options: tuple[str, ...] = ("--no-leader-election",)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; the API of the cluster tells when it works."""
        arguments: list[str | Path] = ["agent_operator", "run", "--kubeconfig", self.kubeconfig]
        options = ["--listen", "127.0.0.1:0", "--refs-refresh", "2"]
        self.process = start([*arguments, *options, *self.options], self.log)

    def stop(self) -> int:
        """SIGTERM; return its exit code."""
        process, self.process = self.process, None
        return stop(process) if process else 0

    def kill(self) -> None:
        """SIGKILL: no time to tidy up."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="session")
def operator(
    cluster: Kubectl, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """A running operator, with the rights that deploy/ gives it; its log may hold no traceback, whatever tests did."""
    folder = tmp_path_factory.mktemp("operator")
    kubeconfig = cluster.kubeconfig
    if pytestconfig.getoption("--kubeconfig"):
        cluster.install("cluster")
        kubeconfig = cluster.account("agent-operator", "agent-operator-system", folder / "kubeconfig").kubeconfig
    started = Operator(kubeconfig, folder / "operator.log")
    started.start()
    yield started
    started.stop()
    assert "Traceback" not in started.log.read_text(encoding="utf-8")


@pytest.fixture
def kubectl(cluster: Kubectl, operator: Operator) -> Iterator[Kubectl]:
    """Kubectl in a namespace of the test's own, with an operator at work."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    cluster.run("create", "namespace", name)
    yield Kubectl(cluster.kubeconfig, name)
    cluster.run("delete", "namespace", name, "--wait=false")


@pytest.fixture(autouse=True)
def _node_where_needed(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("kubelet"):
        cluster: Kubectl = request.getfixturevalue("cluster")
        if not _nodes(cluster):
            pytest.skip("this cluster has no node: pods do not run")


@pytest.fixture(scope="session", autouse=True)
def _kubectl_is_here() -> None:
    if not shutil.which(Path(sys.executable).with_name("kubectl")):
        pytest.fail("kubectl is not beside this Python: install the test group (make test does)")

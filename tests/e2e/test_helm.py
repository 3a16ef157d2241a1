"""Helm installs, tests, upgrades, rolls back and uninstalls the operator on a cluster, while an agent serves.

The operator runs as in the chart: two pods with leader election. Its image is this source tree.
"""

import os
import shutil
import sys
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import fast_yaml as yaml
from tests import helm_program as helm
from tests.e2e.kubectl import ROOT, Kubectl, make_agent
from tests.e2e.processes import localkube, runtime_image
from tests.e2e.test_uninstall import SYSTEM, folder, operator_image, state
from tests.polling import eventually

pytestmark = [pytest.mark.local_only, pytest.mark.kubelet, pytest.mark.timeout(900)]

CHART = ROOT / "deploy" / "helm" / "agent-operator"
CRD = "agentdeployments.agent-operator.dev"
Object = dict[str, Any]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """A cluster without the operator and its CRDs, and kubectl in the namespace of the agents."""
    path = tmp_path_factory.mktemp("cluster")
    # A busy machine needs the start-up time of the operator's probes in full, so they are not scaled.
    options = ("--probe-time-scale", "1", *runtime_image(), *operator_image(path / "kubeconfig"))
    with pytest.MonkeyPatch.context() as patch:
        # The pod of `helm test` runs python.
        patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        with localkube(path, *options) as kubectl:
            kubectl.run("create", "namespace", "agents")
            yield Kubectl(kubectl.kubeconfig, "agents")


@pytest.fixture
def previous_chart(tmp_path: Path) -> Path:
    """A chart with CRDs of an earlier version, which have fewer columns."""
    chart = tmp_path / "agent-operator"
    shutil.copytree(CHART, chart)
    file = chart / "templates" / "crds" / f"{CRD}.yaml"
    text = file.read_text(encoding="utf-8")
    column = text.index("    - name: URL\n")
    file.write_text(text[:column] + text[text.index("    - name: Age\n") :], encoding="utf-8")
    return chart


class Release:
    """The release `ours` in the namespace of the operator."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = Kubectl(kubectl.kubeconfig, SYSTEM)

    def run(self, verb: str, *arguments: str | Path) -> str:
        waiting = {"history": (), "test": ("--timeout", "110s")}.get(verb, ("--wait", "--timeout", "110s"))
        options = ("--kubeconfig", str(self._kubectl.kubeconfig), "--namespace", SYSTEM, *waiting)
        return helm.run(verb, "ours", *arguments, *options).stdout

    def revisions(self) -> list[tuple[int, str]]:
        history = yaml.safe_load(self.run("history", "--output", "json"))
        return [(entry["revision"], entry["status"]) for entry in history]

    def variables(self) -> dict[str, str]:
        deployment = self._kubectl.get("deployment", "agent-operator")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        return {variable["name"]: variable.get("value", "") for variable in container["env"]}

    def pods(self) -> list[Object]:
        return self._kubectl.list("pods")

    def size(self) -> int:
        """Bytes of the largest revision. Helm stores each in a Secret, which has at most 1 MiB."""
        secrets = self._kubectl.list("secrets", labels="owner=helm")
        return max(len(b64decode(secret["data"]["release"])) for secret in secrets)

    def columns(self) -> list[str]:
        found = self._kubectl.get("crd", CRD)
        return [column["name"] for column in found["spec"]["versions"][0]["additionalPrinterColumns"]]


def assert_repairs(cluster: Kubectl) -> None:
    """The operator recreates a missing child of the agent."""
    cluster.run("delete", "service", "support")
    eventually("the Service is recreated", lambda: cluster.get("service", "support"), 120)
    cluster.run("wait", "agd/support", "--for=condition=Ready", "--timeout=60s")


def test_an_agent_outlives_every_verb_of_helm(cluster: Kubectl, previous_chart: Path) -> None:
    release = Release(cluster)
    notes = release.run("install", previous_chart, "--create-namespace")
    assert f"kubectl -n {SYSTEM} rollout status deployment/agent-operator" in notes
    assert "WARNING" not in notes
    assert "Phase:          Succeeded" in release.run("test")
    assert [pod["metadata"]["name"] for pod in release.pods() if "test" in pod["metadata"]["name"]] == []
    cluster.apply(make_agent("support", replicas=2))
    cluster.run("wait", "agd/support", "--for=condition=Ready", "--timeout=110s")
    before = state(cluster)
    assert "URL" not in release.columns()

    release.run("upgrade", CHART, "--set", "settings.logLevel=DEBUG,replicas=1")
    assert "URL" in release.columns()
    assert release.variables()["AGENT_OPERATOR_LOG_LEVEL"] == "DEBUG"
    assert_repairs(cluster)

    assert release.size() < 600_000

    release.run("rollback", "1")
    assert "AGENT_OPERATOR_LOG_LEVEL" not in release.variables()
    assert release.revisions() == [(1, "superseded"), (2, "superseded"), (3, "deployed")]

    kept = release.run("uninstall")
    assert kept.count("[CustomResourceDefinition]") == 2
    eventually("the operator is deleted", lambda: not release.pods(), 60)
    assert {**state(cluster), "crds": []} == {**before, "crds": []}
    assert cluster.get("service", "support")

    # A later installation takes over the CRDs and the agents that the first one left.
    release.run("install", CHART, "--set", "replicas=1")
    assert_repairs(cluster)
    assert {**state(cluster), "crds": []} == {**before, "crds": []}
    release.run("uninstall")
    eventually("the operator is deleted", lambda: not release.pods(), 60)


def test_helm_takes_over_an_installation_of_kustomize(cluster: Kubectl) -> None:
    """Without a new pod of the operator, because both render the same pods."""
    everywhere = Kubectl(cluster.kubeconfig, "")
    everywhere.run("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "crds"))
    everywhere.run("apply", "-k", folder("cluster"))
    everywhere.run("rollout", "status", "deployment/agent-operator", f"--namespace={SYSTEM}", "--timeout=110s")
    release = Release(cluster)
    before = {pod["metadata"]["uid"] for pod in release.pods()}

    release.run("install", CHART, "--take-ownership", "--force-conflicts")

    assert len(before) == 2
    assert {pod["metadata"]["uid"] for pod in release.pods()} == before
    release.run("uninstall")
    eventually("the operator is deleted", lambda: not release.pods(), 60)
    assert release.columns()

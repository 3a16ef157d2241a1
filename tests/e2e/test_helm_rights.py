"""A real API server accepts what the chart renders, and the rights of a release are enough."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import fast_yaml as yaml
from tests import helm_program as helm
from tests.e2e.kubectl import Kubectl, make_agent
from tests.e2e.processes import Operator
from tests.helm_chart import CHART, NAMESPACE, rendered
from tests.polling import eventually

pytestmark = pytest.mark.authorization

Values = dict[str, Any]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"rbac": {"namespaces": ["default"]}},
        {"admissionPolicies": {"confineOperator": True, "requireAPIKeys": True}},
    ],
    ids=str,
)
def test_the_api_server_accepts_the_objects_of_the_chart(values: Values, cluster: Kubectl) -> None:
    """Also the expressions of the policies, and the pods in a namespace with Pod Security `restricted`."""
    if not cluster.get("namespace", NAMESPACE):
        cluster.run("create", "namespace", NAMESPACE)
    cluster.run("label", "--overwrite", "namespace", NAMESPACE, "pod-security.kubernetes.io/warn=restricted")
    text = yaml.safe_dump_all(rendered(values, crds=True))

    everywhere = Kubectl(cluster.kubeconfig, "")
    done = everywhere.run("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", stdin=text)

    assert "deployment.apps/agent-operator" in done.stdout
    assert "Warning" not in done.stderr


@dataclass(frozen=True)
class Installed:
    """A release for one namespace.

    Attributes:
        kubectl: with the rights of an administrator, in the watched namespace.
        account: with the rights of the operator.
        operator: it runs as a process with these rights, because the API server may have no node.
        release: options of helm that select the release `ours`.
    """

    kubectl: Kubectl
    account: Kubectl
    operator: Operator
    release: tuple[str, ...]


@pytest.fixture
def installed(cluster: Kubectl, operator: Operator, tmp_path: Path) -> Iterator[Installed]:
    """A release next to the installation of the other tests, whose operator is stopped."""
    own, watched = (f"helm-{uuid.uuid4().hex[:8]}" for _ in range(2))
    cluster.run("create", "namespace", watched)
    values = f"rbac.namespaces={{{watched}}},crds.enabled=false,admissionPolicies.enabled=false"
    release = ("--kubeconfig", str(cluster.kubeconfig), "--namespace", own)
    helm.run("install", "ours", CHART, *release, "--create-namespace", "--set", values)
    account = cluster.account("agent-operator", own, tmp_path / "kubeconfig")
    flags = ("--namespaces", watched, "--no-manage-namespaces", "--lease-namespace", own, "--no-allow-adoption")
    started = Operator(account.kubeconfig, tmp_path / "operator.log", flags)
    operator.stop()
    started.start()
    yield Installed(Kubectl(cluster.kubeconfig, watched), account, started, release)
    assert started.stop() == 0
    operator.start()
    cluster.run("delete", "namespace", own, watched, "--wait=false")


def test_a_release_for_one_namespace_works_with_roles_only(installed: Installed) -> None:
    kubectl, account = installed.kubectl, installed.account
    kubectl.apply(make_agent())
    kubectl.wait_for_condition("support", "ConfigValid", "True", "Valid")
    eventually("the Deployment is created", lambda: kubectl.get("deploy", "support"))

    log = installed.operator.log.read_text(encoding="utf-8")
    assert '"acquired the lease"' in log
    assert log.count("Forbidden") == 0
    for verb, what in (("list", "secrets"), ("list", "namespaces"), ("create", "pods")):
        assert account.run("auth", "can-i", verb, what, "--all-namespaces", check=False).stdout.strip() == "no"

    helm.run("uninstall", "ours", *installed.release, "--wait")

    assert kubectl.get("agd", "support")
    assert kubectl.get("deploy", "support")
    assert account.run("get", "agd", check=False).returncode != 0

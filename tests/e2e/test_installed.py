"""The operator works with the permissions of deploy/, and has no others."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl, make_agent
from tests.e2e.processes import Operator
from tests.polling import eventually

pytestmark = pytest.mark.authorization

Object = dict[str, Any]
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
SERVICE_MONITORS: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "names": {"plural": "servicemonitors", "kind": "ServiceMonitor", "singular": "servicemonitor"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}


@pytest.mark.parametrize("overlay", ["cluster", "namespaced"])
def test_the_api_server_accepts_the_overlay_unchanged(overlay: str, cluster: Kubectl, kubectl: Kubectl) -> None:
    """With the command of the docs: `kubectl apply -k`."""
    if not cluster.get("namespace", "agents"):
        cluster.run("create", "namespace", "agents")
    cluster.install(overlay)
    folder = Path(__file__).parents[2] / "deploy" / "kustomize" / "overlays" / overlay

    everywhere = Kubectl(cluster.kubeconfig, "")
    output = everywhere.run("apply", "--dry-run=server", "-k", str(folder))

    assert "deployment.apps/agent-operator" in output.stdout
    # The API server warns of pods that the Pod Security level of the namespace forbids.
    assert "Warning: would violate PodSecurity" not in output.stderr


@pytest.mark.parametrize(
    "deed",
    [
        ("create", "pods"),
        ("create", "clusterroles"),
        ("create", "rolebindings"),
        ("impersonate", "users"),
        ("get", "nodes"),
        ("delete", "agentdeployments"),
        ("create", "pods", "--subresource=exec"),
        ("create", "serviceaccounts", "--subresource=token"),
        ("patch", "customresourcedefinitions"),
        ("update", "secrets"),
    ],
    ids=" ".join,
)
def test_the_operator_has_no_permission(deed: tuple[str, ...], kubectl: Kubectl) -> None:
    account = "system:serviceaccount:agent-operator-system:agent-operator"

    assert kubectl.run("auth", "can-i", *deed, "--as", account, check=False).stdout.strip() == "no"


# kubectl in the watched namespace, kubectl with the permissions of the operator, and the operator.
Namespaced = tuple[Kubectl, Kubectl, Operator]


@pytest.fixture
def namespaced(cluster: Kubectl, operator: Operator, tmp_path: Path) -> Iterator[Namespaced]:
    """An operator of the namespaced install, and kubectl in the namespace that it watches."""
    own, watched = (f"namespaced-{uuid.uuid4().hex[:8]}" for _ in range(2))
    cluster.run("create", "namespace", watched)
    cluster.install("namespaced", agent_operator_system=own, agents=watched)
    account = cluster.account("agent-operator", own, tmp_path / "kubeconfig")
    options = ("--namespaces", watched, "--no-manage-namespaces", "--lease-namespace", own)
    started = Operator(account.kubeconfig, tmp_path / "operator.log", options)
    started.start()
    kubectl = Kubectl(cluster.kubeconfig, watched)
    yield kubectl, account, started
    assert started.stop() == 0
    cluster.run("delete", "namespace", own, watched, "--wait=false")


def test_a_namespaced_install_works_with_roles_only(namespaced: Namespaced, operator: Operator) -> None:
    """With leader election, and without any cluster-wide permission."""
    kubectl, account, started = namespaced
    operator.stop()  # it would reconcile the agent, too
    try:
        kubectl.apply(make_agent())
        kubectl.wait_for_condition("support", "ConfigValid", "True", "Valid")
        eventually("the Deployment is created", lambda: kubectl.get("deploy", "support"))
        kubectl.run("delete", "svc", "support")
        eventually("the Service is recreated", lambda: kubectl.get("svc", "support"))
        kubectl.run("delete", "agd", "support", "--timeout=120s")
    finally:
        operator.start()
    log = started.log.read_text(encoding="utf-8")
    assert '"acquired the lease"' in log
    assert "no permission to watch CustomResourceDefinitions" in log
    assert log.count("Forbidden") == 0, "repeated requests without permission"
    for verb, what in (("list", "secrets"), ("list", "namespaces"), ("list", "customresourcedefinitions")):
        may = account.run("auth", "can-i", verb, what, "--all-namespaces", check=False)
        assert may.stdout.strip() == "no", f"{verb} {what}"


def test_a_missing_permission_for_an_optional_api_is_reported(namespaced: Namespaced, operator: Operator) -> None:
    """ServiceMonitors are served but the Role does not allow them: the agent has none, and a warning."""
    kubectl, _, started = namespaced
    for stopped in (operator, started):
        stopped.stop()
    role = kubectl.get("role", "agent-operator")
    role["rules"] = [found for found in role["rules"] if found["apiGroups"] != ["monitoring.coreos.com"]]
    kubectl.run("replace", "-f", "-", stdin=role)
    existing_crd = kubectl.get("crd", SERVICE_MONITORS["metadata"]["name"])
    if not existing_crd:
        kubectl.apply(SERVICE_MONITORS)
    try:
        eventually("the API is served", lambda: kubectl.run("get", "servicemonitors", check=False).returncode == 0)
        started.start()
        kubectl.apply(make_agent(monitoring={"serviceMonitor": {"enabled": True}}))
        message = eventually("the message is reported", lambda: kubectl.condition("support", "Warning").get("message"))
        eventually("the Deployment is created", lambda: kubectl.get("deploy", "support"))
    finally:
        operator.start()
        if not existing_crd:
            kubectl.run("delete", "crd", SERVICE_MONITORS["metadata"]["name"])
    assert "ServiceMonitor is left out" in message
    assert "grant the permission" in message
    assert "optional API is not used: no permission to list and watch it" in started.log.read_text(encoding="utf-8")

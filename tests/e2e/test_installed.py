"""The operator works with the rights that deploy/ gives it, and has no others."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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
def test_an_overlay_is_taken_as_it_is(overlay: str, cluster: Any, kubectl: Any) -> None:
    """By the very command of the docs: `kubectl apply -k`."""
    if not cluster.get("namespace", "agents"):
        cluster.run("create", "namespace", "agents")
    cluster.install(overlay)
    folder = Path(__file__).parents[2] / "deploy" / "kustomize" / "overlays" / overlay

    everywhere = cluster.__class__(cluster.kubeconfig, "")
    said = everywhere.run("apply", "--dry-run=server", "-k", str(folder))

    assert "deployment.apps/agent-operator" in said.stdout
    # The API server warns of pods that the namespace's Pod Security level would not take.
    assert "Warning: would violate PodSecurity" not in said.stderr


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
def test_the_operator_may_not(deed: tuple[str, ...], kubectl: Any) -> None:
    account = "system:serviceaccount:agent-operator-system:agent-operator"

    assert kubectl.run("auth", "can-i", *deed, "--as", account, check=False).stdout.strip() == "no"


@pytest.fixture
def narrow(cluster: Any, operator: Any, tmp_path: Path) -> Iterator[Any]:
    """An operator of the namespaced install, and kubectl in the one namespace that it watches."""
    own, watched = (f"narrow-{uuid.uuid4().hex[:8]}" for _ in range(2))
    cluster.run("create", "namespace", watched)
    cluster.install("namespaced", agent_operator_system=own, agents=watched)
    account = cluster.account("agent-operator", own, tmp_path / "kubeconfig")
    options = ("--namespaces", watched, "--no-manage-namespaces", "--lease-namespace", own)
    started = operator.__class__(account.kubeconfig, tmp_path / "operator.log", options)
    started.start()
    kubectl = cluster.__class__(cluster.kubeconfig, watched)
    yield kubectl, account, started
    assert started.stop() == 0
    cluster.run("delete", "namespace", own, watched, "--wait=false")


def test_roles_alone_are_enough_for_the_namespaces_they_are_in(
    narrow: Any, operator: Any, agent: Callable[..., Any], until: Callable[..., Any]
) -> None:
    """With leader election, and without any right to what is cluster-wide."""
    kubectl, account, started = narrow
    operator.stop()  # it would do the work
    try:
        kubectl.apply(agent())
        kubectl.until_condition("support", "ConfigValid", "True", "Valid")
        until("the deployment", lambda: kubectl.get("deploy", "support"))
        kubectl.run("delete", "svc", "support")
        until("the service again", lambda: kubectl.get("svc", "support"))
        kubectl.run("delete", "agd", "support", "--timeout=120s")
    finally:
        operator.start()
    log = started.log.read_text(encoding="utf-8")
    assert '"acquired the lease"' in log
    assert "no permission to watch CustomResourceDefinitions" in log
    assert log.count("Forbidden") == 0, "asked in vain, again and again"
    for verb, what in (("list", "secrets"), ("list", "namespaces"), ("list", "customresourcedefinitions")):
        may = account.run("auth", "can-i", verb, what, "--all-namespaces", check=False)
        assert may.stdout.strip() == "no", f"{verb} {what}"


def test_a_right_that_is_missing_for_something_optional_is_told(
    narrow: Any, operator: Any, agent: Callable[..., Any], until: Callable[..., Any]
) -> None:
    """ServiceMonitors are served, but the Role does not mention them: the agent is made without one, and says so."""
    kubectl, _, started = narrow
    for stopped in (operator, started):
        stopped.stop()
    role = kubectl.get("role", "agent-operator")
    role["rules"] = [found for found in role["rules"] if found["apiGroups"] != ["monitoring.coreos.com"]]
    kubectl.run("replace", "-f", "-", stdin=role)
    there = kubectl.get("crd", SERVICE_MONITORS["metadata"]["name"])
    if not there:
        kubectl.apply(SERVICE_MONITORS)
    try:
        until("its API", lambda: kubectl.run("get", "servicemonitors", check=False).returncode == 0)
        started.start()
        kubectl.apply(agent())
        message = until("the word", lambda: kubectl.condition("support", "Warning").get("message"))
        until("the deployment", lambda: kubectl.get("deploy", "support"))
    finally:
        operator.start()
        if not there:
            kubectl.run("delete", "crd", SERVICE_MONITORS["metadata"]["name"])
    assert "ServiceMonitor is left out" in message
    assert "grant the right" in message
    assert "optional API is not used: no permission to list and watch it" in started.log.read_text(encoding="utf-8")

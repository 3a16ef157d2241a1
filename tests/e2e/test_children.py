"""The operator creates the children of an AgentDeployment and keeps them in the desired state."""

import json
from functools import partial
from typing import Any

from tests.e2e.kubectl import Kubectl, make_agent
from tests.e2e.processes import Operator
from tests.polling import eventually

SMALLEST = {"ServiceAccount", "ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}


def kinds(children: dict[tuple[str, str], Any]) -> set[str]:
    return {kind for kind, _ in children}


def _has_children(kubectl: Kubectl, name: str) -> bool:
    return kinds(kubectl.children(name)) >= SMALLEST - {"PodDisruptionBudget"}


def test_a_minimal_agent_gets_its_children(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("small", replicas=2))

    eventually("all children are created", lambda: kinds(kubectl.children("small")) >= SMALLEST)
    deployment = kubectl.get("deploy", "small")
    owner = deployment["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("AgentDeployment", "small", True)
    assert kubectl.get("agd", "small")["metadata"].get("finalizers") is None
    assert eventually("the status is written", lambda: kubectl.get("agd", "small").get("status", {}).get("url"))


def test_ingress_and_autoscaler_follow_the_spec(kubectl: Kubectl) -> None:
    """Ingress and autoscaler are created and deleted as the spec requests."""
    kubectl.apply(make_agent("full", autoscaling={}, ingress={"host": "agent.example.com", "tls": {}}))
    eventually(
        "ingress and autoscaler are created",
        lambda: kinds(kubectl.children("full")) >= {"Ingress", "HorizontalPodAutoscaler"},
    )

    kubectl.apply(make_agent("full"))

    eventually(
        "ingress and autoscaler are deleted",
        lambda: not kinds(kubectl.children("full")) & {"Ingress", "HorizontalPodAutoscaler"},
    )


def test_a_manual_edit_is_reverted(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("drift"))
    eventually("the Service is created", lambda: kubectl.get("svc", "drift"))

    kubectl.run("patch", "svc", "drift", "--type=merge", "-p", '{"spec":{"selector":{"app":"other"}}}')

    eventually("the Service is repaired", lambda: kubectl.get("svc", "drift")["spec"]["selector"] == {"app": "drift"})


def test_a_deleted_child_is_recreated(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("drift"))
    first = eventually("the NetworkPolicy is created", lambda: kubectl.get("netpol", "drift"))

    kubectl.run("delete", "netpol", "drift")

    again = eventually("the NetworkPolicy is recreated", lambda: kubectl.get("netpol", "drift"))
    assert again["metadata"]["uid"] != first["metadata"]["uid"]


def test_fields_of_other_managers_are_kept(kubectl: Kubectl) -> None:
    """Labels and annotations of others, and the annotation of `kubectl rollout restart`."""
    kubectl.apply(make_agent("shared"))
    eventually("the Deployment is created", lambda: kubectl.get("deploy", "shared"))
    kubectl.run("label", "deploy", "shared", "team=billing")
    kubectl.run("annotate", "svc", "shared", "note=mine")
    kubectl.run("rollout", "restart", "deploy/shared")

    kubectl.apply(make_agent("shared", service={"port": 8080}))

    eventually("the change is applied", lambda: kubectl.get("svc", "shared")["spec"]["ports"][0]["port"] == 8080)
    deployment = kubectl.get("deploy", "shared")
    assert deployment["metadata"]["labels"]["team"] == "billing"
    assert "kubectl.kubernetes.io/restartedAt" in deployment["spec"]["template"]["metadata"]["annotations"]
    assert kubectl.get("svc", "shared")["metadata"]["annotations"]["note"] == "mine"


def test_the_autoscaler_owns_the_replicas(kubectl: Kubectl) -> None:
    """Neither enabling the autoscaler nor a later change of the agent changes the number of replicas."""
    kubectl.apply(make_agent("scaled", replicas=3))
    eventually("the Deployment is created", lambda: kubectl.get("deploy", "scaled"))

    kubectl.apply(make_agent("scaled", autoscaling={"minReplicas": 2, "maxReplicas": 9}))
    eventually("the autoscaler is created", lambda: kubectl.get("hpa", "scaled"))
    assert kubectl.get("deploy", "scaled")["spec"]["replicas"] == 3
    kubectl.run("scale", "deploy/scaled", "--replicas=5")
    kubectl.apply(make_agent("scaled", autoscaling={"minReplicas": 2, "maxReplicas": 9}, service={"port": 8080}))
    eventually("the change is applied", lambda: kubectl.get("svc", "scaled")["spec"]["ports"][0]["port"] == 8080)

    assert kubectl.get("deploy", "scaled")["spec"]["replicas"] == 5


def test_kubectl_scale_scales_the_agent(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("scaled"))
    eventually("the Deployment is created", lambda: kubectl.get("deploy", "scaled"))

    kubectl.run("scale", "agd/scaled", "--replicas=4")

    eventually("four replicas are set", lambda: kubectl.get("deploy", "scaled")["spec"]["replicas"] == 4)


def test_an_object_of_another_owner_is_not_changed(kubectl: Kubectl) -> None:
    kubectl.run("create", "service", "clusterip", "mine", "--tcp=80:80")
    before = kubectl.get("svc", "mine")

    kubectl.apply(make_agent("mine"))

    condition = kubectl.wait_for_condition("mine", "Ready", "False", "Conflict")
    assert "Service" in condition["message"]
    assert "mine" in condition["message"]
    assert kubectl.get("svc", "mine")["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    kubectl.run("delete", "svc", "mine")
    eventually(
        "the agent has its own Service",
        lambda: (kubectl.get("svc", "mine") or {"metadata": {}})["metadata"].get("ownerReferences"),
        90,
    )


def test_a_suspended_agent_is_not_reconciled(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("paused"))
    eventually("the Service is created", lambda: kubectl.get("svc", "paused"))
    kubectl.apply(make_agent("paused", suspend=True))
    kubectl.wait_for_condition("paused", "Progressing", "False", "Suspended")

    kubectl.run("delete", "svc", "paused")
    kubectl.apply(make_agent("other"))
    eventually("the Service of another agent is created", lambda: kubectl.get("svc", "other"))

    assert kubectl.get("svc", "paused") is None
    kubectl.apply(make_agent("paused"))
    eventually("the Service is recreated", lambda: kubectl.get("svc", "paused"))


def test_deleting_an_agent_deletes_its_children(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("gone"))
    eventually("all children are created", lambda: kinds(kubectl.children("gone")) >= SMALLEST)

    kubectl.run("delete", "agd", "gone", "--timeout=120s")

    eventually("ingress and autoscaler are deleted", lambda: not kubectl.children("gone"))


def test_an_agent_can_have_its_own_namespace(kubectl: Kubectl) -> None:
    """The namespace is created with labels, gets the children, and is deleted with the agent."""
    name = f"{kubectl.namespace}-own"
    kubectl.apply(make_agent("moved", namespace={"name": name}))
    in_namespace = kubectl.__class__(kubectl.kubeconfig, name)

    eventually("all children are created", lambda: kinds(in_namespace.children("moved")) >= SMALLEST)
    labels = kubectl.get("namespace", name)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert kubectl.get("agd", "moved")["metadata"]["finalizers"] == ["agent-operator.dev/children"]
    # While pods end, the namespace controller waits for half of their grace period before it looks again: 158 s.
    kubectl.run("delete", "agd", "moved", "--timeout=200s")
    eventually("the namespace is deleted", lambda: kubectl.get("namespace", name) is None)


def test_a_namespace_of_another_owner_is_not_changed(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace}-foreign"
    kubectl.run("create", "namespace", name)

    kubectl.apply(make_agent("moved", namespace={"name": name}))

    assert name in kubectl.wait_for_condition("moved", "Ready", "False", "Conflict")["message"]
    kubectl.run("delete", "agd", "moved", "--timeout=120s")
    assert kubectl.get("namespace", name)["metadata"].get("deletionTimestamp") is None
    kubectl.run("delete", "namespace", name, "--wait=false")


def test_a_restarted_operator_writes_nothing(kubectl: Kubectl, operator: Operator) -> None:
    """After SIGKILL and a restart, every resourceVersion is unchanged."""
    names = [f"calm-{number}" for number in range(3)]
    kubectl.apply(*(make_agent(name, replicas=0) for name in names))
    for name in names:
        kubectl.wait_for_condition(name, "ConfigValid", "True", "Valid")
        eventually("all children are created", partial(_has_children, kubectl, name))

    def versions() -> dict[str, str]:
        found = [child for name in names for child in kubectl.children(name).values()]
        found += kubectl.list("agd")
        return {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in found}

    def settled() -> dict[str, str] | None:
        first = versions()
        kubectl.run("get", "--raw", "/version")
        return first if first == versions() else None

    before = eventually("nothing changes any more", settled)
    operator.kill()
    operator.start()
    kubectl.apply(make_agent("proof", replicas=0))
    kubectl.wait_for_condition("proof", "ConfigValid", "True", "Valid")

    kubectl.run("delete", "agd", "proof")
    eventually("the agent is deleted", lambda: len(kubectl.list("agd")) == len(names))
    assert versions() == before


def test_server_side_diff_shows_no_difference(kubectl: Kubectl) -> None:
    """`kubectl diff` is empty after the operator has reconciled."""
    wanted = make_agent("git", ingress={"host": "a.example.com"})
    kubectl.apply(wanted)
    eventually("the Ingress is created", lambda: kubectl.get("ing", "git"))

    assert kubectl.run("diff", "-f", "-", stdin=wanted, check=False).returncode == 0
    assert json.loads(kubectl.out("get", "agd", "git", "-o", "json"))["spec"] == wanted["spec"]

"""One AgentDeployment becomes its children, and they stay as it says."""

import json
from collections.abc import Callable
from typing import Any

SMALLEST = {"ServiceAccount", "ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}


def kinds(children: dict[tuple[str, str], Any]) -> set[str]:
    return {kind for kind, _ in children}


def test_the_smallest_agent_gets_all_it_needs(
    kubectl: Any, agent: Callable[..., Any], until: Callable[..., Any]
) -> None:
    kubectl.apply(agent("small", replicas=2))

    until("all children", lambda: kinds(kubectl.children("small")) >= SMALLEST)
    deployment = kubectl.get("deploy", "small")
    owner = deployment["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("AgentDeployment", "small", True)
    assert kubectl.get("agd", "small")["metadata"].get("finalizers") is None
    assert until("the status", lambda: kubectl.get("agd", "small").get("status", {}).get("url"))


def test_what_the_seed_wants_is_there(kubectl: Any, agent: Callable[..., Any], until: Callable[..., Any]) -> None:
    """Ingress and autoscaler come when asked for, and leave when no longer asked for."""
    kubectl.apply(agent("full", autoscaling={}, ingress={"host": "agent.example.com", "tls": {}}))
    until("ingress and autoscaler", lambda: kinds(kubectl.children("full")) >= {"Ingress", "HorizontalPodAutoscaler"})

    kubectl.apply(agent("full"))

    until("their end", lambda: not kinds(kubectl.children("full")) & {"Ingress", "HorizontalPodAutoscaler"})


def test_an_edit_by_hand_is_undone(kubectl: Any, agent: Callable[..., Any], until: Callable[..., Any]) -> None:
    kubectl.apply(agent("drift"))
    until("the service", lambda: kubectl.get("svc", "drift"))

    kubectl.run("patch", "svc", "drift", "--type=merge", "-p", '{"spec":{"selector":{"app":"other"}}}')

    until("its repair", lambda: kubectl.get("svc", "drift")["spec"]["selector"] == {"app": "drift"})


def test_a_deleted_child_is_back(kubectl: Any, agent: Callable[..., Any], until: Callable[..., Any]) -> None:
    kubectl.apply(agent("drift"))
    first = until("the policy", lambda: kubectl.get("netpol", "drift"))

    kubectl.run("delete", "netpol", "drift")

    again = until("its return", lambda: kubectl.get("netpol", "drift"))
    assert again["metadata"]["uid"] != first["metadata"]["uid"]


def test_what_others_add_survives(kubectl: Any, agent: Callable[..., Any], until: Callable[..., Any]) -> None:
    """Foreign labels and annotations, and `kubectl rollout restart`."""
    kubectl.apply(agent("shared"))
    until("the deployment", lambda: kubectl.get("deploy", "shared"))
    kubectl.run("label", "deploy", "shared", "team=billing")
    kubectl.run("annotate", "svc", "shared", "note=mine")
    kubectl.run("rollout", "restart", "deploy/shared")

    kubectl.apply(agent("shared", service={"port": 8080}))

    until("the change", lambda: kubectl.get("svc", "shared")["spec"]["ports"][0]["port"] == 8080)
    deployment = kubectl.get("deploy", "shared")
    assert deployment["metadata"]["labels"]["team"] == "billing"
    assert "kubectl.kubernetes.io/restartedAt" in deployment["spec"]["template"]["metadata"]["annotations"]
    assert kubectl.get("svc", "shared")["metadata"]["annotations"]["note"] == "mine"


def test_the_autoscaler_owns_the_replicas(kubectl: Any, agent: Callable[..., Any], until: Callable[..., Any]) -> None:
    """Neither turning it on nor a later change of the agent moves the number."""
    kubectl.apply(agent("scaled", replicas=3))
    until("the deployment", lambda: kubectl.get("deploy", "scaled"))

    kubectl.apply(agent("scaled", autoscaling={"minReplicas": 2, "maxReplicas": 9}))
    until("the autoscaler", lambda: kubectl.get("hpa", "scaled"))
    assert kubectl.get("deploy", "scaled")["spec"]["replicas"] == 3
    kubectl.run("scale", "deploy/scaled", "--replicas=5")
    kubectl.apply(agent("scaled", autoscaling={"minReplicas": 2, "maxReplicas": 9}, service={"port": 8080}))
    until("the change", lambda: kubectl.get("svc", "scaled")["spec"]["ports"][0]["port"] == 8080)

    assert kubectl.get("deploy", "scaled")["spec"]["replicas"] == 5


def test_kubectl_scale_scales_the_agent(kubectl: Any, agent: Callable[..., Any], until: Callable[..., Any]) -> None:
    kubectl.apply(agent("scaled"))
    until("the deployment", lambda: kubectl.get("deploy", "scaled"))

    kubectl.run("scale", "agd/scaled", "--replicas=4")

    until("four", lambda: kubectl.get("deploy", "scaled")["spec"]["replicas"] == 4)


def test_a_foreign_object_is_neither_taken_nor_changed(
    kubectl: Any, agent: Callable[..., Any], until: Callable[..., Any]
) -> None:
    kubectl.run("create", "service", "clusterip", "mine", "--tcp=80:80")
    before = kubectl.get("svc", "mine")

    kubectl.apply(agent("mine"))

    condition = kubectl.until_condition("mine", "Ready", "False", "Conflict")
    assert "Service" in condition["message"]
    assert "mine" in condition["message"]
    assert kubectl.get("svc", "mine")["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    kubectl.run("delete", "svc", "mine")
    until(
        "the agent's own",
        lambda: (kubectl.get("svc", "mine") or {"metadata": {}})["metadata"].get("ownerReferences"),
        90,
    )


def test_suspend_leaves_everything_alone(kubectl: Any, agent: Callable[..., Any], until: Callable[..., Any]) -> None:
    kubectl.apply(agent("paused"))
    until("the service", lambda: kubectl.get("svc", "paused"))
    kubectl.apply(agent("paused", suspend=True))
    kubectl.until_condition("paused", "Progressing", "False", "Suspended")

    kubectl.run("delete", "svc", "paused")
    kubectl.apply(agent("other"))
    until("another agent's service", lambda: kubectl.get("svc", "other"))

    assert kubectl.get("svc", "paused") is None
    kubectl.apply(agent("paused"))
    until("the service again", lambda: kubectl.get("svc", "paused"))


def test_delete_leaves_nothing(kubectl: Any, agent: Callable[..., Any], until: Callable[..., Any]) -> None:
    kubectl.apply(agent("gone"))
    until("all children", lambda: kinds(kubectl.children("gone")) >= SMALLEST)

    kubectl.run("delete", "agd", "gone", "--timeout=120s")

    until("their end", lambda: not kubectl.children("gone"))


def test_a_namespace_of_its_own(kubectl: Any, agent: Callable[..., Any], until: Callable[..., Any]) -> None:
    """Made and labelled, filled, and gone with the agent."""
    name = f"{kubectl.namespace}-own"
    kubectl.apply(agent("moved", namespace={"name": name}))
    there = kubectl.__class__(kubectl.kubeconfig, name)

    until("all children", lambda: kinds(there.children("moved")) >= SMALLEST)
    labels = kubectl.get("namespace", name)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert kubectl.get("agd", "moved")["metadata"]["finalizers"] == ["agent-operator.dev/children"]
    kubectl.run("delete", "agd", "moved", "--timeout=120s")
    until("the namespace's end", lambda: kubectl.get("namespace", name) is None)


def test_a_namespace_that_is_not_ours_is_left_alone(kubectl: Any, agent: Callable[..., Any]) -> None:
    name = f"{kubectl.namespace}-foreign"
    kubectl.run("create", "namespace", name)

    kubectl.apply(agent("moved", namespace={"name": name}))

    assert name in kubectl.until_condition("moved", "Ready", "False", "Conflict")["message"]
    kubectl.run("delete", "agd", "moved", "--timeout=120s")
    assert kubectl.get("namespace", name)["metadata"].get("deletionTimestamp") is None
    kubectl.run("delete", "namespace", name, "--wait=false")


def test_an_operator_that_comes_back_writes_nothing(
    kubectl: Any, operator: Any, agent: Callable[..., Any], until: Callable[..., Any]
) -> None:
    """Killed without warning, started again: every resourceVersion is as before."""
    names = [f"calm-{number}" for number in range(3)]
    kubectl.apply(*(agent(name, replicas=0) for name in names))
    for name in names:
        kubectl.until_condition(name, "ConfigValid", "True", "Valid")
        until("all children", lambda name=name: kinds(kubectl.children(name)) >= SMALLEST - {"PodDisruptionBudget"})

    def versions() -> dict[str, str]:
        found = [child for name in names for child in kubectl.children(name).values()]
        found += kubectl.list("agd")
        return {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in found}

    def settled() -> dict[str, str] | None:
        first = versions()
        kubectl.run("get", "--raw", "/version")
        return first if first == versions() else None

    before = until("calm", settled)
    operator.kill()
    operator.start()
    kubectl.apply(agent("proof", replicas=0))
    kubectl.until_condition("proof", "ConfigValid", "True", "Valid")

    kubectl.run("delete", "agd", "proof")
    until("the proof's end", lambda: len(kubectl.list("agd")) == len(names))
    assert versions() == before


def test_gitops_sees_no_difference(kubectl: Any, agent: Callable[..., Any], until: Callable[..., Any]) -> None:
    """What was applied is what is there: `kubectl diff` is empty after the operator has worked."""
    wanted = agent("git", ingress={"host": "a.example.com"})
    kubectl.apply(wanted)
    until("the ingress", lambda: kubectl.get("ing", "git"))

    assert kubectl.run("diff", "-f", "-", stdin=wanted, check=False).returncode == 0
    assert json.loads(kubectl.out("get", "agd", "git", "-o", "json"))["spec"] == wanted["spec"]

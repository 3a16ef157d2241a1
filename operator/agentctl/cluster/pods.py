"""The pods of an agent."""

from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import children_namespace
from agentctl.errors import CommandError
from agentctl.objects import Object, nested_field


def list_pods(kubectl: Kubectl, agent: Object) -> list[Object]:
    """Read the pods of an agent that are not being deleted, by name.

    Raises:
        CommandError: the API server does not respond.
    """
    pods = kubectl.in_namespace(children_namespace(agent)).get("pods", f"--selector={selector(agent)}")
    return [pod for pod in pods if not nested_field(pod, "metadata", "deletionTimestamp")]


def selector(agent: Object) -> str:
    """Return the label selector of an agent's pods.

    Raises:
        CommandError: the operator has not reported it yet.
    """
    found = nested_field(agent, "status", "selector")
    if not found:
        name = nested_field(agent, "metadata", "name")
        raise CommandError(f"{name} has no pods yet: run agentctl status {name} to see why")
    return str(found)


def pod_is_ready(pod: Object) -> bool:
    """Return whether the readiness probes of a pod succeed."""
    conditions = nested_field(pod, "status", "conditions") or ()
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)

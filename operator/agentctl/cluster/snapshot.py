"""An agent, its children and its pods, as the API server returns them at one moment."""

import re
from dataclasses import dataclass

from agent_operator.api import constants
from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import CommandError
from agentctl.objects import Object, nested_field

_NOT_SERVED = re.compile(r'have a resource type "([^".]+)')
RESOURCE = f"{constants.PLURAL}.{constants.GROUP}"


@dataclass(frozen=True, slots=True)
class Child:
    """A child that the status of the agent lists.

    Attributes:
        kind: such as Deployment.
        name: of the object.
        ready: as the status reports it; None if the status does not.
        live: the live object; None if it does not exist, and always for a Secret, which is not read.
        served: whether the API server serves the kind.
    """

    kind: str
    name: str
    ready: bool | None
    live: Object | None
    served: bool = True


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The objects that `agentctl status` shows."""

    agent: Object
    children: tuple[Child, ...]
    pods: tuple[Object, ...]

    def to_json(self) -> Object:
        """Return the snapshot as `status -o json` prints it."""
        live = [child.live for child in self.children if child.live is not None]
        return {"agent": self.agent, "children": live, "pods": list(self.pods)}


def take_snapshot(kubectl: Kubectl, name: str) -> Snapshot:
    """Read an agent, its children and its pods.

    Raises:
        CommandError: the agent does not exist, or the API server does not respond.
    """
    agent = get_agent(kubectl, name)
    children_kubectl = kubectl.in_namespace(children_namespace(agent))
    selector = nested_field(agent, "status", "selector")
    pods = children_kubectl.get("pods", f"--selector={selector}") if selector else []
    children = _read_children(children_kubectl, nested_field(agent, "status", "children") or [])
    return Snapshot(agent, children, tuple(pods))


def get_agent(kubectl: Kubectl, name: str) -> Object:
    """Read one AgentDeployment.

    Raises:
        CommandError: the agent does not exist, or the API server does not respond.
    """
    found = list_agents(kubectl, name)
    if not found:
        command = f"kubectl get {constants.SHORT_NAME} -A"
        raise CommandError(f'{constants.KIND} "{name}" not found: list all agents with {command}')
    return found[0]


def list_agents(kubectl: Kubectl, *arguments: str) -> list[Object]:
    """Read AgentDeployments; the arguments are those of `kubectl get`.

    Raises:
        CommandError: the API server does not respond, or does not serve AgentDeployments.
    """
    try:
        return kubectl.get(RESOURCE, *arguments)
    except CommandError as error:
        if "have a resource type" in str(error):
            raise CommandError(f"{error}: install the operator, or choose another cluster with --context") from error
        raise


def children_namespace(agent: Object) -> str:
    """Return the namespace of an agent's children."""
    return str(nested_field(agent, "spec", "namespace", "name") or nested_field(agent, "metadata", "namespace"))


def _read_children(kubectl: Kubectl, listed: list[Object]) -> tuple[Child, ...]:
    # A user who may read an agent does not need the right to read its Secrets.
    readable = [child for child in listed if child["kind"] != "Secret"]
    objects, not_served = get_served(kubectl, readable)
    live = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    return tuple(
        Child(
            child["kind"],
            child["name"],
            child.get("ready"),
            live.get((child["kind"], child["name"])),
            child not in not_served,
        )
        for child in listed
    )


def get_served(kubectl: Kubectl, children: list[Object]) -> tuple[list[Object], list[Object]]:
    """Return the live objects, and the children whose kind the API server does not serve."""
    not_served: list[Object] = []
    while children:
        try:
            return kubectl.get(*(_resource_name(child) for child in children)), not_served
        except CommandError as error:
            # kubectl reports only the first kind that it does not find. Leave that kind out and try again.
            match = _NOT_SERVED.search(str(error))
            unknown = [child for child in children if match and child["kind"].lower() == match[1]]
            if not unknown:
                raise
            not_served += unknown
            children = [child for child in children if child not in unknown]
    return [], not_served


def _resource_name(child: Object) -> str:
    """Return a child as kubectl names it: kind.group/name."""
    group = child["apiVersion"].rpartition("/")[0]
    return f"{child['kind'].lower()}{'.' if group else ''}{group}/{child['name']}"

"""An agent, its children and its pods as the API server has them at one moment."""

import re
from dataclasses import dataclass
from typing import Any

from agent_operator.api import constants
from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import CommandError
from agentctl.offline.input_files import dig

Object = dict[str, Any]
_NOT_SERVED = re.compile(r'have a resource type "([^".]+)')
RESOURCE = f"{constants.PLURAL}.{constants.GROUP}"


@dataclass(frozen=True, slots=True)
class Child:
    """What status says of a child, and the live object: None when it is gone, or a Secret, which is not read.

    `served` is False where the cluster does not have the API of this kind at all.
    """

    kind: str
    name: str
    ready: bool | None
    live: Object | None
    served: bool = True


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that `agentctl status` shows."""

    agent: Object
    children: tuple[Child, ...]
    pods: tuple[Object, ...]

    def to_json(self) -> Object:
        """Return it as `-o json` prints it."""
        live = [child.live for child in self.children if child.live is not None]
        return {"agent": self.agent, "children": live, "pods": list(self.pods)}


def take(kubectl: Kubectl, name: str) -> Snapshot:
    """Read an agent and all that belongs to it.

    Raises:
        CommandError: there is no such agent, or the cluster does not answer.
    """
    agent = find(kubectl, name)
    there = kubectl.within(childrens_namespace(agent))
    selector = dig(agent, "status", "selector")
    pods = there.get("pods", f"--selector={selector}") if selector else []
    return Snapshot(agent, _children(there, dig(agent, "status", "children") or []), tuple(pods))


def find(kubectl: Kubectl, name: str) -> Object:
    """Read an agent.

    Raises:
        CommandError: there is no such agent, or the cluster does not answer.
    """
    found = agents(kubectl, name)
    if not found:
        raise CommandError(f"no {constants.KIND} {name} there: kubectl get {constants.SHORT_NAME} -A lists what is")
    return found[0]


def agents(kubectl: Kubectl, *arguments: str) -> list[Object]:
    """Read agents.

    Raises:
        CommandError: the cluster does not answer, or knows no agents.
    """
    try:
        return kubectl.get(RESOURCE, *arguments)
    except CommandError as error:
        if "have a resource type" in str(error):
            raise CommandError(f"{error}: install the operator there, or choose a cluster with --context") from error
        raise


def childrens_namespace(agent: Object) -> str:
    """Return where the children of an agent are."""
    return str(dig(agent, "spec", "namespace", "name") or dig(agent, "metadata", "namespace"))


def _children(kubectl: Kubectl, listed: list[Object]) -> tuple[Child, ...]:
    # Who may look at an agent need not be allowed to read its Secrets.
    readable = [child for child in listed if child["kind"] != "Secret"]
    found, absent = _get(kubectl, readable)
    live = {(item["kind"], item["metadata"]["name"]): item for item in found}
    return tuple(
        Child(
            child["kind"],
            child["name"],
            child.get("ready"),
            live.get((child["kind"], child["name"])),
            child not in absent,
        )
        for child in listed
    )


def _get(kubectl: Kubectl, wanted: list[Object]) -> tuple[list[Object], list[Object]]:
    """Return live objects, and those wanted whose kind the cluster does not serve."""
    absent: list[Object] = []
    while wanted:
        try:
            return kubectl.get(*(_argument(child) for child in wanted)), absent
        except CommandError as error:
            named = _NOT_SERVED.search(str(error))
            unknown = [child for child in wanted if named and child["kind"].lower() == named[1]]
            if not unknown:
                raise
            absent += unknown
            wanted = [child for child in wanted if child not in unknown]
    return [], absent


def _argument(child: Object) -> str:
    """Name a child as kubectl does: kind.group/name."""
    group = child["apiVersion"].rpartition("/")[0]
    return f"{child['kind'].lower()}{'.' if group else ''}{group}/{child['name']}"

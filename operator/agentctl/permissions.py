"""The RBAC permissions that a command needs, declared next to it. docs/reference/agentctl.md lists them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from agent_operator.api import constants

AGENTS = f"{constants.PLURAL}.{constants.GROUP}"
CHANNELS = f"{constants.CHANNEL_PLURAL}.{constants.GROUP}"
REVISIONS = "controllerrevisions.apps"
ATTRIBUTE = "__permissions__"
_Command = TypeVar("_Command", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Permission:
    """Verbs on resources in the namespace of the agent, or of its children.

    Attributes:
        verbs: such as get and list, in the order of the alphabet.
        resources: as RBAC and kubectl name them: plural, group and subresource, such as pods/log.
        condition: when the command needs it, such as "with -A"; empty for always.
    """

    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    condition: str = ""

    def when(self, condition: str) -> "Permission":
        """Return the same permission, needed only under a condition."""
        return Permission(self.verbs, self.resources, condition)


def permit(verbs: str, *resources: str) -> Permission:
    """Return a permission; the verbs are separated by spaces."""
    return Permission(tuple(verbs.split()), resources)


READ_AGENT = permit("get", AGENTS)
READ_CHILDREN = permit(
    "get",
    "configmaps",
    "deployments.apps",
    "networkpolicies.networking.k8s.io",
    "poddisruptionbudgets.policy",
    "serviceaccounts",
    "services",
)
READ_OTHER_CHILDREN = permit("get", "the kinds in status.children of the agent, except Secrets").when(
    "if the agent has other children, such as an Ingress"
)
COMMAND_AGENT = (
    permit("get patch", AGENTS),
    permit("list", "events"),
    permit("create", "deployments.apps").when("where the admission policy of the operator is installed"),
)


def requires(*permissions: Permission) -> Callable[[_Command], _Command]:
    """Declare the permissions of a command; without arguments, that it needs no cluster."""

    def declare(command: _Command) -> _Command:
        setattr(command, ATTRIBUTE, permissions)
        return command

    return declare


def required(command: Callable[..., object] | None) -> tuple[Permission, ...] | None:
    """Return the permissions that a command declares; None if it declares nothing."""
    found: Iterable[Permission] | None = getattr(command, ATTRIBUTE, None)
    return None if found is None else tuple(found)

"""Options and arguments that several commands share, and the epilog of every help text."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated

import typer

from agent_operator.api import constants
from agentctl.errors import UsageError

EPILOG = "Exit status: 0 success · 1 the request failed; the reason is on one line · 2 usage error · 130 interrupted."


def name_of(kind: str, *resources: str) -> Callable[[str], str]:
    """Return a callback for a name that also accepts RESOURCE/NAME, as kubectl prints and accepts it."""
    known = {kind.lower(), *resources}

    def strip(value: str) -> str:
        given, slash, name = value.rpartition("/")
        resource = given.lower().removesuffix(f".{constants.GROUP}").removesuffix(f".{constants.VERSION}")
        if slash and (resource not in known or not name):
            raise UsageError(f"{value} names no {kind}: use its name, or {kind.lower()}/NAME")
        return name

    return strip


AGENT_NAME = name_of(constants.KIND, constants.PLURAL, constants.SHORT_NAME)
CHANNEL_NAME = name_of(constants.CHANNEL_KIND, constants.CHANNEL_PLURAL, constants.CHANNEL_SHORT_NAME)

Name = Annotated[str, typer.Argument(help="Name of the AgentDeployment, or agentdeployment/NAME.", callback=AGENT_NAME)]
AgentNamespace = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace of the AgentDeployment. Default: that of the context.")
]
Kubeconfig = Annotated[str, typer.Option(help="Path to the kubeconfig file. Default: the one that kubectl uses.")]
Context = Annotated[str, typer.Option(help="Name of the kubeconfig context. Default: the current context.")]


@dataclass(frozen=True, slots=True)
class Impersonation:
    """The user and the groups as whom requests are sent; empty for the user of the kubeconfig."""

    user: str = ""
    groups: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """The options of kubectl."""
        return (*((f"--as={self.user}",) if self.user else ()), *(f"--as-group={group}" for group in self.groups))


IMPERSONATION: ContextVar[Impersonation] = ContextVar("impersonation")
"""Set for each command line."""


def impersonation() -> Impersonation:
    """Return the impersonation of the command line; none outside of a command."""
    return IMPERSONATION.get(Impersonation())

"""The epilog of every help text, names of objects, and the impersonation of a command line."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

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

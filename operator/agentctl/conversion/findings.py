"""What becomes of the fields and objects of the input."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from agentctl.conversion.manifests import Manifest


class Outcome(StrEnum):
    """What becomes of a field.

    KEPT is the same in what the operator renders. CHANGED and ADDED are set by the operator. LOST has no field in an
    AgentDeployment, and the agent behaves differently without it.
    """

    KEPT = "kept"
    CHANGED = "changed"
    ADDED = "added"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Finding:
    """What becomes of one field.

    Attributes:
        object: kind and name, such as Deployment/support.
        field: path of the field in the object; empty for the whole object.
        outcome: changed, added or lost.
        reason: why, then what to do.
        place: file and line; empty for an object of a cluster.
    """

    object: str
    field: str
    outcome: Outcome
    reason: str
    place: str = ""


class ObjectOutcome(StrEnum):
    """What becomes of an object of the input."""

    REPLACED = "replaced"
    STAYS = "stays"


@dataclass(frozen=True, slots=True)
class ObjectFinding:
    """What becomes of one object.

    Attributes:
        object: kind and name.
        outcome: replaced by an object of the operator, or stays as it is.
        detail: kind and name of the new object, or why the object stays.
        same_name: whether the new object has the same kind, namespace and name.
    """

    object: str
    outcome: ObjectOutcome
    detail: str
    same_name: bool = False


def lost(manifest: Manifest, field: str, reason: str, position: str = "") -> Finding:
    """Return a finding for a field that an AgentDeployment cannot express.

    `position` is the path of the field with positions in lists, if `field` has names instead.
    """
    return Finding(manifest.title, field, Outcome.LOST, reason, manifest.place(position or field))


def changed(manifest: Manifest, field: str, reason: str, position: str = "") -> Finding:
    """Return a finding for a field that the operator sets to another value; `position` as for lost."""
    return Finding(manifest.title, field, Outcome.CHANGED, reason, manifest.place(position or field))


def loses_behavior(findings: Iterable[Finding]) -> bool:
    """Report whether a field of the input is lost."""
    return any(finding.outcome is Outcome.LOST for finding in findings)

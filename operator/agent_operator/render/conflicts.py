"""Why a child cannot be written: an object of another owner, or one that ends or cannot be read. Pure."""

from collections.abc import Mapping

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.objects import Live, Ref


def conflict(target: Ref, *, terminating: bool = False) -> Problem:
    """Describe an object that cannot be written: it belongs to another owner, or it is being deleted."""
    if terminating:
        reason = Reason.NAMESPACE_TERMINATING if target.kind == "Namespace" else Reason.TERMINATING
        message = (
            f"{target} is being deleted, or belongs to a deleted AgentDeployment: the operator creates it again after "
            "the deletion; if the deletion does not end, check the finalizers of the object; if a backup restored "
            f"it, adopt it with the annotation {constants.ANNOTATION_ADOPT}: {target.kind}/{target.name}"
        )
        return Problem(reason, "", message, retry=True)
    return conflicts({target: ""})


def conflicts(refused: Mapping[Ref, str]) -> Problem:
    """Describe objects of other owners.

    Args:
        refused: the objects, and the controller of each; empty for one without a controller, which can be adopted.
    """
    named = ", ".join(
        f"{target} (controlled by {owner})" if owner else str(target) for target, owner in refused.items()
    )
    verbs, them = ("exists and does", "it") if len(refused) == 1 else ("exist and do", "them")
    entries = ",".join(f"{target.kind}/{target.name}" for target, owner in refused.items() if not owner)
    adopt = f", or adopt {them} with the annotation {constants.ANNOTATION_ADOPT}: {entries}" if entries else ""
    return Problem(
        Reason.CONFLICT,
        "",
        f"{named} {verbs} not belong to this AgentDeployment, so the operator does not change {them}: delete or "
        f"rename {them}, or rename the AgentDeployment{adopt}",
    )


def unreadable(target: Ref, live: Live) -> Problem:
    """Describe a child that cannot be read."""
    return Problem(
        Reason.UNREADABLE,
        "",
        f"{target} belongs to this AgentDeployment, but the operator cannot read it: {live.unreadable}: delete it, and "
        "the operator creates it again",
        retry=True,
    )

"""What stands in the way, said so that a reader knows what to do."""

import re

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.objects import Ref
from agent_operator.kube.transport import ApiError

_FORBIDDEN = 403
_NOT_FOUND = 404
# Up to the next field that the API server complains of.
_QUOTED = re.compile(r"(\benv\[[^\]]*\][^:]*: \w+ value: ).*?(?=, spec\.|\]?$)", re.DOTALL)
_TELLING = frozenset({400, _FORBIDDEN, _NOT_FOUND, 413, 422})


def refused(target: Ref, error: ApiError) -> Problem:
    """Tell why the API server refused a write of this object."""
    if error.code not in _TELLING:
        return from_api(error)
    if error.code == _FORBIDDEN and "being terminated" in error.message:
        message = f"Namespace {target.namespace} is being deleted: the agent is made anew in it when it is gone"
        return Problem(Reason.NAMESPACE_TERMINATING, "", message, retry=True)
    if error.code == _NOT_FOUND and not error.message.startswith("namespaces "):
        message = f"{target} cannot be written, for its API is not served: see the CustomResourceDefinition"
        return Problem(Reason.API_MISSING, "", message, retry=True)
    if error.code == _NOT_FOUND:
        message = f"{target} cannot be created, for there is no Namespace {target.namespace}: create it"
        return Problem(Reason.NAMESPACE_MISSING, "", message, retry=True)
    # The API server quotes what it refuses; what is in a Secret must not get into a condition.
    said = "its reason is left out, for it may quote the Secret" if target.kind == "Secret" else _plain(error.message)
    if error.code == _FORBIDDEN and "is forbidden: User " in error.message:
        message = f"the operator may not write {target}: {said}: grant its ServiceAccount the right"
        return Problem(Reason.FORBIDDEN, "", message)
    return Problem(Reason.REJECTED, "", f"{target} was refused: {said}")


def _plain(message: str) -> str:
    """Leave out the values of environment variables: somebody may have put a secret there."""
    return _QUOTED.sub(r"\1(left out)", message)


def from_api(error: ApiError) -> Problem:
    """Tell of a call that failed for a reason that is not one object's."""
    if error.code == _FORBIDDEN:
        message = f"the operator lacks a right: {error.message}: grant it to its ServiceAccount"
        return Problem(Reason.FORBIDDEN, "", message)
    if error.code == 0:
        return Problem(Reason.API_UNAVAILABLE, "", error.message, retry=True)
    message = f"the API server answered {error.code} {error.reason}"
    return Problem(Reason.API_UNAVAILABLE, "", message, retry=True)


def namespace_not_watched(name: str) -> Problem:
    """Tell that the children would be where the operator does not look."""
    return Problem(
        Reason.NAMESPACE_NOT_WATCHED,
        "spec.namespace.name",
        f"this operator neither manages namespaces nor watches {name}: remove spec.namespace, or "
        "let the operator run with --manage-namespaces or watch that namespace",
    )


def namespace_not_managed(name: str) -> Problem:
    """Tell that the namespace is somebody else's to make and to remove."""
    return Problem(
        Reason.NAMESPACE_NOT_MANAGED,
        "spec.namespace",
        f"this operator does not manage namespaces, so {name} must exist, and stays",
    )

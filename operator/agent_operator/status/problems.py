"""Problems that the API server reports. Each message says what is wrong and names the remedy."""

from http import HTTPStatus

from agent_operator.api.problems import Problem, shorten
from agent_operator.api.reasons import Reason
from agent_operator.kube.objects import Ref
from agent_operator.kube.transport import ApiError
from agent_operator.status.rejections import RejectedChild

# Status codes that concern the object in the request, not the API server or the connection to it.
_ABOUT_THE_OBJECT = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)


def refused(child: RejectedChild, error: ApiError, *, namespace_managed: bool) -> Problem:
    """Explain why the API server refused to write a child.

    Args:
        child: the child.
        error: the response.
        namespace_managed: the operator creates the namespace of the child.
    """
    target = child.target
    if error.code not in _ABOUT_THE_OBJECT and not error.is_decode_error:
        return from_api(error)
    if error.code == HTTPStatus.FORBIDDEN and "being terminated" in error.message:
        return _namespace_terminating(target.namespace, managed=namespace_managed)
    if error.code == HTTPStatus.NOT_FOUND:
        return _not_found(target, error)
    if error.code == HTTPStatus.FORBIDDEN and "is forbidden: User " in error.message:
        message = (
            f"the operator has no permission to write {target}: {child.words(error.message)}: grant the permission to "
            "the operator's ServiceAccount"
        )
        return Problem(Reason.FORBIDDEN, "", message)
    return child.problem(error)


def from_api(error: ApiError) -> Problem:
    """Explain a failed call that is not about one object."""
    if error.code == HTTPStatus.FORBIDDEN:
        message = f"the operator lacks a permission: {shorten(error.message)}: grant it to its ServiceAccount"
        return Problem(Reason.FORBIDDEN, "", message)
    if error.code == 0:
        return Problem(Reason.API_UNAVAILABLE, "", shorten(error.message), retry=True)
    message = f"the API server answered {error.code} {error.reason}"
    return Problem(Reason.API_UNAVAILABLE, "", message, retry=True)


def namespace_not_watched(name: str) -> Problem:
    """Explain that the operator does not watch the namespace of the children."""
    return Problem(
        Reason.NAMESPACE_NOT_WATCHED,
        "spec.namespace.name",
        f"the operator neither manages namespaces nor has {name} in --namespaces: remove spec.namespace, or run "
        f"the operator with --manage-namespaces, or add {name} to --namespaces",
    )


def namespace_not_managed(name: str) -> Problem:
    """Warn that the operator neither creates nor deletes the namespace of the children."""
    return Problem(
        Reason.NAMESPACE_NOT_MANAGED,
        "spec.namespace",
        f"the operator runs with --no-manage-namespaces: create the namespace {name} before the agent, and delete it "
        "after the agent is deleted",
    )


def _namespace_terminating(name: str, *, managed: bool) -> Problem:
    remedy = (
        "the operator creates it again after the deletion; if the deletion does not end, check the finalizers of the "
        "namespace"
        if managed
        else "wait until it is gone and create it again, or choose another namespace"
    )
    return Problem(Reason.NAMESPACE_TERMINATING, "", f"Namespace {name} is being deleted: {remedy}", retry=True)


def _not_found(target: Ref, error: ApiError) -> Problem:
    if error.message.startswith("namespaces "):
        message = f"{target} cannot be created because Namespace {target.namespace} does not exist: create it"
        return Problem(Reason.NAMESPACE_MISSING, "", message, retry=True)
    message = f"{target} cannot be written because its API is not served: check its CustomResourceDefinition"
    return Problem(Reason.API_MISSING, "", message, retry=True)

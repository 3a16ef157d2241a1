"""Checks an AgentDeployment as `agentctl validate` does, and leaves out of it what is rejected."""

from collections.abc import Iterator, Sequence
from copy import deepcopy

from pydantic import ValidationError

from agent_operator.api import constants
from agent_operator.api.problems import ProblemError
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, render
from agentctl.conversion import pod_template
from agentctl.conversion.workload import Workload
from agentctl.errors import CommandError
from agentctl.objects import Object
from agentctl.offline.checks import check
from agentctl.offline.documents import Document
from agentctl.offline.input_files import Sources

# Each attempt removes what one error of the validation names.
_MAX_ATTEMPTS = 100


def agent(workload: Workload, spec: Object) -> Object:
    """Return the AgentDeployment with a spec. Annotations, such as one for adoption, belong into its metadata."""
    metadata = {"name": workload.name, "namespace": workload.namespace}
    return {"apiVersion": constants.API_VERSION, "kind": constants.KIND, "metadata": metadata, "spec": spec}


def _inputs(workload: Workload, spec: Object) -> Inputs:
    return Inputs(AgentDeployment.model_validate(agent(workload, spec)))


def rendered(workload: Workload, spec: Object) -> Sequence[Object] | None:
    """Return what the operator renders from a spec; None if the spec is not valid."""
    try:
        return render(_inputs(workload, spec)).manifests
    except (ProblemError, ValidationError):
        return None


def valid(workload: Workload, spec: Object) -> tuple[Object, dict[str, str]]:
    """Return the spec without what the API server or the operator would reject, and the removed fields with the reason.

    Raises:
        CommandError: what is rejected cannot be left out.
    """
    result, removed = deepcopy(spec), dict[str, str]()
    for _ in range(_MAX_ATTEMPTS):
        error = next(iter(_errors(workload, result)), None)
        if error is None:
            return result, removed
        field, message = error
        optional = field.startswith("spec.") and not field.startswith("spec.config")
        gone = pod_template.remove(result, field) if optional else ""
        if not gone:
            break
        removed[gone] = message
    raise CommandError(f"{workload.deployment.title}: {field}: {message}: correct the input")


def _errors(workload: Workload, spec: Object) -> Iterator[tuple[str, str]]:
    result = check(_document(workload, spec), Sources(()))
    yield from ((error.field, error.message) for error in result.errors)


def _document(workload: Workload, spec: Object) -> Document:
    return Document(workload.deployment.document.file, 1, agent(workload, spec))


def checked(workload: Workload, spec: Object) -> Inputs:
    """Return the inputs of rendering.

    Raises:
        CommandError: the AgentDeployment is not valid.
    """
    result = check(_document(workload, spec), Sources(()))
    if result.inputs is None:
        error = result.errors[0]
        raise CommandError(f"{workload.deployment.title}: {error.field}: {error.message}: correct the input")
    return result.inputs

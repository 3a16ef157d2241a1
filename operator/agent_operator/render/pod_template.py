"""spec.podTemplate, merged over the rendered template: the last word, as far as it is allowed."""

from typing import Any

from pydantic import ValidationError

from agent_operator.api import constants
from agent_operator.api.kubernetes_models import typed
from agent_operator.api.problems import Problem, ProblemError
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import quantities
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render import strategic_merge
from agent_operator.render.canonical import canonical
from agent_operator.validation import pod_template
from agent_runtime.config import explain

Object = dict[str, Any]

# What an added container gets unless it says otherwise: without it no namespace that enforces `restricted` takes it.
_HARDENED: Object = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

# A merged sidecar may come before the agent, but `kubectl logs` and `exec` should mean the agent.
_FIRST: Object = {"metadata": {"annotations": {"kubectl.kubernetes.io/default-container": constants.CONTAINER}}}


def merged(inputs: Inputs, base: Object) -> Object:
    """Return the pod template that the pods get.

    Raises:
        ProblemError: the patch makes no sense, makes no pod template, or would take back the hardening.
    """
    patch = inputs.spec.pod_template
    if not patch:
        return base
    try:
        made = _harden(base, strategic_merge.merge(strategic_merge.merge(base, _FIRST), patch))
        template = typed("V1PodTemplateSpec").model_validate(_quantities(made))
        made = template.model_dump(mode="json", by_alias=True, exclude_none=True)
    except strategic_merge.MergeError as error:
        path = f"{pod_template.FIELD}.{error.path}" if error.path else pod_template.FIELD
        raise ProblemError(Problem(SpecReason.POD_TEMPLATE_INVALID, path, str(error))) from None
    except ValidationError as error:
        lines = explain(error, pod_template.FIELD).splitlines()
        told = [line.partition(": ") for line in lines]
        faults = [
            Problem(SpecReason.POD_TEMPLATE_INVALID, path, f"{message}: correct it as in a Pod")
            for path, _, message in told
        ]
        raise ProblemError(*faults) from None
    if "spec" not in made:
        message = "the pods need one: remove null or $patch"
        raise ProblemError(Problem(SpecReason.POD_TEMPLATE_INVALID, f"{pod_template.FIELD}.spec", message))
    if found := tuple(pod_template.check(base, made, allow_unsafe=inputs.platform.allow_unsafe_pod_templates)):
        raise ProblemError(*found)
    result: Object = canonical(made)
    return result


def _harden(base: Object, made: Object) -> Object:
    """Fill in the security context of containers that the patch has added."""
    spec = made.get("spec")
    if not isinstance(spec, dict):
        return made
    known = {container["name"] for container in base["spec"]["containers"]}
    filled = {
        kind: [
            container
            if container["name"] in known
            else strategic_merge.merge({"securityContext": _HARDENED}, container)
            for container in spec[kind]
        ]
        for kind in ("containers", "initContainers")
        if isinstance(spec.get(kind), list)
    }
    return made | {"spec": spec | filled}


def _quantities(value: Any, field: str = "") -> Any:
    """Spell the amounts of resources as the API server does; what is none is left for the model to refuse."""
    if isinstance(value, dict):
        if field in ("requests", "limits"):
            return {key: _amount(amount) for key, amount in value.items()}
        return {key: _quantities(item, key) for key, item in value.items()}
    return [_quantities(item) for item in value] if isinstance(value, list) else value


def _amount(given: Any) -> Any:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return given
    try:
        return quantities.canonical(str(given))
    except ValueError:
        return given

"""Merges spec.podTemplate over the rendered pod template. Overrides of the hardening are rejected unless allowed."""

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

# Defaults of an added container. Namespaces that enforce the `restricted` standard refuse a container without them.
_HARDENED: Object = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

# A sidecar may be the first container, but `kubectl logs` and `kubectl exec` should select the agent.
_FIRST: Object = {"metadata": {"annotations": {"kubectl.kubernetes.io/default-container": constants.CONTAINER}}}


def merged(inputs: Inputs, base: Object) -> Object:
    """Return the pod template with spec.podTemplate merged over it.

    Raises:
        ProblemError: the patch is malformed, its result is no pod template, or it overrides the hardening.
    """
    patch = inputs.spec.pod_template or {}
    try:
        merged_template = _harden(base, strategic_merge.merge(strategic_merge.merge(base, _FIRST), patch))
        template = typed("V1PodTemplateSpec").model_validate(_quantities(merged_template))
        merged_template = template.model_dump(mode="json", by_alias=True, exclude_none=True)
    except strategic_merge.MergeError as error:
        path = f"{pod_template.FIELD}.{error.path}" if error.path else pod_template.FIELD
        raise ProblemError(Problem(SpecReason.POD_TEMPLATE_INVALID, path, str(error))) from None
    except ValidationError as error:
        raise ProblemError(*map(_problem, explain(error, pod_template.FIELD).splitlines())) from None
    if "spec" not in merged_template:
        message = "the pods need one: remove null or $patch"
        raise ProblemError(Problem(SpecReason.POD_TEMPLATE_INVALID, f"{pod_template.FIELD}.spec", message))
    if found := tuple(
        pod_template.check(base, merged_template, allow_unsafe=inputs.platform.allow_unsafe_pod_templates)
    ):
        raise ProblemError(*found)
    result: Object = canonical(merged_template)
    return result


def _problem(line: str) -> Problem:
    """Return the problem of a line `path: message`. The line that counts further errors has no path."""
    path, colon, message = line.partition(": ")
    if not colon:
        return Problem(SpecReason.POD_TEMPLATE_INVALID, pod_template.FIELD, f"{line}: correct the others first")
    return Problem(SpecReason.POD_TEMPLATE_INVALID, path, f"{message}: correct it as in a Pod")


def _harden(base: Object, merged_template: Object) -> Object:
    """Add defaults to the security context of containers that the patch adds."""
    spec = merged_template.get("spec")
    if not isinstance(spec, dict):
        return merged_template
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
    return merged_template | {"spec": spec | filled}


def _quantities(value: Any, field: str = "") -> Any:
    """Write quantities as the API server does. The model rejects malformed ones."""
    if isinstance(value, dict):
        if field in ("requests", "limits"):
            return {key: _amount(amount) for key, amount in value.items()}
        return {key: _quantities(item, key) for key, item in value.items()}
    return [_quantities(item) for item in value] if isinstance(value, list) else value


def _amount(given: Any) -> Any:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return given
    try:
        return quantities.canonical(given if isinstance(given, int) else str(given))
    except ValueError:
        return given

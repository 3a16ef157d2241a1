"""Validation of spec.podTemplate against the rendered pod template."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import credentials
from agent_operator.validation import pod_hardening

Object = Mapping[str, Any]

FIELD = "spec.podTemplate"
_RESERVED_PREFIX = f"{constants.GROUP}/"
# Labels that make a webhook inject a token, with the field that sets them.
_IDENTITY = {constants.LABEL_WORKLOAD_IDENTITY: "use spec.identity.azureWorkloadIdentity"}


def check(base: Object, merged: Object, *, allow_unsafe: bool) -> Iterator[Problem]:
    """Yield what is invalid or unsafe in a template.

    Args:
        base: the rendered template.
        merged: the same template with spec.podTemplate merged in.
        allow_unsafe: whether the template may weaken the hardening (--allow-unsafe-pod-templates).
    """
    yield from _metadata(base.get("metadata") or {}, merged.get("metadata") or {})
    yield from _agent(_container(base) or {}, _container(merged))
    if allow_unsafe:
        return
    account, spec = base["spec"]["serviceAccountName"], merged["spec"]
    # Without a name, the pods would get the ServiceAccount `default`.
    if spec.get("serviceAccountName") != account or spec.get("serviceAccount", account) != account:
        yield _unsafe(
            "spec.serviceAccountName",
            "changes the ServiceAccount of the pods: set spec.identity.serviceAccount instead",
        )
    # Violations of the base come from other fields of the spec, whose own rules handle them.
    volumes = base["spec"].get("volumes") or ()
    known = set(pod_hardening.violations(base, rendered_volumes=volumes))
    for problem in pod_hardening.violations(merged, rendered_volumes=volumes):
        if problem not in known:
            yield _unsafe(problem.field, problem.message)


def _unsafe(path: str, message: str) -> Problem:
    remedy = "; an operator with --allow-unsafe-pod-templates accepts it"
    return Problem(SpecReason.POD_TEMPLATE_UNSAFE, f"{FIELD}.{path}", message + remedy)


def _invalid(path: str, message: str) -> Problem:
    return Problem(SpecReason.POD_TEMPLATE_INVALID, f"{FIELD}.{path}", message)


def _metadata(base: Object, merged: Object) -> Iterator[Problem]:
    for field in sorted(set(merged) - {"labels", "annotations"}):
        yield _invalid(f"metadata.{field}", "a template may only set labels and annotations: remove it")
    for field in ("labels", "annotations"):
        before, after = base.get(field) or {}, merged.get(field) or {}
        for key in sorted({*before, *after}):
            reserved = key.startswith(_RESERVED_PREFIX) or (field == "labels" and (key in before or key in _IDENTITY))
            if reserved and before.get(key) != after.get(key):
                remedy = _IDENTITY.get(key, "remove it")
                yield _invalid(f"metadata.{field}[{key}]", f"set by the operator: {remedy}")


def _container(template: Object) -> Object | None:
    found: list[Object] = [c for c in template["spec"].get("containers") or () if c["name"] == constants.CONTAINER]
    return found[0] if found else None


def _agent(base: Object, merged: Object | None) -> Iterator[Problem]:
    """Check that the template does not change what other fields set in the container of the agent."""
    path = f"spec.containers[{constants.CONTAINER}]"
    if merged is None:
        yield _invalid(
            "spec.containers", f"the container {constants.CONTAINER} runs the agent and must not be removed: keep it"
        )
        return
    if merged.get("image") != base.get("image"):
        yield _invalid(f"{path}.image", "must not change the image of the agent: set spec.runtime.image instead")
    before, after = _variables(base), _variables(merged)
    for name in credentials.RESERVED:
        if before.get(name) != after.get(name):
            yield _invalid(f"{path}.env[{name}]", "set by the operator: remove it")


def _variables(container: Object) -> Mapping[str, Object]:
    return {variable["name"]: variable for variable in container.get("env") or ()}

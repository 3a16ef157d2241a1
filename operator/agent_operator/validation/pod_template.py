"""What spec.podTemplate may do to the pods."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import credentials
from agent_operator.validation import pod_hardening

Object = Mapping[str, Any]

FIELD = "spec.podTemplate"
_OURS = f"{constants.GROUP}/"


def faults(base: Object, merged: Object, *, allow_unsafe: bool) -> Iterator[Problem]:
    """Yield what is wrong with a template.

    Args:
        base: the rendered template.
        merged: the same with spec.podTemplate merged in.
        allow_unsafe: whether the operator lets the hardening be taken back.
    """
    yield from _metadata(base.get("metadata") or {}, merged.get("metadata") or {})
    yield from _agent(_container(base) or {}, _container(merged))
    if allow_unsafe:
        return
    account = base["spec"]["serviceAccountName"]
    if {merged["spec"].get(field, account) for field in ("serviceAccountName", "serviceAccount")} != {account}:
        yield _unsafe("spec.serviceAccountName", "another account's rights: name it in spec.identity.serviceAccount")
    # What another field of the spec brought in is that field's affair; here only what the template changes.
    known = set(pod_hardening.faults(base))
    for problem in pod_hardening.faults(merged):
        if problem not in known:
            yield _unsafe(problem.field, problem.message)


def _unsafe(path: str, message: str) -> Problem:
    remedy = "; an operator run with --allow-unsafe-pod-templates would let it pass"
    return Problem(SpecReason.POD_TEMPLATE_UNSAFE, f"{FIELD}.{path}", message + remedy)


def _invalid(path: str, message: str) -> Problem:
    return Problem(SpecReason.POD_TEMPLATE_INVALID, f"{FIELD}.{path}", message)


def _metadata(base: Object, merged: Object) -> Iterator[Problem]:
    for field in sorted(set(merged) - {"labels", "annotations"}):
        yield _invalid(f"metadata.{field}", "pods take labels and annotations from a template: remove it")
    for field in ("labels", "annotations"):
        before, after = base.get(field) or {}, merged.get(field) or {}
        for key in sorted({*before, *after}):
            ours = key.startswith(_OURS) or (field == "labels" and key in before)
            if ours and before.get(key) != after.get(key):
                yield _invalid(f"metadata.{field}[{key}]", "set by the operator: remove it")


def _container(template: Object) -> Object | None:
    found: list[Object] = [c for c in template["spec"].get("containers") or () if c["name"] == constants.CONTAINER]
    return found[0] if found else None


def _agent(base: Object, merged: Object | None) -> Iterator[Problem]:
    """The agent's own container stays what the rest of the spec says."""
    path = f"spec.containers[{constants.CONTAINER}]"
    if merged is None:
        yield _invalid("spec.containers", f"the container {constants.CONTAINER} is the agent: let it stay")
        return
    if merged.get("image") != base.get("image"):
        yield _invalid(f"{path}.image", "the agent's image is chosen elsewhere: use spec.runtime.image")
    before, after = _variables(base), _variables(merged)
    for name in credentials.RESERVED:
        if before.get(name) != after.get(name):
            yield _invalid(f"{path}.env[{name}]", "set by the operator: remove it")


def _variables(container: Object) -> Mapping[str, Object]:
    return {variable["name"]: variable for variable in container.get("env") or ()}

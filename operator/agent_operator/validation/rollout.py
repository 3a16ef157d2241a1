"""How a new revision replaces the old one."""

from collections.abc import Iterator

from pydantic import ValidationError

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import checks
from agent_operator.inputs.agent_inputs import Inputs
from agent_runtime.config import explain

_CANARY = "spec.rollout.canary"
# What fits into the ConfigMap that the checks are handed on in.
_MAX_BYTES = 900_000


def checks_are_usable(inputs: Inputs) -> Iterator[Problem]:
    canary = checks.canary_of(inputs)
    kept = checks.reference(inputs)
    if canary is None or (canary.checks is None and kept is None):
        return
    if canary.checks is not None and kept is not None:
        message = "checks and checksFrom exclude each other: keep one"
        yield Problem(SpecReason.FIELD_CONFLICT, _CANARY, message)
        return
    if kept is not None and inputs.checks_text is None:
        message = (
            f"there is no ConfigMap {kept.name} with the key {kept.key} in namespace {inputs.own_namespace}: create it "
            "or correct the reference"
        )
        yield Problem(SpecReason.CHECKS_MISSING, f"{_CANARY}.checksFrom.configMapKeyRef", message, retry=True)
        return
    yield from _faults(inputs)


def _faults(inputs: Inputs) -> Iterator[Problem]:
    """Yield what is wrong with the checks, each with its path within the spec or within the text."""
    apart = checks.reference(inputs) is not None
    root = f"{_CANARY}.checksFrom.configMapKeyRef" if apart else _CANARY
    try:
        found = checks.of(inputs)
    except (checks.ChecksError, ValidationError) as error:
        lines = explain(error) if isinstance(error, ValidationError) else str(error)
        yield from (_fault(root, line, apart=apart) for line in lines.splitlines())
        return
    if found is None:
        return
    yield from (
        _fault(root, f"{line}: correct it or add the model", apart=apart)
        for line in found.unknown_models([model.name for model in inputs.spec.config.models])
    )
    if len(found.dump().encode()) > _MAX_BYTES:
        yield _fault(root, f"checks: have more than {_MAX_BYTES} bytes as JSON: ask less at length", apart=apart)


def _fault(root: str, line: str, *, apart: bool) -> Problem:
    """Make a failure of a line `path: message`; the path within a text is part of what is said of the text."""
    path, colon, message = line.partition(": ")
    if apart or not colon:
        return Problem(SpecReason.CHECKS_INVALID, root, line)
    remedy = "" if ": " in message else ": correct it"
    return Problem(SpecReason.CHECKS_INVALID, f"{root}.{path}", message + remedy)

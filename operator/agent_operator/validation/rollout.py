"""Validation of the strategy of rollouts, and of the checks of a canary."""

from collections.abc import Iterator

from pydantic import ValidationError

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import checks, disruption
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.inputs.checks_text import ChecksError
from agent_runtime.config import explain

_CANARY = "spec.rollout.canary"
_ROLLING_UPDATE = "spec.rollout.rollingUpdate"
_ALL = 100
# The operator passes the checks to the Job in a ConfigMap, whose size is limited to 1 MiB.
_MAX_BYTES = 900_000


def strategy_can_progress(inputs: Inputs) -> Iterator[Problem]:
    """A rolling update needs a surge or unavailable pods, and a canary never reduces the capacity."""
    rollout = inputs.spec.rollout
    if rollout is None or rollout.rolling_update is None:
        return
    if rollout.strategy == "Recreate":
        message = "has no meaning with strategy Recreate: remove it, or set strategy to RollingUpdate"
        yield Problem(SpecReason.FIELD_CONFLICT, _ROLLING_UPDATE, message)
        return
    surge, unavailable = disruption.surge_and_unavailable(rollout)
    if rollout.strategy == "Canary" and not disruption.is_zero(unavailable):
        message = "must be 0 with strategy Canary, which never reduces the capacity: remove it"
        yield Problem(SpecReason.FIELD_CONFLICT, f"{_ROLLING_UPDATE}.maxUnavailable", message)
    elif disruption.is_zero(surge) and disruption.is_zero(unavailable):
        remedy = "raise maxSurge" if rollout.strategy == "Canary" else "raise one of them"
        message = f"maxSurge and maxUnavailable are both 0, so no pod can be replaced: {remedy}"
        yield Problem(SpecReason.FIELD_CONFLICT, _ROLLING_UPDATE, message)
    if isinstance(unavailable, str) and int(unavailable[:-1]) > _ALL:
        message = f"{unavailable} is more than all pods: lower it to 100% at most"
        yield Problem(SpecReason.FIELD_CONFLICT, f"{_ROLLING_UPDATE}.maxUnavailable", message)


def checks_are_usable(inputs: Inputs) -> Iterator[Problem]:
    canary = checks.canary_of(inputs)
    reference = checks.reference(inputs)
    if canary is None or (canary.checks is None and reference is None):
        return
    if canary.checks is not None and reference is not None:
        message = "checks and checksFrom are mutually exclusive: remove one"
        yield Problem(SpecReason.FIELD_CONFLICT, _CANARY, message)
        return
    if reference is not None and inputs.checks_text is None:
        message = (
            f"the ConfigMap {reference.name} with the key {reference.key} does not exist in namespace "
            f"{inputs.own_namespace}: create the ConfigMap with this key, or correct the reference"
        )
        yield Problem(SpecReason.CHECKS_MISSING, f"{_CANARY}.checksFrom.configMapKeyRef", message, retry=True)
        return
    config = inputs.section
    if config.auth and config.auth.jwt and not (config.server and config.server.api_keys_file):
        message = "the checks of a canary cannot call an agent that accepts only tokens: set spec.apiKeys, too"
        yield Problem(SpecReason.FIELD_CONFLICT, "spec.config.auth.jwt", message)
    yield from _invalid_checks(inputs)


def _invalid_checks(inputs: Inputs) -> Iterator[Problem]:
    """Yield what is invalid in the checks, each with its path in the spec or in the text of the ConfigMap."""
    in_config_map = checks.reference(inputs) is not None
    root = f"{_CANARY}.checksFrom.configMapKeyRef" if in_config_map else _CANARY
    try:
        found = checks.of(inputs)
    except (ChecksError, ValidationError) as error:
        if isinstance(error, ChecksError) and (error.too_expensive or error.retry):
            reason = SpecReason.CHECKS_TOO_EXPENSIVE if error.too_expensive else SpecReason.CHECKS_INVALID
            yield Problem(reason, root, str(error), retry=error.retry)
            return
        lines = explain(error) if isinstance(error, ValidationError) else str(error)
        yield from (_failure(root, line, in_config_map=in_config_map) for line in lines.splitlines())
        return
    if found is None:
        return
    yield from (
        _failure(root, f"{line}: correct it or add the model", in_config_map=in_config_map)
        for line in found.unknown_models([model.name for model in inputs.spec.config.models])
    )
    if len(found.dump().encode()) > _MAX_BYTES:
        yield _failure(
            root,
            f"checks: longer than {_MAX_BYTES} bytes as JSON: shorten or remove checks",
            in_config_map=in_config_map,
        )


def _failure(root: str, line: str, *, in_config_map: bool) -> Problem:
    """Convert a line `path: message`. A path in the text of a ConfigMap stays part of the message."""
    path, colon, message = line.partition(": ")
    if in_config_map or not colon:
        return Problem(SpecReason.CHECKS_INVALID, root, line)
    remedy = "" if ": " in message else ": correct it"
    return Problem(SpecReason.CHECKS_INVALID, f"{root}.{path}", message + remedy)

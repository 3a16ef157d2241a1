"""The checks of a canary, from the AgentDeployment or from a ConfigMap in its namespace."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from agent_operator.api.v1alpha1.rollout import Canary
from agent_operator.api.v1alpha1.sources import ConfigMapKeyRef
from agent_operator.inputs import size_limits
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.inputs.checks_text import ChecksError, load
from agent_runtime.config import explain
from agent_runtime.config.checks import ChecksConfig


def reference(inputs: Inputs) -> ConfigMapKeyRef | None:
    """Return the reference to the ConfigMap of the checks; None if the spec has none."""
    canary = canary_of(inputs)
    return canary.checks_from.config_map_key_ref if canary and canary.checks_from else None


def canary_of(inputs: Inputs) -> Canary | None:
    """Return spec.rollout.canary; None if it is not set or the strategy is not Canary."""
    rollout = inputs.spec.rollout
    return rollout.canary if rollout and rollout.strategy == "Canary" else None


def of(inputs: Inputs) -> ChecksConfig | None:
    """Return the checks; None if the spec defines none, or if their ConfigMap does not exist.

    Raises:
        ChecksError: the text in the ConfigMap is invalid.
        ValidationError: the checks in the AgentDeployment are invalid.
    """
    canary = canary_of(inputs)
    if canary and canary.checks:
        return ChecksConfig(checks=canary.checks)
    if reference(inputs) is None or inputs.checks_text is None:
        return None
    if isinstance(inputs.evaluated_checks, ChecksError):
        raise inputs.evaluated_checks.with_traceback(None)
    return inputs.evaluated_checks or parse(inputs.checks_text)


@lru_cache(maxsize=16)
def parse(text: str) -> ChecksConfig:
    """Parse checks from YAML or JSON in this process. The operator parses them in a worker process, with a deadline.

    Raises:
        ChecksError: the text is neither, or does not contain valid checks.
    """
    return validate(load(text), None)


def validate(document: Any, context: Mapping[str, Any] | None) -> ChecksConfig:
    """Return the checks in a document.

    Args:
        document: the parsed text.
        context: the faults of its patterns, from `agent_runtime.config.checks.find_faults`, if they are known.

    Raises:
        ChecksError: the document does not contain valid checks.
    """
    if not isinstance(document, dict):
        raise ChecksError("must be a mapping with the single field checks, a list: correct it")
    _, excess = size_limits.measure(document)
    if excess:
        raise ChecksError(f"checks: {excess}")
    try:
        return ChecksConfig.model_validate(document, context=context)
    except ValidationError as error:
        raise ChecksError(explain(error)) from None

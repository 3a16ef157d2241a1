"""The checks of a canary, from the AgentDeployment or from a ConfigMap in its namespace."""

from functools import lru_cache
from typing import Any

import yaml
from pydantic import ValidationError

from agent_operator.api.v1alpha1.rollout import Canary
from agent_operator.api.v1alpha1.sources import ConfigMapKeyRef
from agent_operator.inputs.agent_inputs import Inputs
from agent_runtime.config import explain
from agent_runtime.config.checks import ChecksConfig

# Parsing YAML is slow, and it blocks the event loop of the operator.
MAX_TEXT_BYTES = 256 * 1024
# The parser is recursive: much deeper nesting would crash the process.
_MAX_DEPTH = 64


class ChecksError(Exception):
    """A text is not a valid list of checks. The message has one line per problem and does not quote the text."""


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
    return None if reference(inputs) is None or inputs.checks_text is None else parse(inputs.checks_text)


@lru_cache(maxsize=64)
def parse(text: str) -> ChecksConfig:
    """Parse checks from YAML or JSON.

    Raises:
        ChecksError: the text is neither, or does not contain valid checks.
    """
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise ChecksError(f"longer than {MAX_TEXT_BYTES} bytes: shorten or remove checks")
    document = _document(text)
    if not isinstance(document, dict):
        raise ChecksError("must be a mapping with the single field checks, a list: correct it")
    try:
        return ChecksConfig.model_validate(document)
    except ValidationError as error:
        raise ChecksError(explain(error)) from None


def _document(text: str) -> Any:
    try:
        _reject_expansion(text)
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ChecksError(
            f"neither YAML nor JSON: {getattr(error, 'problem', None) or 'cannot be parsed'}{where}"
        ) from None
    except ValueError:
        # For example an impossible date.
        raise ChecksError("neither YAML nor JSON: a value cannot be parsed: quote it") from None


def _reject_expansion(text: str) -> None:
    """Reject aliases and deep nesting, which make a short text expand to large values."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ChecksError("aliases (*name) are not supported: replace them with their values")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ChecksError(f"nested deeper than {_MAX_DEPTH} levels: flatten it")

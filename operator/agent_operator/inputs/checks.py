"""The checks of a canary: in the AgentDeployment, or in a ConfigMap beside it."""

from functools import lru_cache
from typing import Any

import yaml
from pydantic import ValidationError

from agent_operator.api.v1alpha1.rollout import Canary
from agent_operator.api.v1alpha1.sources import ConfigMapKeyRef
from agent_operator.inputs.agent_inputs import Inputs
from agent_runtime.config import explain
from agent_runtime.config.checks import ChecksConfig

# YAML is slow to read, and the operator reads it beside all else that it does.
MAX_TEXT_BYTES = 256 * 1024
# Far deeper, and the parser's own recursion would end the process.
_MAX_DEPTH = 64


class ChecksError(Exception):
    """A text holds no checks; the message has a line for each fault and quotes nothing."""


def reference(inputs: Inputs) -> ConfigMapKeyRef | None:
    """Return where the checks are kept; None when they are not in a ConfigMap."""
    canary = canary_of(inputs)
    return canary.checks_from.config_map_key_ref if canary and canary.checks_from else None


def canary_of(inputs: Inputs) -> Canary | None:
    """Return how the canary is to proceed; None unless there is to be one, and it says so."""
    rollout = inputs.spec.rollout
    return rollout.canary if rollout and rollout.strategy == "Canary" else None


def of(inputs: Inputs) -> ChecksConfig | None:
    """Return the checks; None when there are none, or the ConfigMap that holds them is not there.

    Raises:
        ChecksError: the text of the ConfigMap holds none.
        ValidationError: what the AgentDeployment says does not fit together.
    """
    canary = canary_of(inputs)
    if canary and canary.checks:
        return ChecksConfig(checks=canary.checks)
    return None if reference(inputs) is None or inputs.checks_text is None else parse(inputs.checks_text)


@lru_cache(maxsize=64)
def parse(text: str) -> ChecksConfig:
    """Read checks from YAML or JSON.

    Raises:
        ChecksError: it is neither, or holds no checks.
    """
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise ChecksError(f"longer than {MAX_TEXT_BYTES} bytes: ask less, or less at length")
    document = _document(text)
    if not isinstance(document, dict):
        raise ChecksError("must be a mapping with the one field checks, a list: correct it")
    try:
        return ChecksConfig.model_validate(document)
    except ValidationError as error:
        raise ChecksError(explain(error)) from None


def _document(text: str) -> Any:
    try:
        _look_over(text)
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ChecksError(f"neither YAML nor JSON: {getattr(error, 'problem', None) or 'unreadable'}{where}") from None
    except ValueError:
        # Such as a date that no calendar has.
        raise ChecksError("neither YAML nor JSON: a value cannot be read: put it in quotes") from None


def _look_over(text: str) -> None:
    """Refuse what is small as a text and large as values."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ChecksError("aliases (*name) are not read: write out what they stand for")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ChecksError(f"lists and mappings in one another {_MAX_DEPTH} deep are the most: flatten it")

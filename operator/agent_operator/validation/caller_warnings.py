"""Warnings about a valid spec whose callers may not get what its author intends."""

from collections.abc import Iterator

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import sessions
from agent_operator.inputs.agent_inputs import Inputs
from agent_runtime.config import MAX_BODY_BYTES, LimitsConfig

# The units of nginx.
_UNITS = {"k": 1024, "m": 1024**2, "g": 1024**3}


def sessions_are_not_shared(inputs: Inputs) -> Iterator[Problem]:
    """A pod does not know the conversations in the memory of another one."""
    if not sessions.are_split(inputs) or (inputs.spec.service and inputs.spec.service.session_affinity):
        return
    if all(model.provider == "echo" for model in inputs.spec.config.models):
        return
    message = (
        "several pods keep conversations in their own memory, and another pod cannot continue them: set "
        "spec.config.memory.cache to share them through Redis, or set spec.service.sessionAffinity (any value, such as "
        "None if callers need no sessions)"
    )
    yield Problem(SpecReason.SESSIONS_NOT_SHARED, "spec.config.memory.cache", message)


def body_limits_agree(inputs: Inputs) -> Iterator[Problem]:
    """The Ingress and the pods limit the body of a request."""
    entry = inputs.spec.ingress
    if entry is None or entry.max_body_size is None:
        return
    limit = (inputs.spec.config.limits or LimitsConfig()).max_body_bytes or MAX_BODY_BYTES
    size = _in_bytes(entry.max_body_size)
    if size > limit or not size:  # 0 turns the limit of nginx off
        message = (
            f"the Ingress accepts larger bodies than the pods ({limit} bytes): remove maxBodySize and set "
            "spec.config.limits.maxBodyBytes"
        )
        yield Problem(SpecReason.BODY_LIMITS_DIFFER, "spec.ingress.maxBodySize", message)


def _in_bytes(size: str) -> int:
    unit = _UNITS.get(size[-1].lower(), 1)
    return int(size if unit == 1 else size[:-1]) * unit

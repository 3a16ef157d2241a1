"""Whether the pods of an agent keep conversations that the other pods do not know."""

from agent_operator.inputs.agent_inputs import DEFAULT_MAX_REPLICAS, Inputs

CLIENT_IP = "ClientIP"


def are_split(inputs: Inputs) -> bool:
    """Return whether several pods may run, and keep conversations in their own memory."""
    memory = inputs.spec.config.memory
    is_shared = memory is not None and memory.cache is not None and memory.cache.enabled
    return not is_shared and _most_replicas(inputs) > 1


def affinity(inputs: Inputs) -> str | None:
    """Return the session affinity of the Service; None for the default of Kubernetes, no affinity.

    An address that stays with one pod would not reach a canary in proportion to its weight.
    """
    wanted = inputs.spec.service.session_affinity if inputs.spec.service else None
    if wanted is not None:
        return wanted
    return CLIENT_IP if are_split(inputs) and not inputs.has_canary else None


def _most_replicas(inputs: Inputs) -> int:
    if inputs.autoscaling:
        return inputs.autoscaling.max_replicas or DEFAULT_MAX_REPLICAS
    fixed = inputs.fixed_replicas
    return DEFAULT_MAX_REPLICAS if fixed is None else fixed

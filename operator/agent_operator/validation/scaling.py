"""Validation of the HorizontalPodAutoscaler."""

from collections.abc import Iterator

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import scaling
from agent_operator.inputs.agent_inputs import Inputs

_FIELD = "spec.autoscaling"


def autoscaler_has_metrics(inputs: Inputs) -> Iterator[Problem]:
    """Kubernetes adds a CPU metric to an autoscaler without any."""
    spec = inputs.spec.autoscaling
    if spec is None:
        return
    if spec.external:
        if spec.model_fields_set - {"external"}:
            message = "leaves all settings to the other autoscaler: remove the other fields, or external"
            yield Problem(SpecReason.FIELD_CONFLICT, f"{_FIELD}.external", message)
        return
    if not scaling.utilization(spec) and not spec.metrics:
        message = "no metric is left, because both targets are 0: add one, or remove a target"
        yield Problem(SpecReason.FIELD_CONFLICT, f"{_FIELD}.metrics", message)


def metrics_have_quantities(inputs: Inputs) -> Iterator[Problem]:
    """Values of additional metrics and tolerances must be valid quantities."""
    spec = inputs.spec.autoscaling
    if spec is None:
        return
    for read in (scaling.metrics, scaling.behavior):
        try:
            read(spec)
        except scaling.QuantityError as error:
            yield Problem(SpecReason.RESOURCES_INVALID, f"{_FIELD}.{error.field}", f"{error}: correct it")

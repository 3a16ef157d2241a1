"""The autoscaler and the disruption budget of an agent. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.kube.shapes import mapping, number, text
from agentctl.diagnosis.evidence import (
    Evidence,
    condition,
    conditions_of,
    labels_of,
    matches,
    name_of,
    spec_of,
    status_of,
)
from agentctl.diagnosis.findings import Area, Finding, Severity


def find(evidence: Evidence) -> Iterator[Finding]:
    """Yield why the agent does not scale, and what blocks the drain of nodes."""
    autoscalers = [it for it in evidence.of("horizontalpodautoscalers") if _targets(evidence, it)]
    for autoscaler in autoscalers:
        yield from _autoscaler(autoscaler)
    if len(autoscalers) > 1:
        names = ", ".join(name_of(it) for it in autoscalers[:8])
        yield Finding(
            Severity.ERROR,
            Area.SCALING,
            "SeveralAutoscalers",
            f"HorizontalPodAutoscaler {names}",
            f"{len(autoscalers)} autoscalers target the agent",
            "each sets the number of pods, so that it changes all the time",
            "delete all but one: that of spec.autoscaling belongs to the operator",
        )
    for budget in evidence.of("poddisruptionbudgets"):
        yield from _budget(evidence, budget)


def _targets(evidence: Evidence, autoscaler: Mapping[str, Any]) -> bool:
    target = mapping(spec_of(autoscaler).get("scaleTargetRef"))
    return target.get("name") == evidence.name and target.get("kind") in ("Deployment", constants.KIND)


def _autoscaler(autoscaler: Mapping[str, Any]) -> Iterator[Finding]:
    subject = f"HorizontalPodAutoscaler {name_of(autoscaler)}"
    for found in conditions_of(autoscaler):
        reason, message = text(found.get("reason")), text(found.get("message"))
        if found["type"] in ("AbleToScale", "ScalingActive") and found["status"] == "False":
            if reason == "ScalingDisabled":
                continue  # an autoscaler does not scale zero replicas
            yield Finding(
                Severity.ERROR,
                Area.SCALING,
                reason or "ScalingInactive",
                subject,
                f"condition {found['type']}=False, reason {reason}: {message}",
                _why(reason, message),
                _remedy(reason, message),
            )
    most, current = number(spec_of(autoscaler).get("maxReplicas")), number(status_of(autoscaler).get("currentReplicas"))
    limited = condition(autoscaler, "ScalingLimited")
    if limited.get("status") == "True" and limited.get("reason") == "TooManyReplicas" and current >= most > 0:
        yield Finding(
            Severity.WARNING,
            Area.SCALING,
            "MaxReplicasReached",
            subject,
            f"{current} of at most {most} pods: {text(limited.get('message'))}",
            "the load needs more pods than the autoscaler may create",
            "raise spec.autoscaling.maxReplicas, or the resources of a pod",
        )


def _why(reason: str, message: str) -> str:
    if "metrics" in message.lower() or "Metric" in reason:
        return "the autoscaler gets no metrics, so that it keeps the number of pods"
    return "the autoscaler cannot change the number of pods"


def _remedy(reason: str, message: str) -> str:
    if "Resource" in reason or "metrics.k8s.io" in message:
        return (
            "install metrics-server (`kubectl top pods` must work), and set spec.resources.requests of the metric's "
            "resource"
        )
    if "Metric" in reason:
        return "install an adapter for the metric in spec.autoscaling.metrics, or correct its name"
    return "correct what the message names in spec.autoscaling"


def _budget(evidence: Evidence, budget: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a budget that allows no disruption although the pods are healthy."""
    pods = evidence.pods()
    if not pods or not matches(spec_of(budget).get("selector"), labels_of(pods[0])):
        return
    status, spec = status_of(budget), spec_of(budget)
    expected, healthy = number(status.get("expectedPods")), number(status.get("currentHealthy"))
    if number(status.get("disruptionsAllowed")) or not expected or healthy < expected:
        return
    own = name_of(budget) == evidence.name
    limit = {key: spec[key] for key in ("minAvailable", "maxUnavailable") if key in spec}
    yield Finding(
        Severity.WARNING,
        Area.SCALING,
        "DrainBlocked",
        f"PodDisruptionBudget {name_of(budget)}",
        f"0 disruptions allowed with {healthy} healthy pods of {expected}: {limit}",
        "`kubectl drain` and upgrades of nodes wait for ever",
        "lower spec.disruptionBudget.minAvailable, or raise spec.replicas"
        if own
        else f"delete or correct it: `kubectl get pdb -n {evidence.namespace} {name_of(budget)} -o yaml`",
    )

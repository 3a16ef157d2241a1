"""Deployments whose pods are rejected or missing. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.inputs.agent_inputs import DEFAULT_REPLICAS
from agent_operator.kube import pod_failures
from agent_operator.kube.shapes import mapping, text
from agentctl.diagnosis import start_causes
from agentctl.diagnosis.evidence import Evidence, condition, conditions_of, name_of, spec_of, status_of
from agentctl.diagnosis.findings import Area, Finding, Severity


def find(evidence: Evidence) -> Iterator[Finding]:
    """Yield why there are no pods, or too few."""
    for deployment in evidence.deployments():
        yield from _of_deployment(evidence, deployment)
    if evidence.has("pods") and not evidence.pods():
        yield from _none(evidence)


def _of_deployment(evidence: Evidence, deployment: Mapping[str, Any]) -> Iterator[Finding]:
    failure = pod_failures.of_deployment(conditions_of(deployment))
    if failure is not None:
        message = text(failure.get("message"))
        fields = {"namespace": evidence.namespace, "resources_field": "spec.resources"}
        explained = start_causes.find(start_causes.REJECTIONS, message, start_causes.ANY_REJECTION, **fields)
        reason = start_causes.reason_of_rejection(message)
        area = Area.RESOURCES if reason in ("QuotaExceeded", "LimitRangeViolated") else Area.POLICY
        evidence_text = f"{failure['reason']}: {message}"
        yield Finding(
            Severity.ERROR,
            area,
            reason,
            f"Deployment {name_of(deployment)}",
            evidence_text,
            explained.cause,
            explained.remedy,
        )
    if spec_of(deployment).get("paused") is True:
        yield Finding(
            Severity.WARNING,
            Area.PODS,
            "DeploymentPaused",
            f"Deployment {name_of(deployment)}",
            "spec.paused is true",
            "someone paused the Deployment, so that new pods are not created for a changed template",
            f"`kubectl rollout resume -n {evidence.namespace} deployment/{name_of(deployment)}`",
        )


def _none(evidence: Evidence) -> Iterator[Finding]:
    """Yield why there are no pods, if nothing else says so."""
    deployment = evidence.named("deployments", evidence.name)
    wanted = spec_of(deployment).get("replicas", 1) if deployment else None
    if wanted == 0:
        yield Finding(
            Severity.INFO,
            Area.PODS,
            "ScaledToZero",
            f"Deployment {evidence.name}",
            "spec.replicas of the Deployment is 0",
            "the agent is scaled to zero replicas, so that it answers no requests",
            f"`agentctl scale -n {text(mapping(evidence.agent.get('metadata')).get('namespace'))} {evidence.name} "
            f"--replicas={DEFAULT_REPLICAS}`, or another number",
        )
    elif deployment and not condition(deployment, "ReplicaFailure"):
        generation = status_of(deployment).get("observedGeneration")
        yield Finding(
            Severity.WARNING,
            Area.PODS,
            "NoPods",
            f"Deployment {evidence.name}",
            f"{wanted} pods are desired and none exists; observedGeneration is {generation}",
            "the Deployment controller has not created pods yet",
            f"see `kubectl describe deployment,replicaset -n {evidence.namespace} {evidence.name}`, and whether "
            "kube-controller-manager runs",
        )

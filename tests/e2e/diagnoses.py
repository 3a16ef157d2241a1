"""The diagnoses of `agentctl doctor` for all agents of a namespace, from one list of each kind."""

from datetime import UTC, datetime, timedelta
from typing import Any

from agent_operator.api import constants
from agentctl.diagnosis.evidence import Evidence
from agentctl.diagnosis.examination import examine
from agentctl.diagnosis.findings import Finding
from agentctl.diagnosis.secret_facts import facts_of
from agentctl.diagnosis.secret_references import used
from tests.e2e.kubectl import Kubectl

Object = dict[str, Any]
_KINDS = (
    *("pods", "deployments", "services", "endpointslices", "networkpolicies", "serviceaccounts"),
    *("horizontalpodautoscalers", "poddisruptionbudgets", "secrets"),
)


def diagnose_all(kubectl: Kubectl) -> dict[str, tuple[Finding, ...]]:
    """Return the findings about each agent by its name."""
    lists = {kind: kubectl.list(kind) for kind in _KINDS} | {"events": [_event(it) for it in kubectl.list("events")]}
    secrets = {secret["metadata"]["name"]: secret for secret in lists.pop("secrets")}
    return {agent["metadata"]["name"]: _findings(agent, lists, secrets) for agent in kubectl.list("agd")}


def _event(event: Object) -> Object:
    """Return an Event of core/v1 as events.k8s.io/v1 has it."""
    note, source = event.get("message", ""), event.get("source", {}).get("component")
    reporter = event.get("reportingComponent") or source
    return {**event, "regarding": event["involvedObject"], "note": note, "reportingController": reporter}


def _findings(agent: Object, lists: dict[str, list[Object]], secrets: dict[str, Object]) -> tuple[Finding, ...]:
    name = agent["metadata"]["name"]
    labels = {"pods": constants.LABEL_APP, "deployments": constants.LABEL_AGENT}
    objects: dict[str, list[Object]] = {
        kind: [it for it in items if kind not in labels or it["metadata"].get("labels", {}).get(labels[kind]) == name]
        for kind, items in lists.items()
    }
    names = {reference.name for reference in used(agent, [*objects["deployments"]])}
    facts = {name: facts_of(secrets[name]) if name in secrets else None for name in names}
    # The agents have just started. Later, a pod that is not ready would be remarkable in any case.
    now = datetime.now(UTC) + timedelta(seconds=120)
    namespace = agent["metadata"]["namespace"]
    return examine(Evidence(now=now, agent=agent, namespace=namespace, objects=objects, secrets=facts)).findings

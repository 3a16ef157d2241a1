"""Objects of an agent that works, and of one surrounding at a time that does not."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from agentctl.diagnosis.evidence import Evidence

Object = dict[str, Any]
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
NAMESPACE = "team"
LABELS = {"app": "support", "agent-operator.dev/agent": "support"}


def ago(**age: float) -> str:
    """The time before NOW, as in objects."""
    return (NOW - timedelta(**age)).strftime("%Y-%m-%dT%H:%M:%SZ")


def named(name: str, *, labels: Mapping[str, str] | None = None, **content: Any) -> Object:
    meta = {"name": name, "namespace": NAMESPACE, "labels": dict(labels or {}), "creationTimestamp": ago(hours=1)}
    return {"metadata": meta, **content}


def condition(kind: str, status: str, reason: str = "Reason", message: str = "") -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def make_agent(status: Object | None = None, **spec: Any) -> Object:
    config = {"models": [{"name": "gpt", "provider": "openai"}]}
    meta = {"name": "support", "namespace": NAMESPACE, "generation": 1, "creationTimestamp": ago(hours=1)}
    conditions = [condition("Ready", "True", "Ready"), condition("ConfigValid", "True", "Valid")]
    found = {"observedGeneration": 1, "conditions": conditions} | (status or {})
    return {"metadata": meta, "spec": {"config": config} | spec, "status": found}


def make_pod(name: str = "support-1", *, ready: bool = True, **status: Any) -> Object:
    container = {"name": "agent", "ready": ready, "restartCount": 0, "state": {"running": {}}}
    spec = {
        "nodeName": "node-1",
        "containers": [{"name": "agent", "resources": {"limits": {"memory": "128Mi", "cpu": "1"}}}],
    }
    conditions = [condition("Ready", str(ready))]
    found = {"phase": "Running", "podIP": "10.0.0.1", "startTime": ago(hours=1), "conditions": conditions}
    return named(name, labels=LABELS, spec=spec, status=found | {"containerStatuses": [container]} | status)


def make_deployment(*conditions: Object, **pod_spec: Any) -> Object:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "agent"}], **pod_spec}}
    spec = {"replicas": 1, "template": template}
    return named("support", labels=LABELS, spec=spec, status={"conditions": list(conditions)})


def make_operator(*args: str, ready: int = 1) -> Object:
    container = {"name": "operator", "image": "agent-operator/agent-operator:0.1.0", "args": ["run", *args]}
    template = {
        "metadata": {"labels": {"app.kubernetes.io/name": "agent-operator"}},
        "spec": {"containers": [container]},
    }
    return named("agent-operator", spec={"replicas": 2, "template": template}, status={"readyReplicas": ready})


def make_lease(seconds_ago: float = 3) -> Object:
    spec = {"holderIdentity": "operator-1", "leaseDurationSeconds": 15, "renewTime": ago(seconds=seconds_ago)}
    return named("agent-operator", spec=spec)


def healthy_objects() -> dict[str, list[Object]]:
    """What the API server has for an agent that works."""
    endpoints = [{"conditions": {"ready": True}}]
    return {
        "pods": [make_pod()],
        "deployments": [make_deployment()],
        "services": [named("support", spec={"selector": {"app": "support"}})],
        "endpointslices": [named("support-x", labels={"kubernetes.io/service-name": "support"}, endpoints=endpoints)],
        "networkpolicies": [named("support", spec={"podSelector": {}, "policyTypes": ["Egress"]})],
        "resourcequotas": [],
        "serviceaccounts": [named("support")],
        "poddisruptionbudgets": [],
        "horizontalpodautoscalers": [],
        "operators": [make_operator()],
        "operatorpods": [],
        "leases": [make_lease()],
        "nodes": [],
        "podmetrics": [],
    }


def make_evidence(agent: Object | None = None, **changes: Any) -> Evidence:
    """Return the evidence of an agent that works, with other objects or attributes."""
    attributes = {name: changes.pop(name) for name in ("secrets", "logs", "network", "gaps") if name in changes}
    objects = healthy_objects() | changes
    return Evidence(
        now=NOW,
        agent=agent or make_agent(),
        namespace=NAMESPACE,
        objects=objects,
        network_pod="support-1",
        version="0.1.0",
        **attributes,
    )

"""spec.replicas, spec.autoscaling, spec.disruptionBudget and spec.rollout."""

from agentctl.conversion.findings import Finding, changed, lost
from agentctl.conversion.manifests import Manifest
from agentctl.conversion.parts import Part, joined, present
from agentctl.conversion.workload import Workload
from agentctl.objects import Object, nested_field

_TARGETS = {"cpu": "targetCPUUtilizationPercentage", "memory": "targetMemoryUtilizationPercentage"}
_OWN_SCALER = "it scales the Deployment: let it scale AgentDeployment {} or the Deployment of the operator"

# The default of spec.rollout.rollingUpdate.
_DEFAULT_UPDATE = {"maxSurge": 1, "maxUnavailable": 0}


def scaling(workload: Workload) -> Part:
    """Return replicas, autoscaling, disruptionBudget and rollout."""
    return joined((_replicas(workload), _budget(workload), _rollout(workload)))


def _replicas(workload: Workload) -> Part:
    found = [item for item in workload.of_kind("HorizontalPodAutoscaler") if _scales(item, workload)]
    other = tuple(
        (item, _OWN_SCALER.format(workload.name))
        for item in workload.of_kind("ScaledObject")
        if _scales(item, workload)
    )
    replicas = workload.deployment.spec.get("replicas", 1)
    if not found:
        external = {"autoscaling": {"external": True}} if other else {}
        return Part({"replicas": replicas} | external, stays=other)
    source = found[0]
    spec = {"autoscaling": _autoscaling(source)}
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload.name}
    expected = source.body | {"spec": _as_v2(source.spec) | {"scaleTargetRef": reference}}
    stays = tuple((item, "the operator creates one HorizontalPodAutoscaler per agent") for item in found[1:])
    findings: tuple[Finding, ...] = ()
    if "replicas" in workload.deployment.spec:
        findings = (changed(workload.deployment, "spec.replicas", "the autoscaler owns the number of replicas"),)
    return Part(spec, findings, (source,), (*other, *stays), ((source, expected),))


def _scales(scaler: Manifest, workload: Workload) -> bool:
    target = scaler.spec.get("scaleTargetRef")
    kind = nested_field(target, "kind") or "Deployment"
    return kind == "Deployment" and nested_field(target, "name") == workload.deployment.name


def _as_v2(spec: Object) -> Object:
    """Return the spec of autoscaling/v1 as that of v2."""
    if "targetCPUUtilizationPercentage" not in spec:
        return spec
    target = {"type": "Utilization", "averageUtilization": spec["targetCPUUtilizationPercentage"]}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    return {key: value for key, value in spec.items() if key != "targetCPUUtilizationPercentage"} | {
        "metrics": [metric]
    }


def _autoscaling(source: Manifest) -> Object:
    spec = _as_v2(source.spec)
    targets: Object = {}
    metrics = []
    for metric in spec.get("metrics") or ():
        name, percent = (
            nested_field(metric, "resource", "name"),
            nested_field(metric, "resource", "target", "averageUtilization"),
        )
        if (
            metric.get("type") == "Resource"
            and name in _TARGETS
            and percent is not None
            and _TARGETS[name] not in targets
        ):
            targets[_TARGETS[name]] = percent
        else:
            metrics.append(metric)
    limits = {"minReplicas": spec.get("minReplicas", 1), "maxReplicas": spec.get("maxReplicas")}
    # Without metrics, Kubernetes adds one.
    absent = dict.fromkeys(_TARGETS.values(), 0) if spec.get("metrics") else {}
    return present({**limits, **absent, **targets, "metrics": metrics or None, "behavior": spec.get("behavior")})


def _budget(workload: Workload) -> Part:
    found = workload.selecting("PodDisruptionBudget", workload.labels)
    if not found:
        return Part()
    source = found[0]
    limits = present({key: source.spec.get(key) for key in ("minAvailable", "maxUnavailable")})
    expected = source.body | {"spec": source.spec | {"selector": {"matchLabels": {"app": workload.name}}}}
    stays = tuple((item, "pods with two budgets cannot be evicted: delete it") for item in found[1:])
    return Part({"disruptionBudget": limits}, (), (source,), stays, ((source, expected),))


def _rollout(workload: Workload) -> Part:
    spec, source = workload.deployment.spec, workload.deployment
    strategy = spec.get("strategy") or {}
    update = strategy.get("rollingUpdate") or {}
    limits = present({key: update.get(key) for key in ("maxSurge", "maxUnavailable")})
    rollout = present(
        {
            "strategy": "Recreate" if strategy.get("type") == "Recreate" else None,
            "rollingUpdate": limits if limits not in ({}, _DEFAULT_UPDATE) else None,
            "progressDeadlineSeconds": spec.get("progressDeadlineSeconds"),
            "revisionHistoryLimit": spec.get("revisionHistoryLimit"),
        }
    )
    findings: list[Finding] = []
    if spec.get("minReadySeconds"):
        reason = "a canary watches new pods for a time: set spec.rollout.strategy to Canary"
        findings.append(lost(source, "spec.minReadySeconds", reason))
    if spec.get("paused"):
        findings.append(lost(source, "spec.paused", "set spec.suspend to let the operator create nothing for now"))
    return Part({"rollout": rollout} if rollout else {}, tuple(findings))

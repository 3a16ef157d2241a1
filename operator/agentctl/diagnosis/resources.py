"""CPU and memory of the pods, quotas and limits of the namespace, and the nodes. Pure."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from agent_operator.inputs import quantities
from agent_operator.kube.shapes import mapping, mappings, number, text
from agentctl.diagnosis.evidence import Evidence, condition, containers_of, name_of, spec_of, status_of
from agentctl.diagnosis.findings import Area, Finding, Severity
from agentctl.diagnosis.pods import resources_field, subject

# Share of a limit from which on a pod is at risk.
_HIGH = Decimal("0.9")
_MI = Decimal(2) ** 20
_MOST_NODES = 100


def find(evidence: Evidence) -> Iterator[Finding]:
    """Yield what exceeds its resources, or soon does."""
    for pod in evidence.pods():
        yield from _out_of_memory(pod)
    yield from _usage(evidence)
    yield from _quotas(evidence)
    yield from _nodes(evidence)


def quantity(value: Any) -> Decimal | None:
    """Return an amount; None if it is absent or malformed."""
    try:
        return quantities.parse(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
    except (ValueError, ArithmeticError):
        return None


def _out_of_memory(pod: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield containers that were killed because of their memory and run again."""
    for container in mappings(status_of(pod).get("containerStatuses")):
        last = mapping(mapping(container.get("lastState")).get("terminated"))
        if last.get("reason") != "OOMKilled" or not container.get("ready"):
            continue
        name = text(container.get("name"))
        limit = _limit(pod, name, "memory")
        yield Finding(
            Severity.WARNING,
            Area.RESOURCES,
            "OOMKilled",
            subject(pod, name),
            f"restarted {number(container.get('restartCount'))} times, last OOMKilled at "
            f"{text(last.get('finishedAt'))}; memory limit {limit or 'none'}",
            f"the container exceeded its memory limit of {limit}" if limit else "its node had no free memory",
            f"raise {resources_field(name)}.limits.memory, or reduce what the container keeps in memory",
        )


def _limit(pod: Mapping[str, Any], container: str, resource: str) -> str:
    found = next((it for it in containers_of(spec_of(pod)) if it.get("name") == container), {})
    value = mapping(mapping(found.get("resources")).get("limits")).get(resource)
    return str(value) if isinstance(value, str | int) else ""


def _usage(evidence: Evidence) -> Iterator[Finding]:
    pods = {name_of(pod): pod for pod in evidence.pods()}
    for measured in evidence.of("podmetrics"):
        pod = pods.get(name_of(measured))
        for container in mappings(measured.get("containers")) if pod else ():
            for resource in ("memory", "cpu"):
                yield from _near_limit(pod or {}, container, resource)


def _near_limit(pod: Mapping[str, Any], container: Mapping[str, Any], resource: str) -> Iterator[Finding]:
    name = text(container.get("name"))
    used, limit = quantity(mapping(container.get("usage")).get(resource)), quantity(_limit(pod, name, resource))
    if not used or not limit or used < limit * _HIGH:
        return
    is_memory = resource == "memory"
    amounts = f"{used / _MI:.0f}Mi of {limit / _MI:.0f}Mi" if is_memory else f"{used:.2f} of {limit:.2f} CPU"
    yield Finding(
        Severity.WARNING,
        Area.RESOURCES,
        "MemoryNearLimit" if is_memory else "CpuNearLimit",
        subject(pod, name),
        f"metrics.k8s.io: the container uses {amounts}",
        "the kernel kills the container when it exceeds the limit"
        if is_memory
        else "the kernel throttles the container, so that answers take longer",
        f"raise {resources_field(name)}.limits.{resource}, or add replicas with spec.replicas or spec.autoscaling",
    )


def _quotas(evidence: Evidence) -> Iterator[Finding]:
    """Yield quotas without room for another pod. A rollout needs one."""
    for quota in evidence.of("resourcequotas"):
        hard, used = mapping(status_of(quota).get("hard")), mapping(status_of(quota).get("used"))
        full = []
        for resource in sorted(map(str, hard))[:64]:
            most, now = quantity(hard.get(resource)), quantity(used.get(resource))
            if _concerns_pods(resource) and most is not None and now is not None and now >= most:
                full.append(f"{resource} {used.get(resource)} of {hard.get(resource)}")
        if full:
            yield Finding(
                Severity.WARNING,
                Area.RESOURCES,
                "QuotaFull",
                f"ResourceQuota {name_of(quota)}",
                f"used: {', '.join(full)}",
                "no more pods can be created in the namespace, so that a rollout or a replaced pod waits",
                f"raise the quota, or lower spec.resources or spec.replicas; see `kubectl describe resourcequota -n "
                f"{evidence.namespace}`",
            )


def _concerns_pods(resource: str) -> bool:
    return resource in ("pods", "count/pods", "cpu", "memory") or resource.startswith(("requests.", "limits."))


def _nodes(evidence: Evidence) -> Iterator[Finding]:
    """Yield nodes of the pods that do not work."""
    used = {text(spec_of(pod).get("nodeName")) for pod in evidence.pods()}
    for node in evidence.of("nodes")[:_MOST_NODES]:
        name = name_of(node)
        if name not in used or not name:
            continue
        if condition(node, "Ready").get("status") in ("False", "Unknown"):
            yield Finding(
                Severity.ERROR,
                Area.RESOURCES,
                "NodeNotReady",
                f"Node {name}",
                f"condition Ready: {text(condition(node, 'Ready').get('message'))}",
                "the node of a pod does not work, so that the pod gets no requests",
                f"see `kubectl describe node {name}`",
            )
        for pressure in ("MemoryPressure", "DiskPressure", "PIDPressure"):
            if condition(node, pressure).get("status") == "True":
                yield Finding(
                    Severity.WARNING,
                    Area.RESOURCES,
                    pressure,
                    f"Node {name}",
                    f"condition {pressure}: {text(condition(node, pressure).get('message'))}",
                    "the kubelet may evict pods from this node",
                    f"see `kubectl describe node {name}`",
                )

"""The operator: whether it runs, leads, watches the namespace, and reconciles this agent. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from agent_operator.api import constants
from agent_operator.kube import pod_failures
from agent_operator.kube.shapes import mapping, mappings, number, text
from agentctl.diagnosis.conditions import behind
from agentctl.diagnosis.evidence import Evidence, containers_of, name_of, parse_time, spec_of, status_of, template_of
from agentctl.diagnosis.findings import Area, Finding, Severity
from agentctl.diagnosis.start_causes import IMAGE_REASONS

_GRACE = timedelta(seconds=30)
_NAMESPACES = "AGENT_OPERATOR_NAMESPACES"
_READ_ONLY = "AGENT_OPERATOR_READ_ONLY"


def find(evidence: Evidence) -> Iterator[Finding]:
    """Yield what keeps the operator from reconciling the agent."""
    for deployment in evidence.of("operators"):
        yield from _of_deployment(evidence, deployment)
    yield from _of_pods(evidence.of("operatorpods"))
    yield from _leader(evidence)
    if behind(evidence):
        generation = number(mapping(evidence.agent.get("metadata")).get("generation"))
        observed = evidence.status.get("observedGeneration")
        yield _finding(
            Severity.ERROR,
            "NotReconciled",
            f"{constants.KIND} {evidence.name}",
            f"metadata.generation is {generation}, status.observedGeneration is {observed or 'not set'}",
            "the operator has not reconciled the newest spec: it does not run, does not watch this namespace, or fails",
            "see the other findings about the operator, and its log: `kubectl logs -n agent-operator-system "
            "deploy/agent-operator`",
        )


def _finding(severity: Severity, reason: str, subject: str, evidence: str, cause: str, remedy: str) -> Finding:
    return Finding(severity, Area.OPERATOR, reason, subject, evidence, cause, remedy)


def _namespace_of(obj: Mapping[str, Any]) -> str:
    return text(mapping(obj.get("metadata")).get("namespace"))


def _of_deployment(evidence: Evidence, deployment: Mapping[str, Any]) -> Iterator[Finding]:
    namespace, name = _namespace_of(deployment), name_of(deployment)
    wanted, ready = spec_of(deployment).get("replicas", 1), number(status_of(deployment).get("readyReplicas"))
    command = f"see `kubectl describe pods -n {namespace}` and `kubectl logs -n {namespace} deploy/{name}`"
    if not ready:
        cause = "the operator is scaled to zero" if wanted == 0 else "no pod of the operator is ready"
        remedy = f"`kubectl scale -n {namespace} deploy/{name} --replicas=2`" if wanted == 0 else command
        what = f"0 of {wanted} pods are ready"
        yield _finding(Severity.ERROR, "OperatorNotRunning", f"Deployment {namespace}/{name}", what, cause, remedy)
    watched = watched_namespaces(deployment)
    own = text(mapping(evidence.agent.get("metadata")).get("namespace"))
    missing = [it for it in dict.fromkeys((own, evidence.namespace)) if watched and it not in watched]
    if missing:
        yield _finding(
            Severity.ERROR,
            "NamespaceNotWatched",
            f"Deployment {namespace}/{name}",
            f"the operator watches only: {', '.join(watched[:16])}",
            f"the operator does not watch the namespace {', '.join(missing)} of the agent",
            f"add it to --namespaces ({_NAMESPACES}) of the operator, with a Role and a RoleBinding there",
        )
    if _option(deployment, "--read-only", _READ_ONLY).lower() in ("true", "1", "yes"):
        yield _finding(
            Severity.ERROR,
            "OperatorReadOnly",
            f"Deployment {namespace}/{name}",
            "the operator runs with --read-only",
            "the operator changes no object",
            "remove --read-only",
        )
    yield from _version(evidence, deployment)


def watched_namespaces(deployment: Mapping[str, Any]) -> list[str]:
    """Return the namespaces that an operator watches; an empty list for all."""
    value = _option(deployment, "--namespaces", _NAMESPACES)
    return [part.strip() for part in value[:65536].split(",") if part.strip()]


def _option(deployment: Mapping[str, Any], option: str, variable: str) -> str:
    for container in containers_of(template_of(deployment)):
        arguments = container.get("args")
        words = [word for word in arguments if isinstance(word, str)] if isinstance(arguments, list) else []
        for index, word in enumerate(words):
            if word.startswith(f"{option}="):
                return word.partition("=")[2]
            if word == option:
                following = words[index + 1] if index + 1 < len(words) else ""
                return "true" if following.startswith("-") or not following else following
        for entry in mappings(container.get("env")):
            if entry.get("name") == variable:
                return text(entry.get("value"))
    return ""


def _version(evidence: Evidence, deployment: Mapping[str, Any]) -> Iterator[Finding]:
    for container in containers_of(template_of(deployment)):
        image = text(container.get("image")).partition("@")[0]
        repository, _, tag = image.rpartition(":")
        if "agent-operator" not in repository or not evidence.version or "/" in tag:
            continue
        if tag[:1].isdecimal() and tag.split(".")[:2] != evidence.version.split(".")[:2]:
            yield _finding(
                Severity.INFO,
                "VersionsDiffer",
                f"Deployment {_namespace_of(deployment)}/{name_of(deployment)}",
                f"operator {tag}, agentctl {evidence.version}",
                "agentctl of another version may know other fields and reasons",
                f"install agentctl {tag}",
            )


def _of_pods(pods: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield one finding for each reason, because the replicas of the operator usually fail in the same way."""
    by_reason: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
    for pod in pods:
        failure = pod_failures.of_pod(pod) if name_of(pod) else None
        if failure is not None:
            by_reason.setdefault(text(failure.get("reason")), []).append((pod, failure))
    for reason, failed in by_reason.items():
        pod, first = failed[0]
        namespace, name = _namespace_of(pod), name_of(pod)
        others = f" (and {len(failed) - 1} more pods)" if len(failed) > 1 else ""
        # A container that has never run has no log.
        in_image = reason in IMAGE_REASONS
        yield _finding(
            Severity.ERROR,
            f"Operator{reason}",
            f"Pod {namespace}/{name}{others}",
            pod_failures.describe(first),
            "the kubelet cannot get the image of the operator" if in_image else "a pod of the operator fails",
            "correct the image of the operator or its pull secret"
            if in_image
            else f"see `kubectl logs -n {namespace} {name} --previous`",
        )


def _leader(evidence: Evidence) -> Iterator[Finding]:
    leases = [it for it in evidence.of("leases") if name_of(it) == constants.MANAGER]
    renewed = [it for it in leases if _is_renewed(it, evidence.now)]
    if renewed or not evidence.has("leases"):
        return
    if leases:
        lease = leases[0]
        holder, time = text(spec_of(lease).get("holderIdentity")), text(spec_of(lease).get("renewTime"))
        yield _finding(
            Severity.ERROR,
            "NoLeader",
            f"Lease {_namespace_of(lease)}/{name_of(lease)}",
            f"held by {holder or 'no one'}, last renewed at {time or 'no time'}",
            "no operator leads: none runs, or none reaches the API server",
            "start the operator: see `kubectl get pods -A -l app.kubernetes.io/name=agent-operator`",
        )
    elif evidence.has("operators") and not evidence.of("operators") and not evidence.status:
        yield _finding(
            Severity.ERROR,
            "OperatorMissing",
            "Deployment agent-operator",
            "the cluster has neither a Deployment nor a Lease of the operator, and the agent has no status",
            "the operator is not installed, so that nothing acts on the AgentDeployment",
            "install the operator",
        )


def _is_renewed(lease: Mapping[str, Any], now: datetime) -> bool:
    renewed = parse_time(spec_of(lease).get("renewTime"))
    seconds = max(1, min(number(spec_of(lease).get("leaseDurationSeconds")) or 15, 3600))
    return renewed is not None and now - renewed < timedelta(seconds=seconds) + _GRACE

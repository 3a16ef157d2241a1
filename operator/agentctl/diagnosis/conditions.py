"""What the conditions, the warnings and the rollout in the status of an agent say. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from agent_operator.api.reasons import Reason, SpecReason
from agent_operator.kube.pod_failures import describe
from agent_operator.kube.shapes import mapping, mappings, number, text
from agentctl.diagnosis.evidence import Evidence, conditions_of, parse_time
from agentctl.diagnosis.findings import Area, Finding, Severity

# How the evidence of a warning of the operator begins.
WARNINGS = "status.warnings"
# An operator reconciles a change within seconds.
_SLOW = timedelta(seconds=60)
# Warnings about what does not work. The others say what may surprise an author.
_FAILING_WARNINGS = frozenset(
    {
        Reason.SERVICE_ACCOUNT_MISSING,
        Reason.IDENTITY_TOKEN_MISSING,
        Reason.IDENTITY_AUDIENCE_WRONG,
        Reason.NAMESPACE_NOT_MANAGED,
        Reason.API_MISSING,
        Reason.CHANNEL_MISSING,
        Reason.REVISION_FORGED,
        Reason.BUDGET_SPENT,
        Reason.ADOPTION_INVALID,
        SpecReason.IDENTITY_NOT_ANNOTATED,
        SpecReason.AUTOSCALER_TARGETS_DEPLOYMENT,
        SpecReason.PRIVATE_HOST_BLOCKED,
        SpecReason.INGRESS_CLASS_MISSING,
        SpecReason.ISSUER_MISSING,
        SpecReason.VARIABLE_UNSET,
        SpecReason.CREDENTIALS_UNSET,
        SpecReason.DEFAULT_KEY_WITHHELD,
        SpecReason.ROUTE_SHARED,
        SpecReason.PATH_NOT_STRIPPED,
        SpecReason.POD_CANNOT_START,
        SpecReason.QUANTITY_TOO_SMALL,
    }
)
# The end of a report about a component.
_POD = re.compile(r" \(pod [^)]{1,253}\)$")
_AREAS: Mapping[str, Area] = {
    "ConfigValid": Area.SPEC,
    "SecretsReady": Area.SECRETS,
    "ComponentsHealthy": Area.HEALTH,
    "Ready": Area.CONDITIONS,
    "Stalled": Area.CONDITIONS,
}
_WARNING_AREAS = {
    Area.IDENTITY: ("Identity", "ServiceAccount"),
    Area.EXPOSURE: ("Ingress", "Issuer", "Route", "Path", "Exposed", "Body"),
    Area.SECRETS: ("Credentials", "Variable", "DefaultKey", "Plain"),
    Area.SCALING: ("Autoscaler", "Replicas", "Budget"),
    Area.NETWORK: ("Private", "PortMayDiffer"),
}


def find(evidence: Evidence) -> Iterator[Finding]:
    """Yield what the status says, except the condition Ready: see unexplained."""
    yield from _specific(evidence)
    yield from _warnings(evidence)
    yield from _rollout(evidence)
    if evidence.spec.get("suspend") is True:
        yield Finding(
            Severity.WARNING,
            Area.SPEC,
            Reason.SUSPENDED,
            evidence.name,
            "spec.suspend is true",
            "the operator changes no object of the agent",
            "set spec.suspend to false",
        )


def unexplained(evidence: Evidence, found: Collection[Finding]) -> Iterator[Finding]:
    """Yield the last failure and the condition Ready, if no error explains them."""
    reasons = {finding.reason for finding in found}
    failure = mapping(evidence.status.get("lastFailure"))
    if failure.get("reason") and failure["reason"] not in reasons:
        yield _last_failure(evidence, failure)
        return
    if any(finding.severity is Severity.ERROR for finding in found):
        return
    for condition in conditions_of(evidence.agent):
        is_unready = condition["type"] == "Ready" and condition["status"] == "False"
        if is_unready and text(condition.get("reason")) != Reason.SUSPENDED:
            yield _of_condition(condition)


def _last_failure(evidence: Evidence, failure: Mapping[str, Any]) -> Finding:
    message, pod = text(failure.get("message")), text(failure.get("pod"))
    container = text(failure.get("container"))
    named = {"reason": text(failure.get("reason")), "pod": pod, "container": container, "message": message}
    described = describe({key: value for key, value in named.items() if value})
    command = f"see `kubectl describe pod -n {evidence.namespace} {pod}`" if pod else "correct what the message names"
    return Finding(
        Severity.ERROR,
        Area.PODS,
        text(failure.get("reason")),
        f"Pod {pod}" if pod else evidence.name,
        f"status.lastFailure: {described}",
        message or "Kubernetes gives no message",
        _remedy(message) or command,
    )


def _specific(evidence: Evidence) -> Iterator[Finding]:
    for condition in conditions_of(evidence.agent):
        kind, status = condition["type"], condition["status"]
        if (kind in ("ConfigValid", "SecretsReady", "ComponentsHealthy") and status == "False") or (
            kind == "Stalled" and status == "True"
        ):
            yield _of_condition(condition)
        elif kind == "ComponentsHealthy" and condition.get("reason") == Reason.PODS_UNREACHABLE:
            yield Finding(
                Severity.WARNING,
                Area.NETWORK,
                Reason.PODS_UNREACHABLE,
                "metrics port of the pods",
                f"condition {kind}={status}: {text(condition.get('message'))}",
                "the operator cannot read the health of the components",
                "let the namespace of the operator reach port 9090 of the pods: see spec.networkPolicy.extraIngress "
                "and other NetworkPolicies of the namespace",
            )


def _of_condition(condition: Mapping[str, Any]) -> Finding:
    kind, message, reason = text(condition["type"]), text(condition.get("message")), text(condition.get("reason"))
    return Finding(
        Severity.ERROR,
        _AREAS.get(kind, Area.CONDITIONS),
        reason or kind,
        f"condition {kind}",
        f"condition {kind}={condition['status']}, reason {reason}",
        message,
        _remedy(message) or "correct what the message names",
    )


def _remedy(message: str) -> str:
    """Return the end of a message `what: remedy`; empty if it has none."""
    first = message.split("; ", 1)[0]
    _, separator, remedy = first.rpartition(": ")
    return _POD.sub("", remedy) if separator and " " in remedy else ""


def _warnings(evidence: Evidence) -> Iterator[Finding]:
    for warning in mappings(evidence.status.get("warnings")):
        reason, message = text(warning.get("reason")), text(warning.get("message"))
        where = text(warning.get("field"))
        yield Finding(
            Severity.WARNING if reason in _FAILING_WARNINGS else Severity.INFO,
            _area_of_warning(reason),
            reason or "Warning",
            where or WARNINGS,
            f"{WARNINGS}: {reason}" + (f" in {where}" if where else ""),
            message,
            _remedy(message) or (f"change {where}" if where else "correct what the message names"),
        )


def _area_of_warning(reason: str) -> Area:
    found = (area for area, prefixes in _WARNING_AREAS.items() if reason.startswith(prefixes))
    return next(found, Area.SPEC)


def _rollout(evidence: Evidence) -> Iterator[Finding]:
    meta = mapping(evidence.agent.get("metadata"))
    namespace = text(meta.get("namespace"))
    for condition in conditions_of(evidence.agent):
        reason = text(condition.get("reason"))
        if condition["type"] == "Progressing" and reason == Reason.ROLLED_BACK:
            yield _rolled_back(evidence, namespace, text(condition.get("message")))
        elif condition["type"] == "Progressing" and reason == Reason.CANARY_PAUSED:
            yield Finding(
                Severity.INFO,
                Area.CONDITIONS,
                reason,
                "rollout",
                text(condition.get("message")),
                "the canary waits for a decision",
                f"`agentctl promote -n {namespace} {evidence.name}` or `agentctl abort -n {namespace} {evidence.name}`",
            )


def _rolled_back(evidence: Evidence, namespace: str, message: str) -> Finding:
    found = mapping(mapping(evidence.status.get("rollout")).get("rolledBack"))
    name = f"-n {namespace} {evidence.name}"
    if found.get("manual") is True:
        return Finding(
            Severity.INFO,
            Area.CONDITIONS,
            Reason.ROLLED_BACK,
            "rollout",
            message,
            "a user rolled back, so that the pods run an older revision than the spec describes",
            f"to end the rollback, use `agentctl retry {name}` or change the spec",
        )
    revision = text(found.get("revision"))
    compare = f"`agentctl diff {name} {revision}`" if revision else f"`agentctl history {name}`"
    return Finding(
        Severity.ERROR,
        Area.CONDITIONS,
        Reason.ROLLED_BACK,
        "rollout",
        message,
        "the revision in the spec failed, so that the pods run an older one",
        f"correct the spec; {compare} shows its changes",
    )


def behind(evidence: Evidence) -> bool:
    """Return whether the operator has not reconciled the newest spec for longer than it takes."""
    meta = mapping(evidence.agent.get("metadata"))
    if number(evidence.status.get("observedGeneration")) >= number(meta.get("generation")):
        return False
    # The operator itself writes the status.
    writes = [entry for entry in mappings(meta.get("managedFields")) if not entry.get("subresource")]
    changes = [parse_time(entry.get("time")) for entry in writes]
    newest = max(
        (change for change in (*changes, parse_time(meta.get("creationTimestamp"))) if change is not None),
        default=None,
    )
    return newest is None or evidence.now - newest > _SLOW

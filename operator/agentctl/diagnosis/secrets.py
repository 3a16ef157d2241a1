"""Secrets that are missing, lack keys, have unusable values, or have changed since the pods started. Pure."""

from collections.abc import Iterator
from datetime import timedelta

from agent_operator.kube.shapes import mappings, text
from agentctl.diagnosis.evidence import Evidence, SecretFacts, conditions_of, name_of, parse_time, status_of
from agentctl.diagnosis.findings import Area, Finding, Severity
from agentctl.diagnosis.secret_references import WHOLE_CREDENTIALS, SecretReference, used

# The operator reads Secrets every 45 s, and then replaces the pods.
_NOTICED = timedelta(minutes=3)
_FAULTS = {
    "empty": (Severity.ERROR, "the value is empty, so that the variable counts as unset"),
    "newline": (
        Severity.WARNING,
        "the value ends with a newline, as --from-file stores it; the agent removes it, other containers may not",
    ),
    "spaces": (Severity.ERROR, "the value begins or ends with spaces, which become part of the key"),
    "quotes": (Severity.ERROR, "the value is in quotation marks, which become part of the key"),
    "base64": (
        Severity.WARNING,
        "the value is the base64 of a text: it was probably encoded twice, because stringData needs no base64",
    ),
    "control": (Severity.ERROR, "the value contains control characters, which no HTTP header can carry"),
}


def find(evidence: Evidence) -> Iterator[Finding]:
    """Yield what is wrong with the Secrets of the agent."""
    references = used(evidence.agent, evidence.deployments())
    for reference in references:
        if reference.name in evidence.secrets:
            yield from _of_reference(evidence, reference)
    yield from _not_loaded(evidence, references)
    yield from _external(evidence)


def _of_reference(evidence: Evidence, reference: SecretReference) -> Iterator[Finding]:
    facts = evidence.secrets[reference.name]
    where = f"Secret {reference.name}"
    if facts is None:
        yield _missing(evidence, reference)
    elif reference.key and reference.key not in facts.faults:
        if not reference.optional:
            present = ", ".join(sorted(facts.faults)[:16]) or "none"
            yield Finding(
                Severity.ERROR,
                Area.SECRETS,
                "SecretKeyMissing",
                f"{where}, key {reference.key}",
                f"{reference.field} uses the key {reference.key}; the Secret has the keys: {present}",
                f"{where} lacks the key {reference.key}",
                f"`kubectl patch secret -n {evidence.namespace} {reference.name} -p "
                f'\'{{"stringData":{{"{reference.key}":"VALUE"}}}}\'`, or correct {reference.field}',
            )
    else:
        yield from _values(evidence, reference, facts)


def _missing(evidence: Evidence, reference: SecretReference) -> Finding:
    is_pull_secret = reference.field.endswith("imagePullSecrets")
    kind = "docker-registry" if is_pull_secret else "generic"
    literal = f" --from-literal={reference.key}=VALUE" if reference.key else ""
    severity = Severity.WARNING if reference.optional else Severity.ERROR
    return Finding(
        severity,
        Area.SECRETS,
        "SecretMissing",
        f"Secret {reference.name}",
        f"{reference.field} uses the Secret; the API server does not find it in the namespace {evidence.namespace}",
        f"the Secret {reference.name} does not exist",
        f"`kubectl create secret {kind} -n {evidence.namespace} {reference.name}{literal}`, or correct "
        f"{reference.field}",
    )


def _values(evidence: Evidence, reference: SecretReference, facts: SecretFacts) -> Iterator[Finding]:
    if not reference.key and reference.field == WHOLE_CREDENTIALS:
        return  # the pods read single keys of it, which have references of their own
    for key in [reference.key] if reference.key else sorted(facts.faults):
        fault = facts.faults.get(key, "")
        if fault not in _FAULTS or (fault == "newline" and not reference.is_variable):
            continue  # files usually end with a newline
        severity, cause = _FAULTS[fault]
        yield Finding(
            severity,
            Area.SECRETS,
            f"SecretValue{fault.title()}",
            f"Secret {reference.name}, key {key}",
            f"{reference.field} uses the key; its value has this fault: {fault}",
            cause,
            f"store the correct value: `kubectl patch secret -n {evidence.namespace} {reference.name} -p "
            f'\'{{"stringData":{{"{key}":"VALUE"}}}}\'`',
        )


def _not_loaded(evidence: Evidence, references: list[SecretReference]) -> Iterator[Finding]:
    """Yield Secrets whose data differs from what pods have read at their start."""
    variables = {reference.name for reference in references if reference.is_variable}
    in_use = {text(entry.get("name")): text(entry.get("inUseBy")) for entry in mappings(evidence.status.get("secrets"))}
    for name in sorted(variables):
        count, _, total = in_use.get(name, "").removesuffix(" pods").partition("/")
        older = _older_pods(evidence, name)
        if count.isdecimal() and total.isdecimal() and int(count) < int(total):
            yield _stale(evidence, name, f"status.secrets: the data is in use by {in_use[name]}")
        elif older and name not in in_use:
            yield _stale(evidence, name, f"the Secret changed after the start of {len(older)} pods, such as {older[0]}")


def _older_pods(evidence: Evidence, name: str) -> list[str]:
    facts = evidence.secrets.get(name)
    if facts is None or facts.changed is None or evidence.now - facts.changed < _NOTICED:
        return []
    started = ((name_of(pod), parse_time(status_of(pod).get("startTime"))) for pod in evidence.pods())
    return [pod for pod, start in started if start is not None and start < facts.changed]


def _stale(evidence: Evidence, name: str, what: str) -> Finding:
    return Finding(
        Severity.WARNING,
        Area.SECRETS,
        "SecretNotLoaded",
        f"Secret {name}",
        what,
        "pods read variables only when they start, so that some still have the old data",
        f"wait for the rollout, or `kubectl rollout restart -n {evidence.namespace} deployment/{evidence.name}`; see "
        f"`agentctl status {evidence.name}` for what holds it up",
    )


def _external(evidence: Evidence) -> Iterator[Finding]:
    for plural, kind in (("externalsecrets", "ExternalSecret"), ("secretstores", "SecretStore")):
        for obj in evidence.of(plural):
            for condition in conditions_of(obj):
                if condition["type"] == "Ready" and condition["status"] == "False":
                    yield Finding(
                        Severity.ERROR,
                        Area.SECRETS,
                        "SecretNotSynced",
                        f"{kind} {name_of(obj)}",
                        f"condition Ready=False, reason {text(condition.get('reason'))}",
                        text(condition.get("message")) or "External Secrets cannot read the vault",
                        f"`kubectl describe {kind.lower()} -n {evidence.namespace} {name_of(obj)}`: correct the name "
                        "in the vault, or the rights of the identity",
                    )

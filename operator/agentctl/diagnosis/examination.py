"""Runs all checks. Pure."""

from collections.abc import Callable, Iterator, Sequence

from agentctl.diagnosis import (
    conditions,
    deployments,
    exposure,
    gateway,
    identity,
    network,
    operator_health,
    pods,
    resources,
    scaling,
    secrets,
)
from agentctl.diagnosis.evidence import Evidence
from agentctl.diagnosis.findings import Area, Diagnosis, Finding, Severity, select

FORBIDDEN, NOT_CHECKED = "Forbidden", "NotChecked"
# A finding that an earlier check has made is not repeated, so causes come before symptoms.
_CHECKS: Sequence[tuple[Area, Callable[[Evidence], Iterator[Finding]]]] = (
    (Area.OPERATOR, operator_health.find),
    (Area.SECRETS, secrets.find),
    (Area.PODS, pods.find),
    (Area.PODS, deployments.find),
    (Area.RESOURCES, resources.find),
    (Area.NETWORK, network.find),
    (Area.IDENTITY, identity.find),
    (Area.CONDITIONS, conditions.find),
    (Area.SCALING, scaling.find),
    (Area.EXPOSURE, exposure.find),
    (Area.EXPOSURE, gateway.find),
)
# Findings that say that the agent does not work, but not why.
_SYMPTOMS = frozenset({"NotReady", "NoReadyEndpoints", "AgentNotAnswering", "NoPods", "PodsUnreachable"})


def examine(evidence: Evidence, redact: Callable[[str], str] = str) -> Diagnosis:
    """Return all findings, the worst first. Their texts are redacted before they are shortened."""
    found: list[Finding] = []
    for area, check in _CHECKS:
        found += _run(area, check, evidence)
    found += _run(Area.CONDITIONS, lambda it: conditions.unexplained(it, found), evidence)
    found += [_gap(area, what, error, remedy) for area, what, error, remedy in _gaps(evidence)]
    findings, left_out = select(_without_symptoms(_without_echoes(found)), redact)
    incomplete = {gap.area for gap in evidence.gaps} | {it.area for it in findings if it.reason == "CheckFailed"}
    return Diagnosis(findings, left_out, {area: area not in incomplete for area in Area})


def _run(area: Area, check: Callable[[Evidence], Iterator[Finding]], evidence: Evidence) -> list[Finding]:
    """Return the findings of a check. A defect in one check must not hide what the others find."""
    found: list[Finding] = []
    try:
        found.extend(check(evidence))
    except Exception as error:  # noqa: BLE001 - objects of others may have any shape
        found.append(
            Finding(
                Severity.INFO,
                area,
                "CheckFailed",
                f"check {area}",
                f"{type(error).__name__}: {error}",
                "agentctl has a defect, or an object has an unexpected shape",
                f"report it with the output of `agentctl report {evidence.name}`",
            )
        )
    return found


def _gaps(evidence: Evidence) -> Iterator[tuple[Area, str, str, str]]:
    for gap in evidence.gaps:
        yield gap.area, gap.what, gap.error, gap.remedy


def _gap(area: Area, what: str, error: str, remedy: str) -> Finding:
    is_forbidden = "forbidden" in error.lower()
    cause = f"you may not read {what}" if is_forbidden else f"{what} could not be read"
    return Finding(
        Severity.INFO,
        area,
        FORBIDDEN if is_forbidden else NOT_CHECKED,
        what,
        error,
        f"{cause}, so that this was not checked",
        remedy,
    )


def _without_echoes(found: list[Finding]) -> list[Finding]:
    """Leave out conditions, warnings and health reports whose cause a more specific finding has."""
    known = {it.reason for it in found if not _is_from_status(it)}
    kept = []
    for finding in found:
        if _is_from_status(finding) and finding.reason in known:
            continue
        if finding.subject.startswith("condition "):
            known.add(finding.reason)
        kept.append(finding)
    return kept


def _is_from_status(finding: Finding) -> bool:
    return finding.subject.startswith("condition ") or finding.evidence.startswith(conditions.WARNINGS)


def _without_symptoms(found: list[Finding]) -> list[Finding]:
    """Leave out symptoms, if an error about the same agent says why."""
    causes = [it for it in found if it.severity is Severity.ERROR and it.reason not in _SYMPTOMS]
    return [it for it in found if it.reason not in _SYMPTOMS] if causes else found

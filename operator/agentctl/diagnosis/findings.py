"""Findings: what is wrong, what shows it, why, and what to do. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from agent_runtime.config.terminal import one_line
from agentctl.objects import Object

MOST_FINDINGS = 100
_LONGEST_NAME = 300
_LONGEST_TEXT = 1_024
_LONGEST_REDACTED = 16_384


class Severity(StrEnum):
    """How bad a finding is. Only an info is no problem."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_ORDER = tuple(Severity)


class Area(StrEnum):
    """What a check looks at."""

    SPEC = "spec"
    OPERATOR = "operator"
    PODS = "pods"
    HEALTH = "health"
    NETWORK = "network"
    RESOURCES = "resources"
    SECRETS = "secrets"
    IDENTITY = "identity"
    POLICY = "policy"
    EXPOSURE = "exposure"
    SCALING = "scaling"
    CONDITIONS = "conditions"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        severity: whether the agent fails (error), will or may fail (warning), or needs no action (info).
        area: the check that found it.
        reason: the kind of the cause in PascalCase, the same as in conditions where one exists.
        subject: the object or component, such as `Pod hello-5c9` or `gpt`.
        evidence: what was observed, quoted.
        cause: why it is wrong.
        remedy: a command or a field.
    """

    severity: Severity
    area: Area
    reason: str
    subject: str
    evidence: str
    cause: str
    remedy: str

    @property
    def is_problem(self) -> bool:
        """Whether it needs action."""
        return self.severity is not Severity.INFO

    def bounded(self) -> "Finding":
        """Return the finding with printable texts of bounded length: others wrote parts of them."""
        return replace(
            self,
            reason=clipped(self.reason, _LONGEST_NAME),
            subject=clipped(self.subject, _LONGEST_NAME),
            evidence=clipped(self.evidence, _LONGEST_TEXT),
            cause=clipped(self.cause, _LONGEST_TEXT),
            remedy=clipped(self.remedy, _LONGEST_TEXT),
        )

    def shortened(self) -> "Finding":
        """Return the finding with texts that are short enough to redact, and longer than those of `bounded`."""
        return replace(self, evidence=_ends(self.evidence), cause=_ends(self.cause), remedy=_ends(self.remedy))

    def redacted(self, redact: Callable[[str], str]) -> "Finding":
        """Return the finding without credentials: others wrote parts of each text."""
        return replace(
            self,
            reason=redact(self.reason),
            subject=redact(self.subject),
            evidence=redact(self.evidence),
            cause=redact(self.cause),
            remedy=redact(self.remedy),
        )

    def to_json(self) -> Object:
        """Return the finding as `doctor -o json` prints it."""
        names = ("severity", "area", "reason", "subject", "evidence", "cause", "remedy")
        return {name: str(getattr(self, name)) for name in names}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The findings about an agent, the worst first, and the areas that were checked.

    Attributes:
        findings: a bounded number.
        left_out: number of findings beyond it.
        checked: area -> whether it could be checked completely.
    """

    findings: tuple[Finding, ...]
    left_out: int
    checked: Mapping[Area, bool]

    @property
    def problems(self) -> int:
        """Number of errors and warnings."""
        return sum(finding.is_problem for finding in self.findings)

    def to_json(self, agent: str, namespace: str) -> Object:
        """Return the diagnosis as `doctor -o json` prints it."""
        areas = {str(area): "checked" if complete else "incomplete" for area, complete in self.checked.items()}
        return {
            "agent": agent,
            "namespace": namespace,
            "problems": self.problems,
            "findings": [finding.to_json() for finding in self.findings],
            "leftOut": self.left_out,
            "areas": areas,
        }


def _ends(value: str) -> str:
    half = _LONGEST_REDACTED // 2
    return value if len(value) <= _LONGEST_REDACTED else f"{value[:half]} … {value[-half:]}"


def clipped(value: str, longest: int = _LONGEST_TEXT) -> str:
    """Return printable text on one line, with its middle left out if it is too long: causes are at either end."""
    # Four times the length suffices, because one_line only shortens what is not printable.
    text = one_line(value if len(value) <= 8 * longest else value[: 4 * longest] + value[-4 * longest :])
    if len(text) <= longest:
        return text
    half = (longest - 3) // 2
    return f"{text[:half]} … {text[-half:]}"


def select(found: Iterable[Finding], redact: Callable[[str], str] = str) -> tuple[tuple[Finding, ...], int]:
    """Return the findings without repetitions, the worst first, and the number of those beyond the maximum."""
    unique: dict[tuple[str, str], Finding] = {}
    for finding in (it.shortened().redacted(redact).bounded() for it in found):
        unique.setdefault((finding.reason, finding.subject), finding)
    ordered = sorted(unique.values(), key=lambda finding: _ORDER.index(finding.severity))
    return tuple(ordered[:MOST_FINDINGS]), max(0, len(ordered) - MOST_FINDINGS)

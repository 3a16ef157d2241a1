"""Compares the objects of the input with those that the operator renders from the result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agentctl.conversion import rules
from agentctl.conversion.defaults import normalized
from agentctl.conversion.differences import Difference, count_fields, differences
from agentctl.conversion.findings import Finding, Outcome
from agentctl.conversion.manifests import Manifest
from agentctl.conversion.rules import Rule
from agentctl.objects import Object

# The names of the objects are in the table of objects. A variable has the name of the revision.
_NAMES = (
    "metadata.name",
    "metadata.namespace",
    "spec.template.spec.containers[agent].env[AGENT_REVISION]",
    "spec.template.spec.containers[agent].env[AGENT_REVISION].value",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The fields of the input in what the operator renders.

    Attributes:
        findings: fields that are changed, added or lost.
        kept: number of fields that are the same.
        fields: number of fields of the input.
    """

    findings: tuple[Finding, ...]
    kept: int
    fields: int


def compare(
    pairs: Iterable[tuple[Manifest, Object]],
    rendered: Mapping[str, Object],
    known: Sequence[Finding],
    more: Sequence[Rule] = (),
) -> Comparison:
    """Compare each object of the input with the rendered object of its kind.

    Args:
        pairs: objects of the input, and the same objects with the names that the operator uses.
        rendered: the rendered objects by kind.
        known: findings of the converters; fields at or below theirs are not reported again.
        more: rules of this conversion, which precede the general ones.
    """
    findings: list[Finding] = []
    kept = fields = 0
    for source, expected in pairs:
        target = rendered.get(source.kind)
        if target is None:
            continue
        found = [item for item in _differences(source.kind, expected, target) if item.field not in _NAMES]
        reported = [finding.field for finding in known if finding.object == source.title]
        findings += [_finding(source, item, more) for item in found if not _is_known(item, reported)]
        differing = sum(count_fields(item.before) for item in found if item.before is not None)
        total = count_fields(expected)
        fields, kept = fields + total, kept + total - differing
    return Comparison(tuple(item for item in findings if not _is_noise(item)), kept, fields)


def _differences(kind: str, expected: Object, target: Object) -> list[Difference]:
    return [item for item in differences(expected, normalized(kind, target)) if item.path[0].name != "kind"]


def _finding(source: Manifest, item: Difference, more: Sequence[Rule]) -> Finding:
    place = source.place(item.position)
    if item.before is None:
        return Finding(source.title, item.field, Outcome.ADDED, rules.of_addition(source.kind, item.field))
    rule = rules.of_change(source.kind, item.field, more)
    return Finding(source.title, item.field, rule.outcome, rule.reason, place)


def _is_known(item: Difference, reported: Iterable[str]) -> bool:
    paths = (item.field, item.position)
    return any(path == field or path.startswith((f"{field}.", f"{field}[")) for path in paths for field in reported)


def _is_noise(finding: Finding) -> bool:
    """Report whether a field is one of the labels that the operator adds to every object."""
    return finding.outcome is Outcome.ADDED and ".labels" in finding.field

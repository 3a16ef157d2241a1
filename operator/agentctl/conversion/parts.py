"""The result of one converter: a part of the spec, and what it could not convert."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from agentctl.conversion.findings import Finding
from agentctl.conversion.manifests import Manifest
from agentctl.objects import Object


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the conversion of one agent.

    Attributes:
        spec: fields of the AgentDeployment's spec.
        findings: fields of the input that the part changes or loses.
        replaced: objects of the input that an object of the operator replaces, with its kind and name.
        stays: objects that stay as they are, with the reason.
        expected: objects as the operator would write them, where names and references differ only by the new name.
    """

    spec: Object = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    replaced: tuple[Manifest, ...] = ()
    stays: tuple[tuple[Manifest, str], ...] = ()
    expected: tuple[tuple[Manifest, Object], ...] = ()


def present(fields: Object) -> Object:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None and value != {}}


def joined(parts: Iterable[Part]) -> Part:
    """Return the parts as one. No two parts set the same field."""
    whole = list(parts)
    return Part(
        {name: value for part in whole for name, value in part.spec.items()},
        tuple(finding for part in whole for finding in part.findings),
        tuple(manifest for part in whole for manifest in part.replaced),
        tuple(item for part in whole for item in part.stays),
        tuple(item for part in whole for item in part.expected),
    )

"""Whether a Gateway accepts the HTTPRoute of the agent. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.kube.shapes import conditions, mappings, text
from agentctl.diagnosis.evidence import Evidence, name_of, status_of
from agentctl.diagnosis.findings import Area, Finding, Severity

_MOST = 64


def find(evidence: Evidence) -> Iterator[Finding]:
    """Yield why no Gateway forwards requests to the agent."""
    for route in evidence.of("httproutes"):
        if name_of(route) == evidence.name:
            yield from _of_route(route)


def _of_route(route: Mapping[str, Any]) -> Iterator[Finding]:
    parents = list(mappings(status_of(route).get("parents")))[:_MOST]
    if not parents:
        yield Finding(
            Severity.WARNING,
            Area.EXPOSURE,
            "RouteNotAccepted",
            f"HTTPRoute {name_of(route)}",
            "status.parents is empty",
            "no Gateway has accepted the HTTPRoute",
            "correct spec.gateway.parentRefs; see `kubectl get gateway -A`",
        )
    for parent in parents:
        for condition in conditions(parent.get("conditions")):
            if condition["type"] in ("Accepted", "ResolvedRefs") and condition["status"] == "False":
                yield Finding(
                    Severity.ERROR,
                    Area.EXPOSURE,
                    "RouteNotAccepted",
                    f"HTTPRoute {name_of(route)}",
                    f"condition {condition['type']}=False, reason {text(condition.get('reason'))}",
                    text(condition.get("message")) or "the Gateway refuses the HTTPRoute",
                    "correct spec.gateway, or let the Gateway admit routes of this namespace",
                )

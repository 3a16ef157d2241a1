"""The three health probes: the seed's, changed field by field by what the CR says."""

from collections.abc import Mapping
from typing import Any

from agent_operator.api.kubernetes_models import V1Probe
from agent_operator.api.v1alpha1.workload import ProbesSpec

HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
_LIVE = {"path": "/health/live", "port": "http"}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "startup": {
        "httpGet": _LIVE,
        "initialDelaySeconds": 5,
        "periodSeconds": 5,
        "timeoutSeconds": 3,
        "failureThreshold": 30,
    },
    "readiness": {
        "httpGet": {"path": "/health/ready", "port": "http"},
        "initialDelaySeconds": 10,
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "successThreshold": 1,
        "failureThreshold": 3,
    },
    "liveness": {
        "httpGet": _LIVE,
        "initialDelaySeconds": 15,
        "periodSeconds": 20,
        "timeoutSeconds": 5,
        "successThreshold": 1,
        "failureThreshold": 3,
    },
}


def overrides(wanted: ProbesSpec | None) -> dict[str, dict[str, Any]]:
    """Return what the CR says of each probe, as Kubernetes spells it."""
    given: dict[str, V1Probe | None] = dict(wanted) if wanted else {}
    return {
        kind: probe.model_dump(by_alias=True, exclude_none=True) if (probe := given.get(kind)) else {}
        for kind in DEFAULTS
    }


def probes(wanted: ProbesSpec | None) -> dict[str, dict[str, Any]]:
    """Return the probes by kind: startup, readiness, liveness."""
    return {kind: _merged(DEFAULTS[kind], changes) for kind, changes in overrides(wanted).items()}


def _merged(default: Mapping[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    if "httpGet" in changes:
        changes = changes | {"httpGet": default["httpGet"] | changes["httpGet"]}
    elif any(handler in changes for handler in HANDLERS):
        default = {field: value for field, value in default.items() if field != "httpGet"}
    # The API server keeps no delay of 0, for that is its default.
    return {field: value for field, value in {**default, **changes}.items() if value != 0}

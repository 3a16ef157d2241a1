"""The three health probes: defaults, and the overrides of the spec."""

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


def overrides(spec: ProbesSpec | None) -> dict[str, dict[str, Any]]:
    """Return the overrides in the spec by kind of probe, as fields of the Kubernetes API."""
    configured: dict[str, V1Probe | None] = dict(spec) if spec else {}
    return {
        kind: probe.model_dump(by_alias=True, exclude_none=True) if (probe := configured.get(kind)) else {}
        for kind in DEFAULTS
    }


def probes(spec: ProbesSpec | None) -> dict[str, dict[str, Any]]:
    """Return the probes by kind: startup, readiness, liveness."""
    return {kind: _merged(DEFAULTS[kind], changes) for kind, changes in overrides(spec).items()}


def _merged(default: Mapping[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    if "httpGet" in changes:
        changes = changes | {"httpGet": default["httpGet"] | changes["httpGet"]}
    elif any(handler in changes for handler in HANDLERS):
        default = {field: value for field, value in default.items() if field != "httpGet"}
    # The API server drops a field with its default, 0.
    return {field: value for field, value in {**default, **changes}.items() if value != 0}

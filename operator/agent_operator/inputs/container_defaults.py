"""Compute resources and health probes of an agent's container: defaults, and the settings of the spec."""

from collections.abc import Mapping
from typing import Any

from agent_operator.api.kubernetes_models import V1Probe
from agent_operator.api.v1alpha1.workload import ProbesSpec, Resources
from agent_operator.inputs import quantities

DEFAULT_REQUESTS: Mapping[str, str] = {"cpu": "500m", "memory": "1Gi"}
DEFAULT_LIMITS: Mapping[str, str] = {"cpu": "2", "memory": "2Gi"}
NATIVE = ("cpu", "memory", "ephemeral-storage")
HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
_LIVE = {"path": "/health/live", "port": "http"}
DEFAULT_PROBES: Mapping[str, Mapping[str, Any]] = {
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


def overcommits(name: str) -> bool:
    """Return whether the request for a resource may be lower than its limit."""
    return name in NATIVE


def resources(spec: Resources | None) -> dict[str, dict[str, str]]:
    """Return `requests` and `limits` with defaults, as canonical quantities.

    Defaults adapt to the values in the spec, so that requests never exceed limits. Extended resources and huge pages
    have one amount, which Kubernetes requires in both places.

    Raises:
        ValueError: a quantity is malformed.
    """
    section = spec or Resources()
    requests, limits = dict(section.requests or {}), dict(section.limits or {})
    limits |= {name: amount for name, amount in requests.items() if name not in limits and not overcommits(name)}
    requests |= {name: amount for name, amount in limits.items() if name not in requests and not overcommits(name)}
    default_limits = {
        name: max(default, requests.get(name, default), key=quantities.parse)
        for name, default in DEFAULT_LIMITS.items()
    }
    default_requests = {
        name: min(default, limits.get(name, default), key=quantities.parse)
        for name, default in DEFAULT_REQUESTS.items()
    }
    return {
        "requests": {name: quantities.canonical(amount) for name, amount in (default_requests | requests).items()},
        "limits": {name: quantities.canonical(amount) for name, amount in (default_limits | limits).items()},
    }


def probe_overrides(spec: ProbesSpec | None) -> dict[str, dict[str, Any]]:
    """Return the overrides in the spec by kind of probe, as fields of the Kubernetes API."""
    configured: dict[str, V1Probe | None] = dict(spec) if spec else {}
    return {
        kind: probe.model_dump(by_alias=True, exclude_none=True) if (probe := configured.get(kind)) else {}
        for kind in DEFAULT_PROBES
    }


def probes(spec: ProbesSpec | None) -> dict[str, dict[str, Any]]:
    """Return the probes by kind: startup, readiness, liveness."""
    return {kind: _merged(DEFAULT_PROBES[kind], changes) for kind, changes in probe_overrides(spec).items()}


def _merged(default: Mapping[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    if "httpGet" in changes:
        changes = changes | {"httpGet": default["httpGet"] | changes["httpGet"]}
    elif any(handler in changes for handler in HANDLERS):
        default = {field: value for field, value in default.items() if field != "httpGet"}
    # The API server drops a field with its default, 0.
    return {field: value for field, value in {**default, **changes}.items() if value != 0}

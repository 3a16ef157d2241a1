"""What Prometheus and Grafana read about an agent: ServiceMonitor, PrometheusRule and dashboard."""

import json
from collections.abc import Iterator

from agent_operator.api import constants
from agent_operator.api.v1alpha1.monitoring import Monitoring, ServiceMonitorSpec
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render.canonical import Manifest, digest
from agent_operator.render.templates import View, manifest

_RELEASE = {"release": "prometheus"}
_FOLDER = "grafana_folder"


def manifests(inputs: Inputs) -> Iterator[Manifest]:
    """Yield the objects for monitoring."""
    if (monitor := service_monitor(inputs)) is not None:
        yield manifest("servicemonitor", inputs, monitor)
    wanted = inputs.spec.monitoring
    if wanted is None:
        return
    if (rule := _prometheus_rule(inputs, wanted)) is not None:
        yield manifest("prometheusrule", inputs, rule)
    if (dashboard := _dashboard(inputs, wanted)) is not None:
        yield manifest("dashboard", inputs, dashboard)


def service_monitor(inputs: Inputs) -> View | None:
    """Return the view of the ServiceMonitor."""
    monitoring = inputs.spec.monitoring
    wanted = (monitoring.service_monitor if monitoring else None) or ServiceMonitorSpec()
    if wanted.enabled is False:
        return None
    # Labels decide which Prometheus scrapes it. Only a spec that asks for a ServiceMonitor may choose: the admission
    # policy requires the right to create ServiceMonitors for it.
    is_requested = monitoring is not None and monitoring.service_monitor is not None
    # The label app.kubernetes.io/name is the same for all agents, so select by the name of the agent.
    return {
        "labels": _RELEASE if wanted.labels is None else wanted.labels,
        "has_common_metadata": is_requested,
        "interval": wanted.interval or "30s",
        "service_labels": {constants.LABEL_AGENT: inputs.name},
    }


def _prometheus_rule(inputs: Inputs, monitoring: Monitoring) -> View | None:
    """Return the view of the PrometheusRule. Its alerts concern the series of this agent only."""
    wanted = monitoring.prometheus_rule
    if wanted is None or wanted.enabled is False:
        return None
    # Few agents have alerts of their own, so import the rules only for them.
    from agent_operator.monitoring import agent_rules, rules  # noqa: PLC0415

    alerts = agent_rules.alerts(
        f'namespace="{inputs.namespace}"',
        f'service="{inputs.name}"',
        error_percent=wanted.error_percent or agent_rules.ERROR_PERCENT,
        latency_seconds=wanted.latency_seconds or agent_rules.LATENCY_SECONDS,
    )
    group = rules.group(f"agent-{inputs.namespace}-{inputs.name}", alerts, inputs.platform.runbook_url)
    return {"labels": _RELEASE if wanted.labels is None else wanted.labels, "groups": [group]}


def _dashboard(inputs: Inputs, monitoring: Monitoring) -> View | None:
    """Return the view of the ConfigMap with the dashboard."""
    wanted = monitoring.dashboard
    if wanted is None or wanted.enabled is False:
        return None
    from agent_operator.monitoring.agent_dashboard import dashboard_of  # noqa: PLC0415  (as above)

    uid = f"agent-{digest([inputs.namespace, inputs.name])}"
    board = dashboard_of(inputs.namespace, inputs.name, uid).as_json()
    text = json.dumps(board, separators=(",", ":"), sort_keys=True)
    return {
        "name": constants.dashboard(inputs.name),
        "labels": {"grafana_dashboard": "1"} if wanted.labels is None else wanted.labels,
        "annotations": {_FOLDER: wanted.folder or "Agents"},
        # The sidecar writes all dashboards of a folder to one directory. A namespace has no dot, so no other agent
        # has the same file.
        "data": {f"{inputs.namespace}.{inputs.name}.json": text},
    }

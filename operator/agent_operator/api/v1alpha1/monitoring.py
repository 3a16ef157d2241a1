"""How an agent is monitored: metrics, alerts, dashboard and traces."""

from typing import Annotated

from pydantic import Field, StringConstraints

from agent_operator.api import bounds
from agent_operator.api.base import ApiModel, Duration, LabelValue
from agent_operator.api.v1alpha1.sources import SecretKeyRef

CollectorUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+\S*$", max_length=bounds.URL)]


class ServiceMonitorSpec(ApiModel):
    """ServiceMonitor of the Prometheus Operator."""

    enabled: bool | None = Field(None, description="Create a ServiceMonitor. Default: true.")
    interval: Duration | None = Field(None, description="Interval between two scrapes, at least 15s. Default: 30s.")
    labels: dict[str, LabelValue] | None = Field(
        None,
        max_length=64,
        description="Labels by which your Prometheus selects the ServiceMonitor. Default: release: prometheus.",
    )


class PrometheusRuleSpec(ApiModel):
    """PrometheusRule of the Prometheus Operator."""

    enabled: bool | None = Field(None, description="Create a PrometheusRule. Default: true.")
    labels: dict[str, LabelValue] | None = Field(
        None,
        max_length=64,
        description="Labels by which your Prometheus selects the PrometheusRule. Default: release: prometheus.",
    )
    error_percent: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Percentage of requests answered with 5xx from which on AgentErrorRateHigh fires. Default: 5.",
    )
    latency_seconds: int | None = Field(
        None,
        ge=1,
        le=3600,
        description="Duration that 95 % of the requests must not exceed, or AgentLatencyHigh fires. Default: 30.",
    )


class DashboardSpec(ApiModel):
    """Dashboard of Grafana, in a ConfigMap."""

    enabled: bool | None = Field(None, description="Create the ConfigMap. Default: true.")
    labels: dict[str, LabelValue] | None = Field(
        None,
        max_length=64,
        description='Labels by which the sidecar of Grafana selects the ConfigMap. Default: grafana_dashboard: "1".',
    )
    folder: str | None = Field(
        None, min_length=1, max_length=253, description="Folder in Grafana: annotation grafana_folder. Default: Agents."
    )


class OtlpHeadersSource(ApiModel):
    """Source of the headers for a collector."""

    secret_key_ref: SecretKeyRef = Field(
        description="Key of a Secret with the headers, in the format of OTEL_EXPORTER_OTLP_HEADERS: NAME=VALUE, "
        "separated by commas, with percent-encoded values. New data replaces the pods."
    )


class TracingSpec(ApiModel):
    """Traces of the agent, exported over OTLP/HTTP."""

    endpoint: CollectorUrl = Field(
        description="URL of the collector, such as http://collector.observability.svc:4318. The runtime appends "
        "/v1/traces. The NetworkPolicy allows it."
    )
    sample_percent: int | None = Field(
        None,
        ge=0,
        le=100,
        description="Percentage of the requests that are traced, unless the caller decides by its traceparent. "
        "Default: 100.",
    )
    headers_from: OtlpHeadersSource | None = Field(
        None, description="Headers of the requests to the collector, such as an API key. Default: none."
    )


class Monitoring(ApiModel):
    """Monitoring of the agent."""

    service_monitor: ServiceMonitorSpec | None = Field(
        None, description="ServiceMonitor of the agent. Default: created."
    )
    prometheus_rule: PrometheusRuleSpec | None = Field(
        None,
        description="PrometheusRule with alerts about the agent. Default: none; the component monitoring has alerts "
        "about all agents.",
    )
    dashboard: DashboardSpec | None = Field(
        None,
        description="Dashboard of the agent. Default: none; the component monitoring has one for all agents.",
    )
    tracing: TracingSpec | None = Field(
        None, description="Traces of the agent. A change replaces the pods. Default: none."
    )

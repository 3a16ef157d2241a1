"""The variables of the runtime for traces, from spec.monitoring.tracing."""

from agent_operator.api.v1alpha1 import AgentDeploymentSpec
from agent_operator.api.v1alpha1.monitoring import TracingSpec
from agent_operator.inputs.model_sources import SecretVariable

FIELD = "spec.monitoring.tracing"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
SAMPLER = "OTEL_TRACES_SAMPLER"
SAMPLER_ARGUMENT = "OTEL_TRACES_SAMPLER_ARG"


def of(spec: AgentDeploymentSpec) -> TracingSpec | None:
    """Return spec.monitoring.tracing."""
    return spec.monitoring.tracing if spec.monitoring else None


def variables(spec: AgentDeploymentSpec) -> dict[str, str]:
    """Return the variables with plain values."""
    wanted = of(spec)
    if wanted is None:
        return {}
    found = {ENDPOINT: wanted.endpoint}
    if wanted.sample_percent is not None:
        found |= {SAMPLER: "parentbased_traceidratio", SAMPLER_ARGUMENT: f"{wanted.sample_percent / 100:g}"}
    return found


def secret_variables(spec: AgentDeploymentSpec) -> tuple[SecretVariable, ...]:
    """Return the variable with the headers for the collector, which a Secret contains."""
    wanted = of(spec)
    if wanted is None or wanted.headers_from is None:
        return ()
    reference = wanted.headers_from.secret_key_ref
    return (SecretVariable(HEADERS, reference.name, reference.key, f"{FIELD}.headersFrom.secretKeyRef"),)

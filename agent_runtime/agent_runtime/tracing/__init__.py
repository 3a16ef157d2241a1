"""OpenTelemetry traces, when OTEL_EXPORTER_OTLP_ENDPOINT is set: requests, calls of models, calls of tools.

Nothing of OpenTelemetry is imported otherwise; it is the optional extra `otel`. What was said is in no span.
"""

import logging
from typing import TYPE_CHECKING

from agent_runtime.environment import Environment

if TYPE_CHECKING:
    from agent_runtime.tracing.tracing import Tracing

log = logging.getLogger(__name__)


def start(environment: Environment) -> "Tracing | None":
    """Tracing, when the environment asks for it and OpenTelemetry is installed."""
    if environment.otel_exporter_otlp_endpoint is None:
        return None
    try:
        from agent_runtime.tracing.tracing import Tracing  # noqa: PLC0415  (0.5 s, for those who want it)
    except ImportError as error:
        # An agent without traces is worth more than no agent.
        log.warning("no traces: install the extra otel", extra={"fields": {"missing": error.name}})
        return None
    return Tracing(environment)

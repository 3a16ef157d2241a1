"""OpenTelemetry traces of requests, model calls and tool calls, if OTEL_EXPORTER_OTLP_ENDPOINT is set.

OpenTelemetry is the optional extra `otel`, and is only imported if the variable is set. No span contains the text of a
message, or the arguments or result of a tool.
"""

import logging
from typing import TYPE_CHECKING

from agent_runtime.environment import Environment

if TYPE_CHECKING:
    from agent_runtime.tracing.tracing import Tracing

log = logging.getLogger(__name__)


def start(environment: Environment) -> "Tracing | None":
    """Return the tracing, or None if the environment does not enable it or OpenTelemetry is not installed."""
    if environment.otel_exporter_otlp_endpoint is None:
        return None
    try:
        from agent_runtime.tracing.tracing import Tracing  # noqa: PLC0415  (the import takes 0.5 s)
    except ImportError as error:
        # An agent without tracing is better than an agent that does not start.
        log.warning("tracing is off: install the extra agent-runtime[otel]", extra={"fields": {"missing": error.name}})
        return None
    return Tracing(environment)

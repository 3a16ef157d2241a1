"""Create spans and export them over OTLP/HTTP in the background."""

import asyncio
import os
from collections.abc import MutableMapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from agent_runtime.config import ModelConfig
from agent_runtime.environment import Environment, version
from agent_runtime.errors import Problem
from agent_runtime.http.middleware import LOG_FIELDS
from agent_runtime.models.base import Model
from agent_runtime.tools.toolbox import ToolServer
from agent_runtime.tracing.models import TracedModel
from agent_runtime.tracing.tools import TracedToolServer

# Routes whose requests the agent answers.
_INVOKING = frozenset({"/v1/chat/completions", "/v1/responses", "/api/chat", "/a2a"})
# Seconds for one export. It limits how long the last export delays the end of the process.
EXPORT_TIMEOUT = 3


class Tracing:
    """Creates and exports spans. The OTEL_* variables of the SDK configure the rest, such as the sampler."""

    def __init__(self, environment: Environment) -> None:
        attributes = {"service.version": version()}
        if "OTEL_SERVICE_NAME" not in os.environ:
            attributes["service.name"] = environment.agent_name
        self._provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        timeout = None if "OTEL_EXPORTER_OTLP_TIMEOUT" in os.environ else EXPORT_TIMEOUT
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=timeout)))
        self._agent = environment.agent_name
        self._tracer = self._provider.get_tracer("agent_runtime", version())
        # The global propagator would also forward baggage, which callers can fill with anything.
        self._propagator = TraceContextTextMapPropagator()

    def model(self, model: Model, config: ModelConfig) -> Model:
        """Return the model with a span around each call."""
        return TracedModel(model, config, self._tracer)

    def tool_server(self, server: ToolServer) -> ToolServer:
        """Return the tool server with a span around each call."""
        return TracedToolServer(server, self._tracer)

    def propagate(self, headers: MutableMapping[str, str]) -> None:
        """Add the traceparent header of the current span to the headers of a request to a tool server.

        The MCP SDK adds it to `_meta` of the request, as the specification describes.
        """
        self._propagator.inject(headers)

    def outgoing(self) -> aiohttp.TraceConfig:
        """Return hooks for a client session that add the traceparent header of the current span to its requests."""
        config = aiohttp.TraceConfig()

        async def inject(_: aiohttp.ClientSession, __: SimpleNamespace, start: aiohttp.TraceRequestStartParams) -> None:
            self._propagator.inject(start.headers)

        config.on_request_start.append(inject)
        return config

    @property
    def middleware(self) -> Middleware:
        """Opens a span for each request except probes, in the trace of the caller if the request names one."""

        @web.middleware
        async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
            resource = request.match_info.route.resource
            if resource is None or resource.canonical.startswith("/health"):
                return await handler(request)
            with self._tracer.start_as_current_span(
                f"{request.method} {resource.canonical}",
                self._propagator.extract(request.headers),
                SpanKind.SERVER,
                # Use the route, not the path, which may contain the id of a session.
                {
                    "http.request.method": request.method,
                    "http.route": resource.canonical,
                    "client.address": request[LOG_FIELDS]["client"],
                },
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                request[LOG_FIELDS]["trace_id"] = format_trace_id(span.get_span_context().trace_id)
                with self._invocation(resource.canonical) as invocation:
                    return await _handle(request, handler, (span, invocation) if invocation else (span,))

        return trace

    def _invocation(self, route: str) -> AbstractContextManager[Span | None]:
        """Open a span for a request that the agent answers with its models and tools."""
        if route not in _INVOKING:
            return nullcontext()
        return self._tracer.start_as_current_span(
            f"invoke_agent {self._agent}",
            kind=SpanKind.INTERNAL,
            attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": self._agent},
            record_exception=False,
            set_status_on_exception=False,
        )

    async def aclose(self) -> None:
        """Export the remaining spans."""
        await asyncio.to_thread(self._provider.shutdown)


async def _handle(request: web.Request, handler: Handler, spans: Sequence[Span]) -> web.StreamResponse:
    try:
        response = await handler(request)
    except asyncio.CancelledError:
        for span in spans:
            span.set_attribute("error.type", "cancelled")
        raise
    except Problem as problem:
        _set_status(request, spans, problem.status, problem.code)
        raise
    except web.HTTPException as error:
        _set_status(request, spans, error.status, str(error.status))
        raise
    except Exception:
        _set_status(request, spans, 500, "internal_error")
        raise
    # A stream that broke off has the status 200. The error code is in the log fields.
    _set_status(request, spans, response.status, str(request[LOG_FIELDS].get("code", "")))
    return response


def _set_status(request: web.Request, spans: Sequence[Span], status: int, code: str) -> None:
    """Set the result of a request on its spans, of which the first is that of the server."""
    spans[0].set_attribute("http.response.status_code", status)
    for span in spans:
        if session := request[LOG_FIELDS].get("session"):
            span.set_attribute("gen_ai.conversation.id", session)
        if code:
            span.set_attribute("error.type", code)
        if status >= 500:  # noqa: PLR2004
            span.set_status(StatusCode.ERROR)

"""OpenTelemetry traces, received over OTLP/HTTP."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.integration.agent_runtime.conftest import (
    CANARIES,
    ECHO,
    PROMPT,
    USER_CANARY,
    AgentProcess,
    StartAgent,
    agent_toml,
    openai_model,
)
from tests.integration.agent_runtime.processes import ModelServer
from tests.integration.agent_runtime.test_tools import TOOL_SERVER, call, calling, connected, stdio, tool_results
from tests.patience import free_port
from tests.polling import eventually

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
MESSAGES: Any = [{"role": "user", "content": USER_CANARY}]
CHAT_ATTRIBUTES = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 11,
    "gen_ai.usage.output_tokens": 3,
}


class Receiver:
    """Receives traces like an OpenTelemetry collector."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class ExportHandler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Do not log requests."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), ExportHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        """Stop the receiver."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def exports(self) -> list[ExportTraceServiceRequest]:
        """Return the received exports."""
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    def spans(self, trace: str = TRACE) -> dict[str, Span]:
        """Return the spans of a trace by name."""
        return {span.name: span for span in self.all_spans() if span.trace_id.hex() == trace}

    def wait_for_spans(self, count: int) -> dict[str, Span]:
        """Wait until the trace of the tests has this number of spans; return them by name."""
        return eventually("the spans are exported", lambda: spans if len(spans := self.spans()) == count else None)

    def all_spans(self) -> list[Span]:
        """Return the received spans of all traces."""
        resources = [resource for export in self.exports() for resource in export.resource_spans]
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]


def attributes(span: Span) -> dict[str, Any]:
    """Return the attributes of a span."""
    return {attribute.key: plain(attribute.value) for attribute in span.attributes}


def plain(value: AnyValue) -> Any:
    """Convert a value of OTLP to a Python value."""
    kind = value.WhichOneof("value")
    return [plain(item) for item in value.array_value.values] if kind == "array_value" else getattr(value, kind or "")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """A receiver in the state in which the last test left it."""
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer, receiver: Receiver) -> AgentProcess:
    """An agent with tools that exports its spans every 50 ms."""
    agent = start_shared_agent(
        agent_toml(openai_model(shared_model_server), memory=stdio("t")),
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_BSP_SCHEDULE_DELAY="50",
        AGENT_NAME="clock",
        OPENAI_API_KEY=CANARIES["OPENAI_API_KEY"],
    )
    return connected(agent.ready())


@pytest.fixture(autouse=True)
def check_that_no_span_has_content(receiver: Receiver) -> Iterator[None]:
    """Check after each test that no span contains a prompt, a message, an answer or a key."""
    yield
    exported = b"".join(receiver.bodies)
    assert not [canary for canary in (PROMPT, USER_CANARY, *CANARIES.values()) if canary.encode() in exported]
    receiver.bodies.clear()


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_joins_the_trace_of_its_caller(
    agent: AgentProcess, model_server: ModelServer, receiver: Receiver, stream: bool
) -> None:
    """The span of the request is a child of the caller's, and the span of the model call is a child of that."""
    body = {"messages": MESSAGES, "stream": stream, "temperature": 0.5}
    agent.http.post("/v1/chat/completions", json=body, headers=HEADERS).raise_for_status()

    spans = receiver.wait_for_spans(3)
    request, chat = spans["POST /v1/chat/completions"], spans["chat gpt-4o"]
    invocation = spans["invoke_agent clock"]
    assert request.parent_span_id.hex() == PARENT
    assert request.kind == Span.SPAN_KIND_SERVER
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "client.address": "127.0.0.1",
        "http.response.status_code": 200,
    }
    assert (invocation.parent_span_id, invocation.kind) == (request.span_id, Span.SPAN_KIND_INTERNAL)
    assert attributes(invocation) == {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clock"}
    assert (chat.parent_span_id, chat.kind) == (invocation.span_id, Span.SPAN_KIND_CLIENT)
    chat_attributes = attributes(chat)
    assert {name: chat_attributes.get(name) for name in CHAT_ATTRIBUTES} == CHAT_ATTRIBUTES
    assert ("gen_ai.response.time_to_first_chunk" in chat_attributes) == stream
    sent = model_server.seen("/chat/completions")[0]["headers"]
    assert sent["traceparent"] == f"00-{TRACE}-{chat.span_id.hex()}-01"
    assert "baggage" not in sent


def test_a_tool_call_has_a_span(agent: AgentProcess, model_server: ModelServer, receiver: Receiver) -> None:
    """The span is named after the tool. It contains no arguments and no result. A failed call is an error."""
    model_server.script(completions=[calling(call("t__add", 0, a=1, b=2), call("t__fail", 1))])
    agent.http.post("/v1/chat/completions", json={"messages": MESSAGES}, headers=HEADERS).raise_for_status()

    spans = receiver.wait_for_spans(5)
    add, fail = spans["execute_tool t__add"], spans["execute_tool t__fail"]
    assert attributes(add) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "t__add",
        "gen_ai.tool.type": "extension",
    }
    assert add.parent_span_id == spans["invoke_agent clock"].span_id
    assert (fail.status.code, attributes(fail)["error.type"]) == (Status.STATUS_CODE_ERROR, "tool_error")


@pytest.fixture
def http_tools() -> Iterator[str]:
    """The URL of the test server of tools over HTTP."""
    port = free_port()
    process = subprocess.Popen([sys.executable, TOOL_SERVER, str(port)], stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}/mcp"
    process.kill()
    process.wait()


def test_a_tool_server_gets_the_trace(
    start_agent: StartAgent, model_server: ModelServer, receiver: Receiver, http_tools: str
) -> None:
    """In the header of HTTP, and in `_meta` as the MCP specification describes. Baggage of callers is not passed on."""
    table = f'[[agent.mcp]]\nname = "t"\ntype = "http"\nurl = "{http_tools}"\n'
    agent = connected(
        start_agent(
            agent_toml(openai_model(model_server), memory=table),
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_BSP_SCHEDULE_DELAY="50",
            OPENAI_API_KEY=CANARIES["OPENAI_API_KEY"],
        ).ready()
    )
    model_server.script(completions=[calling(call("t__trace"))])
    headers = HEADERS | {"baggage": "a=b"}
    agent.http.post("/v1/chat/completions", json={"messages": MESSAGES}, headers=headers).raise_for_status()

    (result,) = tool_results(model_server)
    span = receiver.wait_for_spans(4)["execute_tool t__trace"].span_id.hex()
    assert result == f"00-{TRACE}-{span}-01 00-{TRACE}-{span}-01 None"


def test_metrics_follow_the_conventions_without_traces(start_agent: StartAgent, model_server: ModelServer) -> None:
    """OpenTelemetry's names and buckets, without its SDK."""
    agent = start_agent(agent_toml(openai_model(model_server)), OPENAI_API_KEY=CANARIES["OPENAI_API_KEY"]).ready()
    agent.http.post("/v1/chat/completions", json={"messages": MESSAGES}).raise_for_status()
    agent.http.post("/v1/chat/completions", json={"messages": MESSAGES, "stream": True}).raise_for_status()
    model_server.script(completions=[{"status": 401, "text": USER_CANARY, "always": True}])
    agent.http.post("/v1/chat/completions", json={"messages": MESSAGES})

    metrics = agent.metrics()
    labels = 'gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt-4o"'
    assert metrics[f'gen_ai_client_token_usage_count{{{labels},gen_ai_token_type="input"}}'] == 2
    assert metrics[f'gen_ai_client_token_usage_sum{{{labels},gen_ai_token_type="output"}}'] == 6
    assert metrics[f"gen_ai_client_operation_time_to_first_chunk_seconds_count{{{labels}}}"] == 1
    durations = "gen_ai_client_operation_duration_seconds_count"
    assert metrics[f'{durations}{{error_type="",{labels}}}'] == 2
    assert metrics[f'{durations}{{error_type="model_credentials_refused",{labels}}}'] == 1


def test_a_failed_model_call_is_an_error(agent: AgentProcess, model_server: ModelServer, receiver: Receiver) -> None:
    """Both spans have the stable code. The id of the session is replaced by its pseudonym."""
    model_server.script(completions=[{"status": 401, "text": USER_CANARY, "always": True}])
    body = {"message": USER_CANARY, "session_id": "my-session"}
    assert agent.http.post("/api/chat", json=body, headers=HEADERS).status_code == 502

    spans = receiver.wait_for_spans(3)
    request, chat = spans["POST /api/chat"], spans["chat gpt-4o"]
    assert attributes(spans["invoke_agent clock"])["error.type"] == "model_credentials_refused"
    assert {request.status.code, chat.status.code} == {Status.STATUS_CODE_ERROR}
    assert attributes(chat)["error.type"] == attributes(request)["error.type"] == "model_credentials_refused"
    assert attributes(request)["gen_ai.conversation.id"] not in {"", "my-session"}
    assert not chat.events
    assert b"my-session" not in b"".join(receiver.bodies)
    assert agent.log("request")[-1]["trace_id"] == TRACE


def test_a_disconnected_client_ends_the_spans(
    agent: AgentProcess, model_server: ModelServer, receiver: Receiver
) -> None:
    """The spans get error.type `cancelled` and no error status, because the client ended the request, not the agent."""
    model_server.script(completions=[{"step_by_step": True}])
    model_server.go()
    body = {"messages": MESSAGES, "stream": True}
    with httpx2.stream(
        "POST", f"http://127.0.0.1:{agent.port}/v1/chat/completions", json=body, headers=HEADERS
    ) as response:
        next(response.iter_lines())

    spans = receiver.wait_for_spans(3)
    assert {attributes(span)["error.type"] for span in spans.values()} == {"cancelled"}
    assert {span.status.code for span in spans.values()} == {Status.STATUS_CODE_UNSET}


def test_the_last_spans_are_exported_at_the_end_and_probes_have_none(
    start_agent: StartAgent, receiver: Receiver
) -> None:
    """The resource has the name of the agent and the version of the runtime."""
    agent = start_agent(
        agent_toml(ECHO), OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_BSP_SCHEDULE_DELAY="60000", AGENT_NAME="clock"
    ).ready()
    agent.http.post("/api/chat", json={"message": "x"}, headers=HEADERS).raise_for_status()

    assert agent.terminate() == 0

    assert set(receiver.spans()) == {"POST /api/chat", "invoke_agent clock", "chat echo"}
    resource = receiver.exports()[0].resource_spans[0].resource
    fields = {attribute.key: plain(attribute.value) for attribute in resource.attributes}
    assert (fields["service.name"], bool(fields["service.version"])) == ("clock", True)
    assert not [span.name for span in receiver.all_spans() if "health" in span.name]


def test_an_unreachable_receiver_has_no_effect(start_agent: StartAgent) -> None:
    """Requests are answered, and the process ends in time."""
    agent = start_agent(agent_toml(ECHO), OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}").ready()

    agent.http.post("/api/chat", json={"message": USER_CANARY}).raise_for_status()

    assert agent.terminate() == 0


def test_opentelemetry_is_not_imported_without_an_endpoint() -> None:
    """Optional packages are imported only if the config or the environment needs them."""
    script = (
        "import sys; from agent_runtime.app import create_app; from agent_runtime.config import AgentFile;"
        "from agent_runtime.environment import Environment;"
        "config = AgentFile.model_validate({'agent': {'models': [{'name': 'm', 'provider': 'echo'}]}}).agent;"
        "create_app(config, '', Environment());"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'a2a', 'openai', 'google'))])"
    )

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert loaded == "[]\n"

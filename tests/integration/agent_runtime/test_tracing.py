"""OpenTelemetry traces, received over real OTLP/HTTP."""

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
    ModelServer,
    StartAgent,
    agent_toml,
    eventually,
    free_port,
    openai_model,
)
from tests.integration.agent_runtime.test_tools import call, calling, stdio

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
SAY: Any = [{"role": "user", "content": USER_CANARY}]


class Receiver:
    """Takes traces as a collector does."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def exports(self) -> list[ExportTraceServiceRequest]:
        """What came."""
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    def spans(self, trace: str = TRACE) -> dict[str, Span]:
        """The spans of a trace by name."""
        groups = [scope for one in self.exports() for resource in one.resource_spans for scope in resource.scope_spans]
        return {span.name: span for scope in groups for span in scope.spans if span.trace_id.hex() == trace}


def attributes(span: Span) -> dict[str, Any]:
    """A span's attributes, as they were."""
    return {one.key: plain(one.value) for one in span.attributes}


def plain(value: AnyValue) -> Any:
    """A value of OTLP as Python has it."""
    kind = value.WhichOneof("value")
    return [plain(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind or "")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """A receiver, with what the tests before left in it."""
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer, receiver: Receiver) -> AgentProcess:
    """An agent that sends its traces soon, with tools."""
    return start_shared_agent(
        agent_toml(openai_model(shared_model_server), memory=stdio("t")),
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_BSP_SCHEDULE_DELAY="50",
        AGENT_NAME="clock",
        **{name: CANARIES[name] for name in ("OPENAI_API_KEY",)},
    ).ready()


@pytest.fixture(autouse=True)
def nothing_that_was_said(receiver: Receiver) -> Iterator[None]:
    """No span holds a prompt, a message, an answer or a key."""
    yield
    everything = b"".join(receiver.bodies)
    assert not [canary for canary in (PROMPT, USER_CANARY, *CANARIES.values()) if canary.encode() in everything]
    receiver.bodies.clear()


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_a_part_of_its_callers_trace(
    agent: AgentProcess, model_server: ModelServer, receiver: Receiver, stream: bool
) -> None:
    """The request's span under the caller's, the model's call under that, the model's server told of it."""
    body = {"messages": SAY, "stream": stream, "temperature": 0.5}
    agent.http.post("/v1/chat/completions", json=body, headers=HEADERS).raise_for_status()

    spans = eventually("the spans come", lambda: len(found := receiver.spans()) == 2 and found)
    request, chat = spans["POST /v1/chat/completions"], spans["chat gpt-4o"]
    assert request.parent_span_id.hex() == PARENT
    assert request.kind == Span.SPAN_KIND_SERVER
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
    }
    assert (chat.parent_span_id, chat.kind) == (request.span_id, Span.SPAN_KIND_CLIENT)
    told = attributes(chat)
    assert {name: value for name, value in told.items() if name.startswith("gen_ai")}.items() >= {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 3,
    }.items()
    assert told["gen_ai.response.finish_reasons"] == ["stop"]
    assert ("gen_ai.response.time_to_first_chunk" in told) == stream
    sent = model_server.seen("/chat/completions")[0]["headers"]
    assert sent["traceparent"] == f"00-{TRACE}-{chat.span_id.hex()}-01"
    assert "baggage" not in sent


def test_tools_have_spans(agent: AgentProcess, model_server: ModelServer, receiver: Receiver) -> None:
    """Named after the tool, without its arguments or result; one that fails is an error."""
    model_server.script(completions=[calling(call("t__add", 0, a=1, b=2), call("t__fail", 1))])
    agent.http.post("/v1/chat/completions", json={"messages": SAY}, headers=HEADERS).raise_for_status()

    spans = eventually("the spans come", lambda: len(found := receiver.spans()) == 4 and found)
    add, fail = spans["execute_tool t__add"], spans["execute_tool t__fail"]
    assert attributes(add) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "t__add",
        "gen_ai.tool.type": "extension",
    }
    assert add.parent_span_id == spans["POST /v1/chat/completions"].span_id
    assert (fail.status.code, attributes(fail)["error.type"]) == (Status.STATUS_CODE_ERROR, "tool_error")


def test_a_failed_call_is_an_error(agent: AgentProcess, model_server: ModelServer, receiver: Receiver) -> None:
    """With its stable code; a conversation is told as a pseudonym."""
    model_server.script(completions=[{"status": 401, "text": USER_CANARY, "always": True}])
    body = {"message": USER_CANARY, "session_id": "my-session"}
    assert agent.http.post("/api/chat", json=body, headers=HEADERS).status_code == 502

    spans = eventually("the spans come", lambda: len(found := receiver.spans()) == 2 and found)
    request, chat = spans["POST /api/chat"], spans["chat gpt-4o"]
    assert {request.status.code, chat.status.code} == {Status.STATUS_CODE_ERROR}
    assert attributes(chat)["error.type"] == attributes(request)["error.type"] == "model_credentials_refused"
    assert attributes(request)["gen_ai.conversation.id"] not in {"", "my-session"}
    assert not chat.events
    assert b"my-session" not in b"".join(receiver.bodies)
    assert agent.log("request")[-1]["trace_id"] == TRACE


def test_who_leaves_ends_the_spans(agent: AgentProcess, model_server: ModelServer, receiver: Receiver) -> None:
    """As cancelled, not as an error of the agent."""
    model_server.script(completions=[{"step_by_step": True}])
    model_server.go()
    body = {"messages": SAY, "stream": True}
    with httpx2.stream("POST", f"http://127.0.0.1:{agent.port}/v1/chat/completions", json=body, headers=HEADERS) as got:
        next(got.iter_lines())

    spans = eventually("the spans come", lambda: len(found := receiver.spans()) == 2 and found)
    assert {attributes(span)["error.type"] for span in spans.values()} == {"cancelled"}
    assert {span.status.code for span in spans.values()} == {Status.STATUS_CODE_UNSET}


def test_probes_make_no_spans_and_the_last_ones_are_sent(start_agent: StartAgent, receiver: Receiver) -> None:
    """What is left goes out when the process ends; the resource says who sent it."""
    agent = start_agent(
        agent_toml(ECHO), OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_BSP_SCHEDULE_DELAY="60000", AGENT_NAME="clock"
    ).ready()
    agent.http.post("/api/chat", json={"message": "x"}, headers=HEADERS).raise_for_status()

    assert agent.terminate() == 0

    assert set(receiver.spans()) == {"POST /api/chat", "chat echo"}
    resources = [resource.resource for one in receiver.exports() for resource in one.resource_spans]
    told = {one.key: plain(one.value) for one in resources[0].attributes}
    assert (told["service.name"], bool(told["service.version"])) == ("clock", True)
    names = {
        span.name for one in receiver.exports() for r in one.resource_spans for s in r.scope_spans for span in s.spans
    }
    assert not [name for name in names if "health" in name]


def test_a_receiver_that_is_away_does_no_harm(start_agent: StartAgent) -> None:
    """Requests are answered and the process ends in time."""
    agent = start_agent(agent_toml(ECHO), OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}").ready()

    agent.http.post("/api/chat", json={"message": USER_CANARY}).raise_for_status()

    assert agent.terminate() == 0


def test_nothing_is_loaded_without_an_endpoint() -> None:
    """Not even OpenTelemetry's API."""
    script = (
        "import sys; from agent_runtime.app import create_app; from agent_runtime.config import AgentFile;"
        "from agent_runtime.environment import Environment;"
        "config = AgentFile.model_validate({'agent': {'models': [{'name': 'm', 'provider': 'echo'}]}}).agent;"
        "create_app(config, '', Environment());"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'a2a', 'openai', 'google'))])"
    )

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert loaded == "[]\n"

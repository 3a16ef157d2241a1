"""OpenAI's API, through OpenAI's own client."""

from typing import Any

import httpx2
import openai
import pytest

from agent_runtime.config import MAX_BODY_BYTES
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
from tests.integration.agent_runtime.openai_clients import sync_client
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually

KEY = CANARIES["OPENAI_API_KEY"]
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
MESSAGES: Any = [{"role": "user", "content": USER_CANARY}]


def make_client(port: int) -> openai.OpenAI:
    """Return a client of the agent that does not retry."""
    return sync_client(f"http://127.0.0.1:{port}/v1")


@pytest.fixture(scope="module")
def echo(start_shared_agent: StartAgent) -> AgentProcess:
    """An agent with an echo model."""
    return start_shared_agent(agent_toml(ECHO)).ready()


@pytest.fixture(scope="module")
def gpt(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent whose model is the fake model server."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server)), OPENAI_API_KEY=KEY).ready()


def test_the_response_has_all_fields_of_a_completion(echo: AgentProcess) -> None:
    """The client parses the completion of the echo model, and the list of models."""
    completion = make_client(echo.port).chat.completions.create(model="echo", messages=MESSAGES)

    assert completion.choices[0].message.content == USER_CANARY
    assert completion.choices[0].finish_reason == "stop"
    assert completion.object == "chat.completion"
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 0
    assert [model.id for model in make_client(echo.port).models.list()] == ["echo"]


def test_the_model_gets_the_prompt_and_the_request_of_the_caller(gpt: AgentProcess, model_server: ModelServer) -> None:
    """Parameters are unchanged. The request names the upstream model and has the API key in its header."""
    tools: Any = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]

    completion = make_client(gpt.port).chat.completions.create(
        model="gpt", messages=MESSAGES, temperature=0.5, tools=tools, extra_body={"top_k": 3}
    )

    assert completion.choices[0].message.content == f"model: {USER_CANARY}"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 11
    (seen,) = model_server.seen("/chat/completions")
    assert seen["body"] == {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": PROMPT}, *MESSAGES],
        "temperature": 0.5,
        "tools": tools,
        "top_k": 3,
    }
    assert seen["headers"]["authorization"] == f"Bearer {KEY}"
    assert seen["headers"]["user-agent"].startswith("agent-runtime/")


def test_a_model_server_without_a_key_gets_none(start_agent: StartAgent, model_server: ModelServer) -> None:
    """With base_url, OPENAI_API_KEY is optional. The agent does not send a dummy key."""
    agent = start_agent(agent_toml(openai_model(model_server))).ready()

    make_client(agent.port).chat.completions.create(model="gpt", messages=MESSAGES)

    assert "authorization" not in model_server.seen("/chat/completions")[0]["headers"]


def test_calls_of_the_callers_tools_reach_the_caller(gpt: AgentProcess, model_server: ModelServer) -> None:
    """The agent does not run tools of the caller."""
    call = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    model_server.script(completions=[{"message": {"content": None, "tool_calls": [call]}}])

    choice = make_client(gpt.port).chat.completions.create(model="gpt", messages=MESSAGES).choices[0]

    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    assert choice.message.tool_calls[0].id == "call_1"


@pytest.mark.parametrize(
    ("step", "error", "code"),
    [
        ({"status": 400, "json": {"error": {"code": "context_length_exceeded", "message": PROMPT}}},
         openai.BadRequestError, "context_length_exceeded"),
        ({"status": 400, "json": {"error": {"code": f"no code: {PROMPT}"}}},
         openai.BadRequestError, "model_refused_request"),
        ({"status": 401, "text": KEY}, openai.InternalServerError, "model_credentials_refused"),
        ({"status": 404, "json": {"error": "?"}}, openai.InternalServerError, "model_not_found_upstream"),
        ({"status": 408}, openai.InternalServerError, "model_unavailable"),
        ({"status": 429, "headers": {"Retry-After": "7"}}, openai.RateLimitError, "model_rate_limited"),
        ({"status": 429, "json": {"error": {"code": "insufficient_quota"}}},
         openai.RateLimitError, "insufficient_quota"),
        ({"status": 429, "headers": {"Date": DATE, "Retry-After": DATE.replace("28:00", "28:07")}},
         openai.RateLimitError, "model_rate_limited"),
        ({"status": 500, "text": PROMPT}, openai.InternalServerError, "model_unavailable"),
        ({"status": 503}, openai.InternalServerError, "model_unavailable"),
        ({"status": 302, "headers": {"Location": "http://169.254.169.254/"}},
         openai.InternalServerError, "model_bad_response"),
        ({"text": "<html>"}, openai.InternalServerError, "model_bad_response"),
        ({"json": {"choices": []}}, openai.InternalServerError, "model_bad_response"),
        ({"fault": "half"}, openai.InternalServerError, "model_bad_response"),
        ({"fault": "reset"}, openai.InternalServerError, "model_unreachable"),
    ],
)  # fmt: skip
def test_upstream_errors_have_stable_codes(
    gpt: AgentProcess, model_server: ModelServer, step: dict[str, Any], error: type[openai.APIStatusError], code: str
) -> None:
    """The client gets an error in OpenAI's format, with a code of the agent and without text of the model server."""
    metric = f'agent_model_errors_total{{model="gpt",reason="{code}"}}'
    before = gpt.metrics().get(metric, 0)
    # The case before may have opened the circuit breaker. A call that succeeds closes it.
    eventually(
        "the model is called", lambda: gpt.http.post("/v1/chat/completions", json={"messages": MESSAGES}).is_success
    )
    model_server.script(completions=[step | {"always": True}])

    with pytest.raises(error) as raised:
        make_client(gpt.port).chat.completions.create(model="gpt", messages=MESSAGES)

    assert raised.value.code == code
    assert isinstance(raised.value.body, dict)
    assert set(raised.value.body) == {"message", "type", "param", "code"}
    assert raised.value.response.headers["x-request-id"]
    if "Retry-After" in step.get("headers", {}):
        assert raised.value.response.headers["retry-after"] == "7"
    assert gpt.metrics()[metric] > before


def test_a_permanent_error_shows_in_health_until_a_call_succeeds(gpt: AgentProcess, model_server: ModelServer) -> None:
    """A missing deployment makes the model unhealthy, although the model server answers probes."""
    model_server.script(completions=[{"status": 404}])

    with pytest.raises(openai.InternalServerError):
        make_client(gpt.port).chat.completions.create(model="gpt", messages=MESSAGES)
    eventually("the model is unhealthy", lambda: "check deployment" in str(_unhealthy_components(gpt)))
    assert gpt.http.get("/health/ready").status_code == 200

    make_client(gpt.port).chat.completions.create(model="gpt", messages=MESSAGES)
    eventually("the model is healthy again", lambda: not _unhealthy_components(gpt))


def test_a_refusal_of_one_request_leaves_the_model_to_other_callers(
    gpt: AgentProcess, model_server: ModelServer
) -> None:
    """The agent asks the model itself, once, before it counts such refusals against the model."""
    body = {"messages": MESSAGES}
    eventually("the model is called", lambda: gpt.http.post("/v1/chat/completions", json=body).is_success)
    refusal = {"status": 403, "json": {"error": {"code": None, "message": "Item not found"}}}
    model_server.script(completions=[refusal])
    assert gpt.http.post("/v1/chat/completions", json=body).status_code == 502
    eventually(
        "the agent asks",
        lambda: model_server.seen("/chat/completions")[-1]["body"]["messages"][0]["content"] == "ping",
    )

    model_server.script(completions=[refusal] * 5)
    for _ in range(5):
        assert gpt.http.post("/v1/chat/completions", json=body).status_code == 502

    assert not _unhealthy_components(gpt)
    assert gpt.http.post("/v1/chat/completions", json=body).is_success


def _unhealthy_components(agent: AgentProcess) -> list[dict[str, Any]]:
    components = agent.details().json()["components"]
    return [component for component in components if component["status"] == "unhealthy"]


def test_an_unknown_model_gets_the_list_of_models(echo: AgentProcess) -> None:
    """Status, code and param are those of OpenAI."""
    with pytest.raises(openai.NotFoundError, match="echo") as raised:
        make_client(echo.port).chat.completions.create(model="gpt-9", messages=MESSAGES)

    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{", 400, "invalid_json", None),
        (b"[]", 400, "invalid_json", None),
        (b'{"a": "\xff"}', 400, "invalid_json", None),
        (b"[" * 100_000, 400, "invalid_json", None),
        (b"{}", 400, "invalid_request", "messages"),
        (b'{"messages": []}', 400, "invalid_request", "messages"),
        (b'{"messages": [{"role": "king", "content": "x"}]}', 400, "invalid_request", "messages[0].role"),
        (b'{"messages": [{"role": "user", "content": "x"}], "model": 1}', 400, "invalid_request", "model"),
        (b'{"messages": [{"role": "user", "content": "x"}], "stream": 1}', 400, "invalid_request", "stream"),
        (b'"' + b"x" * MAX_BODY_BYTES + b'"', 413, "request_entity_too_large", None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_an_invalid_body_gets_openais_error(
    echo: AgentProcess, body: bytes, status: int, code: str, param: str
) -> None:
    """The error has a stable code, and `param` is the invalid field."""
    response = echo.http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})

    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
def test_web_pages_must_send_json(echo: AgentProcess, path: str) -> None:
    """Browsers send text/plain for any origin without a preflight. Such a page must not spend tokens."""
    chat = path == "/api/chat"
    body = b'{"message": "hi"}' if chat else b'{"model": "echo", "messages": [{"role": "user", "content": "hi"}]}'

    page = {"Content-Type": "text/plain", "Origin": "https://elsewhere.example.com"}
    refused = echo.http.post(path, content=body, headers=page)
    program = echo.http.post(path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert (refused.status_code, program.status_code) == (415, 200)
    assert "application/json" in refused.text


def test_a_client_that_disconnects_stops_the_model_call(gpt: AgentProcess, model_server: ModelServer) -> None:
    """The request counts with the status 499, like in nginx."""
    model_server.script(completions=[{"delay": 60}])

    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"http://127.0.0.1:{gpt.port}/v1/chat/completions", json={"messages": MESSAGES}, timeout=0.5)

    eventually("the model call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])
    metric = 'agent_requests_total{code="499",route="/v1/chat/completions"}'
    eventually("the request is counted", lambda: gpt.metrics().get(metric))

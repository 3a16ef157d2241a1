"""OpenAI's API, seen by OpenAI's own client."""

from typing import Any

import httpx2
import openai
import pytest

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
    openai_model,
)

KEY = CANARIES["OPENAI_API_KEY"]
SENT = "Wed, 21 Oct 2015 07:28:00 GMT"
SAY: Any = [{"role": "user", "content": USER_CANARY}]


def client(port: int) -> openai.OpenAI:
    """OpenAI's client of the agent, which does not try again."""
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="anything", max_retries=0)


@pytest.fixture(scope="module")
def echo(start_shared_agent: StartAgent) -> AgentProcess:
    """An agent that echoes."""
    return start_shared_agent(agent_toml(ECHO)).ready()


@pytest.fixture(scope="module")
def gpt(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent in front of the fake model's server."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server)), OPENAI_API_KEY=KEY).ready()


def test_echo_answers_the_openai_client(echo: AgentProcess) -> None:
    """The SDK parses the answer and every field that it knows is there."""
    completion = client(echo.port).chat.completions.create(model="echo", messages=SAY)

    assert completion.choices[0].message.content == USER_CANARY
    assert completion.choices[0].finish_reason == "stop"
    assert completion.object == "chat.completion"
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 0
    assert [model.id for model in client(echo.port).models.list()] == ["echo"]


def test_the_request_goes_upstream_with_the_prompt_first(gpt: AgentProcess, model_server: ModelServer) -> None:
    """The caller's parameters arrive unchanged, the model under its upstream name, the key in its header."""
    tools: Any = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]

    completion = client(gpt.port).chat.completions.create(
        model="gpt", messages=SAY, temperature=0.5, tools=tools, extra_body={"top_k": 3}
    )

    assert completion.choices[0].message.content == f"model: {USER_CANARY}"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 11
    (seen,) = model_server.seen("/chat/completions")
    assert seen["body"] == {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": PROMPT}, *SAY],
        "temperature": 0.5,
        "tools": tools,
        "top_k": 3,
    }
    assert seen["headers"]["authorization"] == f"Bearer {KEY}"
    assert seen["headers"]["user-agent"].startswith("agent-runtime/")


def test_a_server_without_keys_gets_none(start_agent: StartAgent, model_server: ModelServer) -> None:
    """With a base_url, OPENAI_API_KEY is not needed, and no invented key is sent."""
    agent = start_agent(agent_toml(openai_model(model_server))).ready()

    client(agent.port).chat.completions.create(model="gpt", messages=SAY)

    assert "authorization" not in model_server.seen("/chat/completions")[0]["headers"]


def test_the_callers_tool_calls_pass_through(gpt: AgentProcess, model_server: ModelServer) -> None:
    """A caller that brings its own tools gets the model's calls of them."""
    call = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    model_server.script(completions=[{"message": {"content": None, "tool_calls": [call]}}])

    choice = client(gpt.port).chat.completions.create(model="gpt", messages=SAY).choices[0]

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
        ({"status": 429, "headers": {"Date": SENT, "Retry-After": SENT.replace("28:00", "28:07")}},
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
    """Whatever the model's server does, the client gets OpenAI's error JSON with our code and none of its words."""
    metric = f'agent_model_errors_total{{model="gpt",reason="{code}"}}'
    before = gpt.metrics().get(metric, 0)
    # A call that succeeds closes the circuit breaker that the last case may have opened.
    eventually("the model is called", lambda: gpt.http.post("/v1/chat/completions", json={"messages": SAY}).is_success)
    model_server.script(completions=[step | {"always": True}])

    with pytest.raises(error) as raised:
        client(gpt.port).chat.completions.create(model="gpt", messages=SAY)

    assert raised.value.code == code
    assert isinstance(raised.value.body, dict)
    assert set(raised.value.body) == {"message", "type", "param", "code"}
    assert raised.value.response.headers["x-request-id"]
    if "Retry-After" in step.get("headers", {}):
        assert raised.value.response.headers["retry-after"] == "7"
    assert gpt.metrics()[metric] > before


def test_a_lasting_fault_shows_in_health_until_a_call_succeeds(gpt: AgentProcess, model_server: ModelServer) -> None:
    """A deployment that does not exist makes the model unhealthy though the server itself is well."""
    model_server.script(completions=[{"status": 404}])

    with pytest.raises(openai.InternalServerError):
        client(gpt.port).chat.completions.create(model="gpt", messages=SAY)
    eventually("the fault shows", lambda: "check deployment" in str(_unhealthy_components(gpt)))
    assert gpt.http.get("/health/ready").status_code == 200

    client(gpt.port).chat.completions.create(model="gpt", messages=SAY)
    eventually("healthy again", lambda: not _unhealthy_components(gpt))


def _unhealthy_components(agent: AgentProcess) -> list[dict[str, Any]]:
    return [one for one in agent.http.get("/health").json()["components"] if one["status"] == "unhealthy"]


def test_an_unknown_model_is_told_with_the_known_ones(echo: AgentProcess) -> None:
    """As with OpenAI: 404, model_not_found, param model."""
    with pytest.raises(openai.NotFoundError, match="echo") as raised:
        client(echo.port).chat.completions.create(model="gpt-9", messages=SAY)

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
        (b'"' + b"x" * 1024 * 1024 + b'"', 413, "request_entity_too_large", None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_bad_bodies_get_openais_error(echo: AgentProcess, body: bytes, status: int, code: str, param: str) -> None:
    """Malformed, mistyped or too large: OpenAI's error JSON with a stable code and the field at fault."""
    response = echo.http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})

    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
def test_pages_must_send_json(echo: AgentProcess, path: str) -> None:
    """A page of another origin can send text/plain without asking; it shall not make the agent spend tokens."""
    chat = path == "/api/chat"
    body = b'{"message": "hi"}' if chat else b'{"model": "echo", "messages": [{"role": "user", "content": "hi"}]}'

    page = {"Content-Type": "text/plain", "Origin": "https://elsewhere.example.com"}
    refused = echo.http.post(path, content=body, headers=page)
    program = echo.http.post(path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert (refused.status_code, program.status_code) == (415, 200)
    assert "application/json" in refused.text


def test_a_client_that_leaves_stops_the_upstream_call(gpt: AgentProcess, model_server: ModelServer) -> None:
    """The call of the model is cancelled, and counted as nginx counts it: 499."""
    model_server.script(completions=[{"delay": 60}])

    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"http://127.0.0.1:{gpt.port}/v1/chat/completions", json={"messages": SAY}, timeout=0.5)

    eventually("the upstream call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])
    metric = 'agent_requests_total{code="499",route="/v1/chat/completions"}'
    eventually("it is counted", lambda: gpt.metrics().get(metric))

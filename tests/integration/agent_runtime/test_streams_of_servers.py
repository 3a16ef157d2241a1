"""Streams of many kinds of servers over HTTP. The openai SDK, connected directly to the same server, is the oracle."""

import json
from typing import Any

import httpx2
import openai
import pytest

from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml, openai_model
from tests.integration.agent_runtime.openai_clients import sync_client
from tests.integration.agent_runtime.processes import ModelServer
from tests.integration.agent_runtime.test_streaming import parse_events
from tests.integration.agent_runtime.test_tools import stdio
from tests.polling import eventually
from tests.stream_cases import ACCEPTED, ERRORS, LENIENT, PLAIN, REFUSED, chunk, events

MESSAGES: Any = [{"role": "user", "content": "hi"}]
EVENTS = {"Accept": "text/event-stream"}
# What the choice with index 0 says in streams with other texts than PLAIN.
TEXT = "hi du ü€😀"
WITH_ADDITIONS = {"running totals": "hi xxdu ü€😀", "not a number": "hi xdu ü€😀", "unknown fields": "hi xdu ü€😀"}


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent whose default model is the fake model server, with tools."""
    toml = agent_toml(openai_model(shared_model_server), ECHO, memory=stdio("t"))
    agent = start_shared_agent(toml).ready()
    eventually("connected", lambda: agent.http.get("/health").json()["status"] == "healthy")
    return agent


def chunks_of(url: str, **options: Any) -> list[Any]:
    """Return the chunks that the openai SDK gets from a server."""
    with sync_client(f"{url}/v1") as client:
        request: Any = {"model": "gpt", "messages": MESSAGES, "stream": True, **options}
        return [chunk.to_dict(warnings=False) for chunk in client.chat.completions.create(**request)]


def with_choices(chunks: list[Any]) -> list[Any]:
    """Return the chunks that are not only usage or a ping."""
    return [one for one in chunks if one.get("choices")]


def chat(agent: AgentProcess, session: str = "", **headers: str) -> httpx2.Response:
    """Send a message, in a session if it is named."""
    body = {"message": "hi"} | ({"session_id": session} if session else {})
    return agent.http.post("/api/chat", json=body, headers=headers)


@pytest.mark.parametrize("name", ACCEPTED)
def test_callers_get_what_the_sdk_gets(agent: AgentProcess, model_server: ModelServer, name: str) -> None:
    """Unchanged. Through the agent's tool loop they get the same choices, and then the sum of the usage."""
    model_server.script(completions=[{"raw": ACCEPTED[name], "always": True}])
    function = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    options: Any = {"stream_options": {"include_usage": True}}
    direct = json.loads(json.dumps(chunks_of(model_server.url)).replace("NaN", "null").replace("-Infinity", "null"))

    url = f"http://127.0.0.1:{agent.port}"
    assert chunks_of(url, tools=[function], **options) == direct
    if name != "tool calls of other types":
        assert with_choices(chunks_of(url, **options)) == with_choices(direct)


@pytest.mark.parametrize("name", [*ACCEPTED, *LENIENT])
def test_the_chat_api_gives_the_text_and_stores_it(agent: AgentProcess, model_server: ModelServer, name: str) -> None:
    """Only the stream without a finish reason and without [DONE] may be incomplete."""
    model_server.script(completions=[{"raw": (ACCEPTED | LENIENT)[name]}])
    session = "".join(filter(str.isalnum, name))

    *deltas, (kind, data) = parse_events(chat(agent, session, **EVENTS).text)

    assert "".join(delta["text"] for _, delta in deltas) == WITH_ADDITIONS.get(name, TEXT)
    assert (kind, data["finish_reason"]) == ("done", "stop") if name != "no finish reason" else ("done", None)
    assert agent.http.get(f"/api/sessions/{session}").status_code == 200


def test_a_stream_that_may_be_incomplete_is_not_stored(agent: AgentProcess, model_server: ModelServer) -> None:
    """Callers of /v1 see that the finish reason is missing."""
    step = {"raw": events(chunk({"content": "half"}), end=""), "always": True}
    model_server.script(completions=[step])

    kind, problem = parse_events(chat(agent, "half", **EVENTS).text)[-1]

    assert (kind, problem["code"]) == ("error", "model_bad_response")
    assert agent.http.get("/api/sessions/half").status_code == 404
    assert len(chunks_of(f"http://127.0.0.1:{agent.port}")) == 1


@pytest.mark.parametrize("name", [*REFUSED, *ERRORS])
def test_an_error_in_a_stream_fails_the_call(agent: AgentProcess, model_server: ModelServer, name: str) -> None:
    model_server.script(completions=[{"raw": (REFUSED | ERRORS)[name]}, {"raw": (REFUSED | ERRORS)[name]}])

    with pytest.raises(openai.APIError):
        chunks_of(f"http://127.0.0.1:{agent.port}")
    kind, problem = parse_events(chat(agent, "failed", **EVENTS).text)[-1]

    assert kind == "error"
    assert "secret" not in str(problem)
    assert agent.http.get("/api/sessions/failed").status_code == 404
    # Close the circuit breaker for the next test.
    model_server.reset()
    chat(agent)


@pytest.mark.parametrize(
    ("text", "reason", "stored"),
    [
        ("half", "length", False),
        ("", "content_filter", False),
        ("half", "content_filter", False),
        ("", "stop", False),
        (" \n", "stop", False),
        ("whole", "stop", True),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_finish_reasons_are_reported_and_only_whole_answers_are_stored(
    agent: AgentProcess, model_server: ModelServer, text: str, reason: str, stored: bool, streamed: bool
) -> None:
    """An empty assistant turn makes strict servers refuse every later request of the session."""
    whole = json.loads(chunk(reason=reason).replace('"delta": null', '"message": {}'))
    whole["choices"][0]["message"] = {"role": "assistant", "content": text or None}
    step = {"raw": events(chunk({"content": text}), chunk({}, reason))} if streamed else {"json": whole}
    model_server.script(completions=[step])
    session = f"{reason}-{len(text)}-{streamed}"

    response = chat(agent, session, **(EVENTS if streamed else {}))

    data = parse_events(response.text)[-1][1] if streamed else response.json()
    assert data["finish_reason"] == reason
    chat(agent, session)
    sent = model_server.seen("/chat/completions")[-1]["body"]["messages"]
    assert [message["content"] for message in sent[1:]] == (["hi", text, "hi"] if stored else ["hi"])


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
def test_a2a_reports_the_finish_reason(agent: AgentProcess, model_server: ModelServer, reason: str) -> None:
    """As metadata of the task. If the answer is cut, the status says why."""
    model_server.script(completions=[{"raw": events(chunk({"content": "x"}), chunk({}, reason))}])
    message = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
    call = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": {"message": message}}

    streamed = [data["result"] for _, data in parse_events(agent.http.post("/a2a", json=call).text)]

    task, last = streamed[0]["task"], streamed[-1]["statusUpdate"]
    assert last["status"]["state"] == "TASK_STATE_COMPLETED"
    assert last["metadata"] == {"finish_reason": reason}
    assert ("message" in last["status"]) == (reason != "stop")
    call = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"id": task["id"]}}
    assert agent.http.post("/a2a", json=call).json()["result"]["metadata"] == {"finish_reason": reason}


@pytest.mark.parametrize("refused", [["stream_options"], ["stream"], ["stream_options", "stream"]])
def test_a_server_that_refuses_to_stream_is_asked_again(
    start_agent: StartAgent, model_server: ModelServer, refused: list[str]
) -> None:
    """And later calls begin with what worked."""
    agent = start_agent(agent_toml(openai_model(model_server))).ready()
    model_server.script(completions=[{"refuse": refused, "always": True}])

    for _ in range(2):
        *deltas, (kind, data) = parse_events(chat(agent, **EVENTS).text)
        assert "".join(delta["text"] for _, delta in deltas) == "model: hi"
        assert (kind, data["finish_reason"]) == ("done", "stop")

    sent = [request["body"].get("stream") for request in model_server.seen("/chat/completions")]
    works = None if "stream" in refused else True
    assert sent[-2:] == [works, works]
    assert len(sent) == 2 + 1 + ("stream" in refused)


def test_a_server_that_ignores_stream_is_understood(agent: AgentProcess, model_server: ModelServer) -> None:
    """It sends one JSON object."""
    whole = json.loads(chunk(reason="stop"))
    whole["choices"][0]["message"] = {"role": "assistant", "content": "whole"}
    model_server.script(completions=[{"json": whole}])

    assert parse_events(chat(agent, **EVENTS).text)[0] == ("delta", {"text": "whole"})


def test_a_streamed_tool_call_goes_back_with_its_signature(agent: AgentProcess, model_server: ModelServer) -> None:
    """Gemini and DeepSeek refuse the next round without it."""
    signature = {"google": {"thought_signature": "abc"}}
    function = {"name": "t__add", "arguments": '{"a": 1, "b": 2}'}
    call = {"index": 0, "id": "1", "type": "function", "function": function, "extra_content": signature}
    parts = [{"reasoning_content": "I "}, {"reasoning_content": "add"}, {"tool_calls": [call]}]
    model_server.script(completions=[{"raw": events(*map(chunk, parts), chunk({}, "tool_calls"))}])

    text = "".join(data.get("text", "") for _, data in parse_events(chat(agent, **EVENTS).text))

    assert text == "model: 3"
    sent = model_server.seen("/chat/completions")[-1]["body"]["messages"][2]
    assert sent["reasoning_content"] == "I add"
    assert sent["tool_calls"][0]["extra_content"] == signature


def test_the_prompt_and_a_system_message_become_one(agent: AgentProcess, model_server: ModelServer) -> None:
    """The templates of several models accept only one, and only first."""
    system: Any = [{"role": "system", "content": "Be brief."}]

    agent.http.post("/v1/chat/completions", json={"messages": [*system, *MESSAGES, *system]})

    sent = model_server.seen("/chat/completions")[-1]["body"]["messages"]
    assert [message["role"] for message in sent] == ["system", "user"]
    assert sent[0]["content"].endswith("\n\nBe brief.\n\nBe brief.")


def test_running_totals_and_abandoned_streams_count_once(start_agent: StartAgent, model_server: ModelServer) -> None:
    """The budget of 1000 tokens survives a stream that reports 110 tokens in 20 chunks, but not callers who leave."""
    agent = start_agent(
        agent_toml(openai_model(model_server), memory="[agent.budget]\ntokens_per_day = 1000\n")
    ).ready()
    totals = [{"prompt_tokens": 10, "completion_tokens": 5 * n, "total_tokens": 10 + 5 * n} for n in range(1, 21)]
    raw = events(*(chunk({"content": "x"}, usage=total) for total in totals), chunk({}, "stop", usage=totals[-1]))
    model_server.script(completions=[{"raw": raw}])

    chat(agent, **EVENTS)

    counted = [value for name, value in agent.metrics().items() if name.startswith("agent_tokens_total")]
    assert sum(counted) == 110

    raw = events(*[chunk({"content": "word "})] * 300, end="")
    model_server.script(completions=[{"raw": raw, "always": True}])
    body = {"messages": MESSAGES, "stream": True}
    for _ in range(4):
        with agent.http.stream("POST", "/v1/chat/completions", json=body) as response:
            if response.status_code == 429:
                break
            lines = response.iter_lines()
            for _ in range(599):
                next(lines)
    eventually("the budget is used up", lambda: chat(agent).status_code == 429)


def test_plain_streams_still_work(agent: AgentProcess, model_server: ModelServer) -> None:
    """The breaker is closed after the tests of this module."""
    model_server.script(completions=[{"raw": PLAIN}])

    assert len(chunks_of(f"http://127.0.0.1:{agent.port}")) == 3

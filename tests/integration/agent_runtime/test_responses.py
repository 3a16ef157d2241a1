"""The Responses API over HTTP, through OpenAI's client."""

import json
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel

from tests.integration.agent_runtime.conftest import (
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
from tests.integration.agent_runtime.test_tools import call, calling, stdio
from tests.polling import eventually
from tests.stream_cases import chunk, events

KEYS = ("key-of-one", "key-of-two")
TOOL: Any = {"type": "function", "name": "now", "description": "d", "parameters": {"type": "object"}, "strict": True}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture(scope="module")
def agent(
    start_shared_agent: StartAgent, shared_model_server: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> AgentProcess:
    """An agent with tools, and with two callers."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("\n".join(KEYS))
    server = f'[agent.server]\napi_keys_file = "{keys}"\n'
    agent = start_shared_agent(agent_toml(openai_model(shared_model_server), ECHO, memory=server + stdio("t"))).ready()
    eventually("connected", lambda: agent.http.get("/health").json()["status"] == "healthy")
    return agent


def connect(agent: AgentProcess, key: str) -> Any:
    """Return OpenAI's client for a caller, without retries."""
    return sync_client(f"http://127.0.0.1:{agent.port}/v1", key)


@pytest.fixture
def client(agent: AgentProcess, model_server: ModelServer) -> Any:
    """The first caller."""
    return connect(agent, KEYS[0])


def sent(model_server: ModelServer, number: int = -1) -> Any:
    """Return the body of a request to the model."""
    return model_server.seen("/chat/completions")[number]["body"]


def test_a_response_has_text_usage_and_model(client: Any, model_server: ModelServer) -> None:
    """The instructions follow the agent's prompt, in the same message."""
    response = client.responses.create(model="gpt", input="hi", instructions="Be brief.", metadata={"a": "b"})

    assert response.output_text == "model: hi"
    assert (response.status, response.model, response.object) == ("completed", "gpt-4o-2026-01-01", "response")
    assert response.usage.model_dump()["output_tokens_details"]["reasoning_tokens"] == 0
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (11, 3, 14)
    assert (response.metadata, response.instructions) == ({"a": "b"}, "Be brief.")
    assert sent(model_server)["messages"] == [
        {"role": "system", "content": f"{PROMPT}\n\nBe brief."},
        {"role": "user", "content": "hi"},
    ]


def test_a_stream_has_the_events_of_openai(client: Any, model_server: ModelServer) -> None:
    """In their order, with consecutive numbers. The helper of the client assembles the same response."""
    found = list(client.responses.create(model="gpt", input="hi", stream=True))

    assert [event.sequence_number for event in found] == list(range(len(found)))
    kinds = [event.type for event in found]
    assert kinds[:4] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
    ]  # fmt: skip
    assert set(kinds[4:-4]) == {"response.output_text.delta"}
    assert kinds[-4:] == [
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
    ]  # fmt: skip
    assert found[-1].response.output_text == "model: hi"
    assert found[-1].response.usage.total_tokens == 14
    with client.responses.stream(model="gpt", input="hi") as stream:
        assert stream.get_final_response().output_text == "model: hi"


@pytest.mark.parametrize("stream", [True, False])
def test_a_conversation_continues_from_any_response(client: Any, model_server: ModelServer, stream: bool) -> None:
    """A later response does not change an earlier one. Instructions are not kept."""

    def respond(message: str, previous: str | None = None, **more: Any) -> Any:
        request: Any = {"model": "gpt", "input": message, "previous_response_id": previous, **more}
        if stream:
            return list(client.responses.create(stream=True, **request))[-1].response
        return client.responses.create(**request)

    first = respond("one", instructions="Shout.")
    second = respond("two", first.id)
    third = respond("three", first.id)

    assert first.id != second.id != third.id
    assert third.previous_response_id == first.id
    contents = [[message["content"] for message in sent(model_server, n)["messages"][1:]] for n in (-2, -1)]
    assert contents == [["one", "model: one", "two"], ["one", "model: one", "three"]]
    assert sent(model_server)["messages"][0]["content"] == PROMPT


def test_a_response_belongs_to_its_caller(agent: AgentProcess, client: Any) -> None:
    """Others cannot show, continue or delete it."""
    response = client.responses.create(model="gpt", input="hi")
    other = connect(agent, KEYS[1])

    with pytest.raises(openai.NotFoundError):
        other.responses.retrieve(response.id)
    with pytest.raises(openai.NotFoundError):
        other.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError) as raised:
        other.responses.create(model="gpt", input="hi", previous_response_id=response.id)
    assert (raised.value.code, raised.value.param) == ("previous_response_not_found", "previous_response_id")

    shown = client.responses.retrieve(response.id)
    assert shown.output_text == response.output_text
    assert shown.usage == response.usage
    assert shown.output[0].id == response.output[0].id
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_store_false_keeps_nothing(client: Any) -> None:
    response = client.responses.create(model="gpt", input="hi", store=False)

    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("stored", [True, False])
def test_calls_of_the_callers_tools_come_back(
    client: Any, model_server: ModelServer, stream: bool, stored: bool
) -> None:
    """By the id of the response, or with all items. Thought signatures and reasoning come back, too."""
    signature = {"google": {"thought_signature": "abc"}}
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": "now", "arguments": '{"a": 1}'},
         "extra_content": signature} for n in range(2)
    ]  # fmt: skip
    message = {"content": None, "reasoning_content": "I think", "tool_calls": calls}
    parts: list[Any] = [{"reasoning_content": "I "}, {"reasoning_content": "think"}]
    parts += [{"tool_calls": [one | {"index": n}]} for n, one in enumerate(calls)]
    raw = events(*map(chunk, parts), chunk({}, "tool_calls"))
    model_server.script(completions=[{"raw": raw} if stream else {"message": message}])
    request: Any = {"model": "gpt", "input": [{"role": "user", "content": "time?"}], "tools": [TOOL]}
    choice: Any = {"type": "function", "name": "now"}

    if stream:
        with client.responses.stream(tool_choice=choice, **request) as helper:
            first = helper.get_final_response()
    else:
        first = client.responses.create(tool_choice=choice, **request)
    outputs: Any = [{"type": "function_call_output", "call_id": f"call_{n}", "output": "noon"} for n in range(2)]
    if stored:
        follow: Any = {"previous_response_id": first.id, "input": outputs}
    else:
        follow = {"input": [*request["input"], *first.output, *outputs]}
    last = client.responses.create(**(request | follow))

    assert [item.type for item in first.output] == ["reasoning", "function_call", "function_call"]
    assert [item.call_id for item in first.output[1:]] == ["call_0", "call_1"]
    assert last.output_text == "model: noon"
    body = sent(model_server, 0)
    assert body["tools"][0]["function"] == {key: TOOL[key] for key in ("name", "description", "parameters", "strict")}
    assert body["tool_choice"] == {"type": "function", "function": {"name": "now"}}
    answer, *results = sent(model_server)["messages"][2:]
    assert (answer["tool_calls"], answer["reasoning_content"]) == (calls, "I think")
    assert [result["tool_call_id"] for result in results] == ["call_0", "call_1"]


@pytest.mark.parametrize("stream", [True, False])
def test_the_agents_own_tools_run_in_the_agent(client: Any, model_server: ModelServer, stream: bool) -> None:
    """The caller gets the answer only."""
    function = {"name": "t__add", "arguments": '{"a": 1, "b": 2}'}
    raw = events(chunk({"tool_calls": [{"index": 0, "id": "1", "function": function}]}), chunk({}, "tool_calls"))
    model_server.script(completions=[{"raw": raw} if stream else calling(call("t__add", a=1, b=2))])

    if stream:
        with client.responses.stream(model="gpt", input="1 + 2?") as helper:
            response = helper.get_final_response()
    else:
        response = client.responses.create(model="gpt", input="1 + 2?")

    assert response.output_text == "model: 3"
    assert [item.type for item in response.output] == ["message"]


def test_images_and_parts_reach_the_model(client: Any, model_server: ModelServer) -> None:
    parts: Any = [
        {"type": "input_text", "text": "what?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
    ]

    client.responses.create(model="echo", input=[{"role": "user", "content": parts}])
    client.responses.create(model="gpt", input=[{"role": "user", "content": parts}], max_output_tokens=5, temperature=0)

    body = sent(model_server)
    assert body["messages"][1]["content"] == [
        {"type": "text", "text": "what?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]
    assert (body["max_completion_tokens"], body["temperature"]) == (5, 0)
    assert "input" not in body


class City(BaseModel):
    """A city."""

    name: str


def test_structured_output(client: Any, model_server: ModelServer) -> None:
    """The schema reaches the model, and the client parses the answer."""
    model_server.script(completions=[{"message": {"content": '{"name": "Ulm"}'}}])

    response = client.responses.parse(model="gpt", input="Ulm?", text_format=City)

    assert response.output_parsed == City(name="Ulm")
    found = sent(model_server)["response_format"]
    assert found["json_schema"]["schema"]["required"] == ["name"]
    assert found["json_schema"]["name"] == "City"


@pytest.mark.parametrize(
    ("reason", "expected"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_cut_answer_is_incomplete_and_not_stored(
    client: Any, model_server: ModelServer, reason: str, expected: str, stream: bool
) -> None:
    whole = json.loads(chunk(reason=reason))
    whole["choices"][0]["message"] = {"role": "assistant", "content": "half"}
    raw = events(chunk({"content": "half"}), chunk({}, reason))
    model_server.script(completions=[{"raw": raw} if stream else {"json": whole}])

    if stream:
        last: Any = list(client.responses.create(model="gpt", input="hi", stream=True))[-1]
        assert last.type == "response.incomplete"
        response = last.response
    else:
        response = client.responses.create(model="gpt", input="hi")

    assert (response.status, response.incomplete_details.reason) == ("incomplete", expected)
    assert response.output_text == "half"
    assert response.to_dict()["store"] is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_a_huge_answer_is_not_stored(client: Any, model_server: ModelServer) -> None:
    """It would fill the memory of sessions, and no model could read it."""
    model_server.script(completions=[{"message": {"content": "x" * 1_100_000}}])

    response = client.responses.create(model="gpt", input="hi")

    assert len(response.output_text) == 1_100_000
    assert response.to_dict()["store"] is False


@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_is_a_part(client: Any, model_server: ModelServer, stream: bool) -> None:
    raw = events(chunk({"refusal": "No"}), chunk({"refusal": "."}), chunk({}, "stop"))
    model_server.script(completions=[{"raw": raw} if stream else {"message": {"content": None, "refusal": "No."}}])

    if stream:
        with client.responses.stream(model="gpt", input="hi") as helper:
            response = helper.get_final_response()
    else:
        response = client.responses.create(model="gpt", input="hi")

    assert response.output[0].content[0].model_dump()["refusal"] == "No."


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("step", "error"),
    [
        ({"status": 400, "json": {"error": {"code": "content_filter", "message": PROMPT}}}, openai.BadRequestError),
        ({"status": 429, "headers": {"Retry-After": "30"}}, openai.RateLimitError),
        ({"text": "<html>"}, openai.InternalServerError),
    ],
)
def test_errors_have_the_clients_types(
    client: Any, model_server: ModelServer, step: dict[str, Any], error: type[Exception], stream: bool
) -> None:
    model_server.script(completions=[step | {"always": True}])

    with pytest.raises(error):
        client.responses.create(model="gpt", input="hi", stream=stream)

    # Close the circuit breaker.
    model_server.reset()
    client.responses.create(model="gpt", input="hi")


@pytest.mark.parametrize(
    "end", ['{"error": {"message": "secret words"}}', "[DONE", json.dumps({"choices": None}) + "\n\ndata: x"]
)
def test_a_stream_that_breaks_off_is_an_error(client: Any, model_server: ModelServer, end: str) -> None:
    """Raw clients see response.failed and error. Nothing is stored."""
    model_server.script(completions=[{"raw": events(chunk({"content": "half"}), end, end="")}])
    kinds: list[str] = []

    with pytest.raises(openai.APIError, match=r"gpt: ") as raised:
        kinds.extend(event.type for event in client.responses.create(model="gpt", input="hi", stream=True))

    assert "secret" not in str(raised.value)
    assert kinds[-1] == "response.failed"
    client.responses.create(model="gpt", input="hi")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": [5]}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"input": [{"type": ["x"]}]}, "input[0].type"),
        ({"input": [{"role": "king", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": ["user"], "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "x"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": []}]}]}, "input[0].content[0]"),
        ({"input": [{"type": "function_call", "call_id": "x"}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": "x", "tools": [{"type": "function", "name": 5}]}, "tools[0].name"),
        ({"input": "x", "tools": [TOOL], "tool_choice": {"type": "mcp"}}, "tool_choice.type"),
        ({"input": "x", "text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"input": "x", "conversation": "conv_1"}, "conversation"),
        ({"input": "x", "background": True}, "background"),
        ({"input": "x", "max_output_tokens": 0}, "max_output_tokens"),
        ({"input": "x", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "x", "model": "none"}, "model"),
    ],
)
def test_an_invalid_request_names_the_field(agent: AgentProcess, fields: dict[str, Any], param: str) -> None:
    headers = {"Authorization": f"Bearer {KEYS[0]}"}

    response = agent.http.post("/v1/responses", json=fields, headers=headers)

    assert response.status_code in {400, 404}, response.text
    assert response.json()["error"]["param"].startswith(param)


def test_a_request_needs_a_key_and_counts(agent: AgentProcess) -> None:
    """Metrics name the route, not the id."""
    assert agent.http.post("/v1/responses", json={"input": USER_CANARY}).status_code == 401
    assert httpx2.get(f"http://127.0.0.1:{agent.port}/v1/responses/resp_1").status_code == 401

    assert agent.metrics()['agent_requests_total{code="401",route="/v1/responses/{id}"}'] >= 1


def test_a_model_is_shown(client: Any) -> None:
    assert client.models.retrieve("gpt").id == "gpt"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")


@pytest.mark.parametrize(
    "huge",
    [
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": PIXEL + "A" * 1_100_000}]}]},
        {"metadata": {"a": "b" * 1_100_000}},
        {"tools": [TOOL | {"description": "d" * 1_100_000}]},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_turn_of_more_than_1_mib_is_not_stored(agent: AgentProcess, client: Any, huge: Any) -> None:
    """The input and what the response repeats count, too."""
    first = client.responses.create(model="gpt", input="hi")
    body = {"model": "gpt", "input": "hi", "previous_response_id": first.id} | huge
    headers = {"Authorization": f"Bearer {KEYS[0]}"}

    response = agent.http.post("/v1/responses", json=body, headers=headers)

    assert (response.status_code, response.json()["store"]) == (200, False)
    assert agent.http.get(f"/v1/responses/{response.json()['id']}", headers=headers).status_code == 404
    assert client.responses.retrieve(first.id).id == first.id

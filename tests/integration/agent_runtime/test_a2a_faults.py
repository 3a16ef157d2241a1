"""A2A: invalid calls, clients that disconnect, and API keys."""

import json
import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.integration.agent_runtime.conftest import (
    ECHO,
    USER_CANARY,
    AgentProcess,
    StartAgent,
    agent_toml,
    openai_model,
)
from tests.integration.agent_runtime.processes import ModelServer
from tests.integration.agent_runtime.test_a2a import fetch_card
from tests.polling import eventually


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent whose model is the fake model server."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server))).ready()


def call(method: Any, params: Any = None, **fields: Any) -> dict[str, Any]:
    """Return the body of a JSON-RPC call."""
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}} | fields


MESSAGE = {"messageId": "1", "role": "ROLE_USER", "parts": [{"text": USER_CANARY}]}


@pytest.mark.parametrize(
    ("body", "code", "about"),
    [
        (b"{", -32700, "JSON"),
        (b"\xff", -32700, "JSON"),
        ([call("GetTask")], -32600, "one JSON-RPC object"),
        ({"id": 7, "method": "GetTask"}, -32600, "jsonrpc"),
        (call(5), -32600, "method"),
        (call("GetTask", id=True), -32600, "id"),
        (call("GetTask", params=[1]), -32600, "params"),
        (call("Nothing"), -32601, "method"),
        (call("GetTask"), -32602, "params.id"),
        (call("SendMessage"), -32602, "params.message"),
        (call("SendMessage", {"message": MESSAGE | {"parts": []}}), -32602, "params.message.parts"),
        (call("SendMessage", {"message": MESSAGE | {"parts": [{"text": " "}]}}), -32602, "params.message.parts"),
        (call("SendMessage", {"message": MESSAGE | {"contextId": "x\n"}}), -32602, "params.message.contextId"),
        (call("message/send", {"message": MESSAGE | {"parts": [{"kind": "file"}]}}), -32005, "text"),
        (call("ListTasks"), -32004, "list tasks"),
        (call("tasks/pushNotificationConfig/set"), -32003, "push"),
        (call("CreateTaskPushNotificationConfig"), -32003, "push"),
    ],
)
def test_an_invalid_call_gets_a_json_rpc_error(agent: AgentProcess, body: Any, code: int, about: str) -> None:
    """The message names what is wrong and quotes nothing of the call."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    response = agent.http.post("/a2a", content=content, headers={"Content-Type": "application/json"})

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (200, code)
    assert about in error["message"]
    assert USER_CANARY not in response.text


def test_an_invalid_http_request_is_refused(agent: AgentProcess) -> None:
    """A wrong content type, a huge body, an unsupported version and the method GET."""
    text = agent.http.post("/a2a", content=json.dumps(call("GetTask")), headers={"Content-Type": "text/plain"})
    huge = agent.http.post("/a2a", json=call("SendMessage", {"message": "x" * 11 * 1024 * 1024}))
    future = agent.http.post("/a2a", json=call("GetTask"), headers={"A2A-Version": "2.0"})

    assert (text.status_code, text.json()["error"]["code"]) == (415, -32600)
    assert (huge.status_code, huge.json()["error"]["code"]) == (413, -32600)
    assert (future.status_code, future.json()["error"]["code"]) == (200, -32009)
    assert future.json()["id"] == 7
    assert agent.http.get("/a2a").status_code == 405


def test_a_client_that_disconnects_before_the_answer_stops_the_model_call(
    agent: AgentProcess, model_server: ModelServer
) -> None:
    """The client never got the id of the task, so it cannot fetch the answer later."""
    model_server.script(completions=[{"step_by_step": True}])

    with pytest.raises(httpx2.ReadTimeout):
        agent.http.post("/a2a", json=call("SendMessage", {"message": MESSAGE}), timeout=0.5)

    eventually("the model call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])


def test_clients_that_abort_a_stream_leak_nothing(start_agent: StartAgent) -> None:
    """No file stays open, no request stays in flight, and no error is logged."""
    body = json.dumps(call("SendStreamingMessage", {"message": MESSAGE})).encode()
    head = f"POST /a2a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    agent = start_agent(agent_toml(ECHO)).ready()
    files = Path(f"/proc/{agent.process.pid}/fd")
    agent.http.get("/health/live")
    before = len(list(files.iterdir()))

    for number in range(200):
        with socket.create_connection(("127.0.0.1", agent.port)) as connection:
            connection.sendall(head.encode() + body)
            if number % 2:
                connection.recv(1)

    eventually("no request is in flight", lambda: agent.metrics()["agent_inflight_requests"] == 0)
    eventually("the files are closed", lambda: len(list(files.iterdir())) <= before)
    assert not [line for line in agent.log() if line["level"] == "ERROR"]


def test_tasks_in_the_background_count_against_the_limit(start_agent: StartAgent, model_server: ModelServer) -> None:
    """max_concurrent_requests limits running tasks. The end of a task makes room for another."""
    limits = "[agent.limits]\nmax_concurrent_requests = 1\n"
    agent = start_agent(agent_toml(openai_model(model_server)) + limits).ready()
    model_server.script(completions=[{"step_by_step": True}])
    body = call("SendMessage", {"message": MESSAGE, "configuration": {"returnImmediately": True}})

    first, second = (agent.http.post("/a2a", json=body) for _ in range(2))
    task = first.json()["result"]["task"]["id"]
    agent.http.post("/a2a", json=call("CancelTask", {"id": task})).raise_for_status()

    assert (second.status_code, second.json()["code"], second.headers["retry-after"]) == (503, "overloaded", "1")
    assert agent.http.post("/a2a", json=body).status_code == 200


async def test_a_task_is_visible_only_with_its_api_key(start_agent: StartAgent, tmp_path: Any) -> None:
    """The card declares the key. Without a key every call is refused, and with another key the task is not found."""
    (tmp_path / "keys").write_text("key-one\nkey-two\n")
    agent = start_agent(agent_toml(ECHO) + f'[agent.server]\napi_keys_file = "{tmp_path / "keys"}"\n').ready()
    headers = [{"Authorization": f"Bearer {key}"} for key in ("key-one", "key-two")]

    card = await fetch_card(agent)
    task = agent.http.post("/a2a", json=call("SendMessage", {"message": MESSAGE}), headers=headers[0]).json()
    mine, other = (
        agent.http.post("/a2a", json=call("GetTask", {"id": task["result"]["task"]["id"]}), headers=header).json()
        for header in headers
    )

    assert card.security_schemes["apiKey"].http_auth_security_scheme.scheme == "bearer"
    assert "apiKey" in card.security_requirements[0].schemes
    assert agent.http.post("/a2a", json=call("GetTask", {"id": "x"})).status_code == 401
    assert mine["result"] == task["result"]["task"]
    assert other["error"]["code"] == -32001

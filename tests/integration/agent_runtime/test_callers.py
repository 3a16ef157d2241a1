"""Callers of an agent behind a proxy: their addresses, the size of their bodies, and the ids of their sessions."""

import base64
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from agent_runtime.http.limits import MAX_BODIES_BYTES
from tests.integration.agent_runtime.conftest import AgentProcess, StartAgent, agent_toml, openai_model
from tests.integration.agent_runtime.processes import ModelServer
from tests.patience import DEADLINE
from tests.polling import eventually

LIMIT = 2 * 1024 * 1024
KEYS = ("key-of-caller-one", "key-of-caller-two")
TEAMS = "19:f2c4@thread.v2;messageid=1700000000000"


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent that trusts the proxies of the loopback network, and limits the requests of each client."""
    tables = (
        '[agent.server]\ntrusted_proxies = ["127.0.0.0/8", "10.0.0.0/8"]\n'
        f"[agent.limits]\nrequests_per_minute = 3\nmax_body_bytes = {LIMIT}\n"
    )
    return start_shared_agent(agent_toml(openai_model(shared_model_server), memory=tables)).ready()


@pytest.fixture(scope="module")
def keyed(start_shared_agent: StartAgent, shared_model_server: ModelServer, tmp_path_factory: Any) -> AgentProcess:
    """An agent with the default limits that requires an API key."""
    keys: Path = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("\n".join(KEYS))
    table = f'[agent.server]\napi_keys_file = "{keys}"'
    return start_shared_agent(agent_toml(openai_model(shared_model_server), memory=table)).ready()


def forwarded(address: str) -> dict[str, str]:
    """Return the header that a proxy sends for a client."""
    return {"X-Forwarded-For": address}


def test_each_client_behind_the_proxy_has_its_own_rate(agent: AgentProcess) -> None:
    """A client cannot change its bucket: the proxy appends the address, and the log has the same one."""

    def statuses(*addresses: str) -> list[int]:
        return [agent.http.get("/v1/models", headers=forwarded(address)).status_code for address in addresses]

    assert statuses(*["203.0.113.1"] * 4) == [200, 200, 200, 429]
    assert statuses("203.0.113.2", "198.51.100.9, 203.0.113.2", "9.9.9.9, 203.0.113.2, 10.1.1.1", "203.0.113.2") == [
        *(200, 200, 200, 429)
    ]
    assert statuses(*(f"2001:db8::{number}" for number in range(1, 5))) == [200, 200, 200, 429]
    assert {record["client"] for record in agent.log("request")} >= {"203.0.113.1", "203.0.113.2", "2001:db8::4"}


def picture(size: int) -> dict[str, Any]:
    """Return a chat completion request with a picture of this size."""
    url = f"data:image/png;base64,{base64.b64encode(bytes(size)).decode()}"
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/a2a", "/api/chat"])
def test_a_body_may_have_exactly_the_configured_size(agent: AgentProcess, model_server: ModelServer, path: str) -> None:
    """One byte more is a 413 that names the limit, with and without a Content-Length."""
    headers = {"Content-Type": "application/json"} | forwarded(f"192.0.2.{len(path)}")

    fits = agent.http.post(path, content=b" " * (LIMIT - 2) + b"{}", headers=headers)
    refused = agent.http.post(path, content=b" " * (LIMIT - 1) + b"{}", headers=headers)
    headers = {"Content-Type": "application/json"} | forwarded(f"192.0.2.{100 + len(path)}")
    chunked = agent.http.post(path, content=iter([b" " * LIMIT, b"{}"]), headers=headers)

    assert fits.status_code != 413
    assert (refused.status_code, chunked.status_code) == (413, 413)
    assert str(LIMIT) in refused.text
    assert "maxBodyBytes" in refused.text


def test_a_picture_reaches_the_model_with_the_default_limit(keyed: AgentProcess, model_server: ModelServer) -> None:
    """It has 0.9 MB, and so 1.2 MB as a data URL."""
    model_server.script(completions=[{"json": {"choices": [{"message": {"content": "a cat"}}]}}])
    sent = picture(900_000)

    answer = keyed.http.post("/v1/chat/completions", json=sent, headers={"Authorization": f"Bearer {KEYS[0]}"})

    assert answer.status_code == 200, answer.text
    assert model_server.seen("/chat/completions")[0]["body"]["messages"][-1] == sent["messages"][0]


def test_the_memory_of_large_bodies_is_limited(keyed: AgentProcess) -> None:
    """Bodies that do not end reserve memory only as they arrive. The others get a 503, and small ones are answered."""
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEYS[0]}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {9 << 20}\r\n\r\n"
    ).encode()
    connections = [socket.create_connection(("127.0.0.1", keyed.port), DEADLINE) for _ in range(10)]
    assert len(connections) * (8 << 20) > MAX_BODIES_BYTES
    try:
        for connection in connections:
            connection.sendall(head + b" " * (8 << 20))
        eventually("a large body is refused", lambda: [one for one in keyed.log("request") if one["status"] == 503])
        small = keyed.http.get("/v1/models", headers={"Authorization": f"Bearer {KEYS[0]}"})
        assert small.status_code == 200
    finally:
        for connection in connections:
            connection.close()

    def accepts() -> bool:
        body = b" " * (8 << 20) + b'{"messages": []}'
        headers = {"Authorization": f"Bearer {KEYS[0]}", "Content-Type": "application/json"}
        return keyed.http.post("/v1/chat/completions", content=body, headers=headers).status_code == 400

    eventually("the memory is free again", accepts)


@pytest.mark.parametrize(
    "session_id", [TEAMS, "me@example.com", "a/b/../c", "日本語 👩‍👩‍👧", "é" * 128, "100%?#&", "{x}"]
)
def test_any_text_is_the_id_of_a_session(keyed: AgentProcess, model_server: ModelServer, session_id: str) -> None:
    """It continues, is shown and is deleted with it. Another caller does not see it, and the log does not have it."""
    one, two = ({"Authorization": f"Bearer {key}"} for key in KEYS)
    path = f"/api/sessions/{quote(session_id, safe='')}"

    answers = [
        keyed.http.post("/api/chat", json={"message": text, "session_id": session_id}, headers=one).json()
        for text in ("one", "two")
    ]
    shown, hidden = keyed.http.get(path, headers=one), keyed.http.get(path, headers=two)

    assert {answer["session_id"] for answer in answers} == {session_id}
    assert len(model_server.seen("/chat/completions")[-1]["body"]["messages"]) == 4  # with the prompt
    assert (shown.json()["session_id"], len(shown.json()["messages"]), hidden.status_code) == (session_id, 4, 404)
    assert keyed.http.delete(path, headers=one).status_code == 204
    assert keyed.http.get(path, headers=one).status_code == 404
    assert json.dumps(session_id)[1:-1] not in keyed.log_file.read_text()


def test_a_path_may_have_the_slashes_of_an_id(keyed: AgentProcess, model_server: ModelServer) -> None:
    """Proxies decode %2F."""
    headers = {"Authorization": f"Bearer {KEYS[0]}"}
    keyed.http.post("/api/chat", json={"message": "one", "session_id": "team/room/7"}, headers=headers)

    assert keyed.http.get("/api/sessions/team/room/7", headers=headers).json()["session_id"] == "team/room/7"


@pytest.mark.parametrize("session_id", ["", "a\nb", "\x00", "é" * 129, "x" * 257, 7, ["a"]])
def test_other_ids_are_refused(keyed: AgentProcess, session_id: object) -> None:
    """The error names the field."""
    headers = {"Authorization": f"Bearer {KEYS[0]}"}

    refused = keyed.http.post("/api/chat", json={"message": "x", "session_id": session_id}, headers=headers)

    assert (refused.status_code, refused.json()["param"]) == (400, "session_id")


@pytest.mark.parametrize("context", [TEAMS, "me@example.com", "a/b", ""])
def test_a_context_of_a2a_is_any_text(keyed: AgentProcess, model_server: ModelServer, context: str) -> None:
    """An empty one counts as unset. It is the session of the chat API with the same id."""
    headers = {"Authorization": f"Bearer {KEYS[0]}"}
    message = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}], "contextId": context}
    call = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}}

    task = keyed.http.post("/a2a", json=call, headers=headers).json()["result"]["task"]

    assert task["contextId"] == (context or task["id"])
    path = f"/api/sessions/{quote(task['contextId'], safe='')}"
    assert len(keyed.http.get(path, headers=headers).json()["messages"]) == 2

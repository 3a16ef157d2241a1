"""Open WebUI: too large to install for a test, so what its backend sends is sent here.

Read from its sources (backend/open_webui/routers/openai.py and tasks.py): GET {base}/models with a bearer token, every
user's request as POST {base}/chat/completions with the token, `stream` with `stream_options.include_usage`, the chat's
history in `messages`, `reasoning`, `user` and `metadata` where a model has them, X-OpenWebUI-* headers when switched
on; then requests for a title, tags and follow-ups without a stream and with `max_completion_tokens`. It
reads a stream's lines as they come when the content type is text/event-stream, everything else as JSON.
"""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.integration.agent_runtime.clients.conftest import Target
from tests.integration.agent_runtime.conftest import DEADLINE, ModelServer

HEADERS = {
    "Content-Type": "application/json",
    "Authorization": "Bearer anything",
    "X-OpenWebUI-User-Name": "Ada%20Lovelace",
    "X-OpenWebUI-User-Id": "4c4e",
    "X-OpenWebUI-User-Email": "ada@example.com",
    "X-OpenWebUI-User-Role": "user",
    "X-OpenWebUI-Chat-Id": "c7",
    "Accept": "*/*",
    "User-Agent": "Python/3.11 aiohttp/3.13",
}
CONVERSATION = [
    {"role": "system", "content": "User Context: none."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": [{"type": "text", "text": "one two", "cache_control": {"type": "ephemeral"}}]},
]


@pytest.fixture
def http(target: Target, model: ModelServer) -> Iterator[httpx2.Client]:
    """Its backend's client."""
    with httpx2.Client(base_url=target.openai_url, headers=HEADERS, timeout=DEADLINE) as client:
        yield client


def test_the_list_of_models(http: httpx2.Client) -> None:
    """It reads `id` of each model in `data`; `owned_by` decides the API that it uses."""
    listed = http.get("/models").json()

    assert [one["id"] for one in listed["data"]] == ["gpt", "echo"]
    assert all(one["owned_by"] != "ollama" for one in listed["data"])
    assert "error" not in listed


def test_a_chat(http: httpx2.Client, model: ModelServer) -> None:
    """A stream of data lines that end in [DONE], the last of them with the usage; its fields reach the model."""
    extra: dict[str, Any] = {"reasoning": {"effort": "low"}, "temperature": 0.7, "metadata": {"chat_id": "c7"}}
    body = {"model": "gpt", "messages": CONVERSATION, "stream": True, "stream_options": {"include_usage": True}} | extra

    with http.stream("POST", "/chat/completions", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]

    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert text.startswith("model: ")
    assert chunks[-1]["usage"]["total_tokens"] == 14
    seen = model.seen("/chat/completions")[0]["body"]
    assert seen["messages"][1:] == CONVERSATION
    assert extra.items() <= seen.items()


@pytest.mark.parametrize("task", ["title_generation", "tags_generation", "follow_up_generation"])
def test_its_questions_in_the_background(http: httpx2.Client, model: ModelServer, task: str) -> None:
    """One message, no stream, the answer's content is JSON; the token limit reaches the model."""
    model.script(completions=[{"message": {"content": '{"title": "One Two"}'}}])
    body = {
        "model": "gpt",
        "messages": [{"role": "user", "content": "### Task:\nGenerate a concise title."}],
        "stream": False,
        "max_completion_tokens": 1000,
        "metadata": {"task": task, "task_body": {"model": "gpt"}, "chat_id": "c7"},
    }

    answered = http.post("/chat/completions", json=body).json()

    assert json.loads(answered["choices"][0]["message"]["content"]) == {"title": "One Two"}
    assert model.seen("/chat/completions")[0]["body"]["max_completion_tokens"] == 1000


@pytest.mark.parametrize("stream", [False, True])
def test_errors(http: httpx2.Client, model: ModelServer, stream: bool) -> None:
    """JSON with `error` and `message`, which it shows; never an empty event stream."""
    model.script(completions=[{"status": 401, "always": True}])
    body = {"model": "gpt", "messages": [{"role": "user", "content": "x"}], "stream": stream}

    refused = http.post("/chat/completions", json=body)

    assert refused.status_code >= 400
    assert refused.headers["content-type"].startswith("application/json")
    assert "credentials" in refused.json()["error"]["message"]

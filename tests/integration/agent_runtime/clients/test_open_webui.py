"""The requests of Open WebUI's backend, which is too large to install for a test.

Taken from its sources (backend/open_webui/routers/openai.py and tasks.py): GET {base}/models with a bearer token, every
user's request as POST {base}/chat/completions with the token, `stream` with `stream_options.include_usage`, the chat's
history in `messages`, `reasoning`, `user` and `metadata` where a model has them, X-OpenWebUI-* headers if enabled;
then, in the background, requests for a title, tags and follow-ups without a stream and with `max_completion_tokens`.
It parses a response with the content type text/event-stream line by line, and any other response as JSON.
"""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.integration.agent_runtime.clients.conftest import Target
from tests.integration.agent_runtime.processes import ModelServer
from tests.patience import DEADLINE

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
    """A client with the headers of the backend."""
    with httpx2.Client(base_url=target.openai_url, headers=HEADERS, timeout=DEADLINE, verify=False) as client:
        yield client


def test_the_list_of_models_has_the_fields_that_it_reads(http: httpx2.Client) -> None:
    """The client reads `data` and `id`, and chooses the API by `owned_by`."""
    models = http.get("/models").json()

    assert [model["id"] for model in models["data"]] == ["gpt", "echo"]
    assert all(model["owned_by"] != "ollama" for model in models["data"])
    assert "error" not in models


def test_a_chat_is_streamed_with_its_usage(http: httpx2.Client, model: ModelServer) -> None:
    """The last line is [DONE], the one before has the usage. The model gets all fields."""
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
    # Some models accept one system message only.
    assert seen["messages"][0]["content"].endswith("User Context: none.")
    assert seen["messages"][1:] == CONVERSATION[1:]
    assert extra.items() <= seen.items()


@pytest.mark.parametrize("task", ["title_generation", "tags_generation", "follow_up_generation"])
def test_background_requests_are_answered(http: httpx2.Client, model: ModelServer, task: str) -> None:
    """Background requests have one message and no stream. The model gets the limit of tokens."""
    model.script(completions=[{"message": {"content": '{"title": "One Two"}'}}])
    body = {
        "model": "gpt",
        "messages": [{"role": "user", "content": "### Task:\nGenerate a concise title."}],
        "stream": False,
        "max_completion_tokens": 1000,
        "metadata": {"task": task, "task_body": {"model": "gpt"}, "chat_id": "c7"},
    }

    response = http.post("/chat/completions", json=body).json()

    assert json.loads(response["choices"][0]["message"]["content"]) == {"title": "One Two"}
    assert model.seen("/chat/completions")[0]["body"]["max_completion_tokens"] == 1000


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_has_a_message_to_show(http: httpx2.Client, model: ModelServer, stream: bool) -> None:
    """The client shows `error.message` of a JSON response. An empty event stream would show nothing."""
    model.script(completions=[{"status": 401, "always": True}])
    body = {"model": "gpt", "messages": [{"role": "user", "content": "x"}], "stream": stream}

    refused = http.post("/chat/completions", json=body)

    assert refused.status_code >= 400
    assert refused.headers["content-type"].startswith("application/json")
    assert "credentials" in refused.json()["error"]["message"]

"""OpenAI's JavaScript client, run by node, on both agents. Its requests are in javascript/client.js."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import npm
from tests.integration.agent_runtime.clients.conftest import Target
from tests.integration.agent_runtime.conftest import PROMPT, ModelServer, eventually
from tests.patience import DEADLINE

SOURCES = Path(__file__).parent / "javascript"
CALL = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": '{"zone": "UTC"}'}}
HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}


def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    """A chunk as a model's server sends it."""
    return HEAD | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


@pytest.fixture(scope="session")
def program(pytestconfig: pytest.Config) -> Path:
    """The program with the client's package, which npm installs once into pytest's cache."""
    assert pytestconfig.cache is not None
    folder = npm.install(SOURCES / "package.json", pytestconfig.cache.mkdir("openai-javascript"))
    return Path(shutil.copy(SOURCES / "client.js", folder / "client.js"))


@pytest.fixture
def run(program: Path, target: Target, model: ModelServer) -> Any:
    """Run one case; return its output."""

    def run(case: str) -> Any:
        command: list[str | Path] = ["node", program, target.openai_url, case]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_a_completion(run: Any) -> None:
    """Every field of the client's type."""
    completion = run("complete")

    assert completion["choices"][0]["message"]["content"] == "model: one two"
    assert completion["choices"][0]["finish_reason"] == "stop"
    assert (completion["object"], completion["usage"]["total_tokens"]) == ("chat.completion", 14)


def test_the_models(run: Any) -> None:
    """As a page of a list."""
    assert run("models") == ["gpt", "echo"]


def test_a_stream(run: Any) -> None:
    """Role, contents, finish reason, usage; and it ends."""
    chunks = run("stream")

    choices = [one["choices"][0] for one in chunks if one["choices"]]
    assert choices[0]["delta"]["role"] == "assistant"
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "model: one two"
    assert choices[-1]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["total_tokens"] == 14


def test_tool_calls_in_pieces(run: Any, model: ModelServer) -> None:
    """The client joins the deltas to the tool call of the model."""
    begun = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "now", "arguments": '{"zone'}}
    ended = {"index": 0, "function": {"arguments": '": "UTC"}'}}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}, {"tool_calls": [begun]}]
    chunks = [*map(chunk, deltas), chunk({"tool_calls": [ended]}), chunk({}, "tool_calls")]
    model.script(completions=[{"chunks": chunks}])

    choice = run("assembled")["choices"][0]

    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert (call["id"], call["function"]["name"], call["function"]["arguments"]) == ("call_1", "now", '{"zone": "UTC"}')


def test_the_clients_own_loop_of_tools(run: Any, model: ModelServer) -> None:
    """The client gets the tool call, sends the result to the model, and gets the answer."""
    model.script(completions=[{"message": {"content": None, "tool_calls": [CALL]}}])

    assert run("tools") == {"content": "model: noon", "called": [{"zone": "UTC"}]}


@pytest.mark.parametrize(
    ("step", "kind", "code"),
    [
        ({"status": 400, "json": {"error": {"code": "content_filter", "message": PROMPT}}},
         "BadRequestError", "content_filter"),
        ({"status": 401}, "InternalServerError", "model_credentials_refused"),
        ({"status": 429, "headers": {"Retry-After": "30"}}, "RateLimitError", "model_rate_limited"),
        ({"status": 500, "text": PROMPT}, "InternalServerError", "model_unavailable"),
    ],
)  # fmt: skip
def test_errors_have_the_clients_types(
    run: Any, model: ModelServer, step: dict[str, Any], kind: str, code: str
) -> None:
    """With a stable code and the id of the request."""
    model.script(completions=[step | {"always": True}])

    failed = run("fault")

    assert (failed["kind"], failed["code"]) == (kind, code)
    assert failed["requestID"]


def test_an_unknown_model(run: Any) -> None:
    """The error is that of OpenAI."""
    failed = run("unknown")

    assert (failed["kind"], failed["code"], failed["param"]) == ("NotFoundError", "model_not_found", "model")


def test_a_stream_that_breaks(run: Any, model: ModelServer) -> None:
    """The client raises an error instead of ending the stream."""
    model.script(completions=[{"break_after": 3}])

    assert run("broken")["code"] == "model_bad_response"


def test_a_stream_that_is_left(run: Any, model: ModelServer) -> None:
    """An abort of the client closes the request to the model."""
    model.script(completions=[{"step_by_step": True}])
    model.go()

    assert run("aborted")["role"] == "assistant"
    eventually("the upstream call is closed", lambda: model.seen("/chat/completions")[0]["closed"])

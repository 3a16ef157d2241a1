"""OpenAI's JavaScript client in node, with both agents. javascript/client.js has the requests."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import npm
from tests.integration.agent_runtime.clients.conftest import Target
from tests.integration.agent_runtime.conftest import PROMPT
from tests.integration.agent_runtime.processes import ModelServer
from tests.patience import DEADLINE
from tests.polling import eventually

SOURCES = Path(__file__).parent / "javascript"
CALL = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": '{"zone": "UTC"}'}}
HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}


def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    """Return a chunk like one of a model server."""
    return HEAD | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


@pytest.fixture(scope="session")
def program(pytestconfig: pytest.Config) -> Path:
    """The program, next to the package of the client, which npm installs once into pytest's cache."""
    assert pytestconfig.cache is not None
    folder = npm.install(SOURCES / "package.json", pytestconfig.cache.mkdir("openai-javascript"))
    return Path(shutil.copy(SOURCES / "client.js", folder / "client.js"))


@pytest.fixture
def run(program: Path, target: Target, model: ModelServer) -> Any:
    """Run one case with `run(case)`, which returns its output."""

    def run(case: str) -> Any:
        command: list[str | Path] = ["node", program, target.openai_url, case]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_a_completion_has_all_fields(run: Any) -> None:
    """The client parses them."""
    completion = run("complete")

    assert completion["choices"][0]["message"]["content"] == "model: one two"
    assert completion["choices"][0]["finish_reason"] == "stop"
    assert (completion["object"], completion["usage"]["total_tokens"]) == ("chat.completion", 14)


def test_the_models_are_a_page(run: Any) -> None:
    """The client iterates over its pages."""
    assert run("models") == ["gpt", "echo"]


def test_a_stream_ends_with_the_usage(run: Any) -> None:
    """Before it come role, contents and finish reason."""
    chunks = run("stream")

    choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    assert choices[0]["delta"]["role"] == "assistant"
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "model: one two"
    assert choices[-1]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["total_tokens"] == 14


def test_the_client_assembles_the_deltas_of_a_tool_call(run: Any, model: ModelServer) -> None:
    """The result is the call that the model made."""
    first_part = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "now", "arguments": '{"zone'}}
    second_part = {"index": 0, "function": {"arguments": '": "UTC"}'}}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}, {"tool_calls": [first_part]}]
    chunks = [*map(chunk, deltas), chunk({"tool_calls": [second_part]}), chunk({}, "tool_calls")]
    model.script(completions=[{"chunks": chunks}])

    choice = run("assembled")["choices"][0]

    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert (call["id"], call["function"]["name"], call["function"]["arguments"]) == ("call_1", "now", '{"zone": "UTC"}')


def test_the_tool_loop_of_the_client(run: Any, model: ModelServer) -> None:
    """The client runs the call of the model, and the model answers with the result."""
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
    """The errors have a stable code and the id of the request."""
    model.script(completions=[step | {"always": True}])

    failed = run("fault")

    assert (failed["kind"], failed["code"]) == (kind, code)
    assert failed["requestID"]


def test_an_unknown_model_is_not_found(run: Any) -> None:
    """Status, code and param are those of OpenAI."""
    failed = run("unknown")

    assert (failed["kind"], failed["code"], failed["param"]) == ("NotFoundError", "model_not_found", "model")


def test_a_broken_stream_is_an_error(run: Any, model: ModelServer) -> None:
    """The client does not take it for the end of the answer."""
    model.script(completions=[{"break_after": 3}])

    assert run("broken")["code"] == "model_bad_response"


def test_an_aborted_stream_stops_the_model_call(run: Any, model: ModelServer) -> None:
    """The client aborts the stream after the first chunk."""
    model.script(completions=[{"step_by_step": True}])
    model.go()

    assert run("aborted")["role"] == "assistant"
    eventually("the model call is closed", lambda: model.seen("/chat/completions")[0]["closed"])

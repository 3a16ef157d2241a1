"""`agent-runtime chat`: in a pipe, and at a real terminal."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.agent_runtime.conftest import (
    DEADLINE,
    ECHO,
    AgentProcess,
    ModelServer,
    StartAgent,
    agent_toml,
    eventually,
    free_port,
    openai_model,
)

CHAT = [sys.executable, "-m", "agent_runtime", "chat"]


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent with a model behind the fake server, its default, and one that echoes."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server), ECHO)).ready()


def piped(url: str, text: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `chat` makes of these lines."""
    command = [*CHAT, "--url", url, *arguments]
    environment = os.environ | variables
    return subprocess.run(
        command, input=text, check=False, capture_output=True, text=True, timeout=DEADLINE, env=environment
    )


def url(agent: AgentProcess) -> str:
    """The agent's URL."""
    return f"http://127.0.0.1:{agent.port}"


def test_lines_of_a_pipe_are_one_conversation(agent: AgentProcess, model_server: ModelServer) -> None:
    """Answers and nothing else on stdout."""
    done = piped(url(agent), "one\n\ntwo\n")

    assert (done.returncode, done.stdout, done.stderr) == (0, "model: one\nmodel: two\n", "")
    asked = model_server.seen("/chat/completions")[1]["body"]["messages"]
    assert [message["content"] for message in asked[1:]] == ["one", "model: one", "two"]


def test_session_and_model_can_be_chosen(agent: AgentProcess, model_server: ModelServer) -> None:
    """A session goes on where it was."""
    done = piped(url(agent), "one", "--session", "terminal", "--model", "echo")

    assert done.stdout == "one\n"
    messages = agent.http.get("/api/sessions/terminal").json()["messages"]
    assert [message["content"] for message in messages] == ["one", "one"]


def test_an_answer_cannot_command_the_terminal(agent: AgentProcess, model_server: ModelServer) -> None:
    """Escape sequences lose their escape."""
    done = piped(url(agent), "a\x1b]0;title\x07b\x9bc", "--model", "echo")

    assert done.stdout == "a]0;titlebc\n"


def test_what_goes_wrong_is_one_line(
    agent: AgentProcess, model_server: ModelServer, start_agent: StartAgent, tmp_path: Path
) -> None:
    """On stderr, with what to do, and exit code 1; never a traceback."""
    (tmp_path / "keys").write_text("key-one\n")
    guarded = start_agent(agent_toml(ECHO) + f'[agent.server]\napi_keys_file = "{tmp_path / "keys"}"\n').ready()
    model_server.script(completions=[{"break_after": 3}])
    gone = free_port()

    failures = {
        "unknown name": piped(url(agent), "x", "--model", "none"),
        "broke off": piped(url(agent), "one two"),
        "Connection refused": piped(f"http://127.0.0.1:{gone}", "x"),
        "use http or https": piped("ftp://x", "x"),
        "is the URL right": piped(f"http://127.0.0.1:{agent.metrics_port}", "x"),
        "AGENT_API_KEY": piped(url(guarded), "x"),
    }

    for words, done in failures.items():
        assert words in done.stderr, done
        assert (done.returncode, done.stderr.startswith("error: "), done.stderr.count("\n")) == (1, True, 1), done
    assert piped(url(guarded), "x", AGENT_API_KEY="key-one").stdout == "x\n"


class Terminal:
    """`chat` with a person before it."""

    def __init__(self, url: str) -> None:
        self._end, end = pty.openpty()
        self.process = subprocess.Popen(
            [*CHAT, "--url", url], stdin=end, stdout=end, stderr=end, start_new_session=True
        )
        os.close(end)
        os.set_blocking(self._end, False)
        self.seen = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._end, text.encode())

    def shows(self, text: str) -> bool:
        """It stands there by now."""
        with suppress(BlockingIOError, OSError):
            self.seen += os.read(self._end, 65536).decode()
        return text in self.seen

    def close(self) -> None:
        """Leave."""
        self.process.kill()
        self.process.wait()
        os.close(self._end)


@pytest.fixture
def terminal(agent: AgentProcess) -> Iterator[Terminal]:
    """A terminal in which the agent waits for a message."""
    terminal = Terminal(url(agent))
    eventually("it asks", lambda: terminal.shows("you> "))
    yield terminal
    terminal.close()


def test_control_c_stops_an_answer_and_the_conversation_goes_on(terminal: Terminal, model_server: ModelServer) -> None:
    """The model's call is closed; Ctrl-D then ends with 0."""
    model_server.script(completions=[{"step_by_step": True}])
    for _ in range(2):
        model_server.go()
    terminal.type("one two\n")
    eventually("the answer begins", lambda: terminal.shows("model:"))

    terminal.process.send_signal(signal.SIGINT)

    eventually("it stops", lambda: terminal.shows("[stopped]"))
    eventually("the model's call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])
    terminal.type("three\n")
    eventually("it goes on", lambda: terminal.shows("model: three"))
    eventually("it asks", lambda: terminal.seen.rstrip().endswith("you>") or terminal.shows("never"))
    terminal.type("\x04")
    assert terminal.process.wait(DEADLINE) == 0
    assert "Traceback" not in terminal.seen


def test_control_c_at_the_prompt_ends(terminal: Terminal) -> None:
    """Without a word."""
    terminal.process.send_signal(signal.SIGINT)

    assert terminal.process.wait(DEADLINE) == 130
    terminal.shows("")
    assert "Traceback" not in terminal.seen

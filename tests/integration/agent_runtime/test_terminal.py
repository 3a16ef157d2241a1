"""`agent-runtime chat` in a pipe and in a terminal."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml, openai_model
from tests.integration.agent_runtime.processes import ModelServer
from tests.patience import DEADLINE, free_port
from tests.polling import eventually

CHAT = [sys.executable, "-m", "agent_runtime", "chat"]


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent whose default model is the fake model server, with an echo model."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server), ECHO)).ready()


def run_chat(url: str, text: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `chat` with this input until it ends."""
    command = [*CHAT, "--url", url, *arguments]
    environment = os.environ | variables
    return subprocess.run(
        command, input=text, check=False, capture_output=True, text=True, timeout=DEADLINE, env=environment
    )


def agent_url(agent: AgentProcess) -> str:
    """Return the URL of an agent."""
    return f"http://127.0.0.1:{agent.port}"


def test_the_lines_of_a_pipe_are_one_session(agent: AgentProcess, model_server: ModelServer) -> None:
    """The answers are the only output on stdout."""
    done = run_chat(agent_url(agent), "one\n\ntwo\n")

    assert (done.returncode, done.stdout, done.stderr) == (0, "model: one\nmodel: two\n", "")
    sent = model_server.seen("/chat/completions")[1]["body"]["messages"]
    assert [message["content"] for message in sent[1:]] == ["one", "model: one", "two"]


def test_session_and_model_can_be_chosen(agent: AgentProcess, model_server: ModelServer) -> None:
    """The agent stores the message in the session with this id."""
    done = run_chat(agent_url(agent), "one", "--session", "terminal", "--model", "echo")

    assert done.stdout == "one\n"
    messages = agent.http.get("/api/sessions/terminal").json()["messages"]
    assert [message["content"] for message in messages] == ["one", "one"]


def test_control_characters_are_replaced(agent: AgentProcess, model_server: ModelServer) -> None:
    """An answer cannot control the terminal with escape sequences."""
    done = run_chat(agent_url(agent), "a\x1b]0;title\x07b\x9b2Jc\x00\u202e", "--model", "echo")

    assert done.stdout == "a\ufffdb\ufffdc\ufffd\ufffd\n"


def test_an_error_is_one_line(
    agent: AgentProcess, model_server: ModelServer, start_agent: StartAgent, tmp_path: Path
) -> None:
    """The error goes to stderr with the remedy and without a traceback. The exit code is 1."""
    (tmp_path / "keys").write_text("key-one\n")
    guarded = start_agent(agent_toml(ECHO) + f'[agent.server]\napi_keys_file = "{tmp_path / "keys"}"\n').ready()
    model_server.script(completions=[{"break_after": 3}])
    closed_port = free_port()

    failures = {
        "unknown name": run_chat(agent_url(agent), "x", "--model", "none"),
        "broke off": run_chat(agent_url(agent), "one two"),
        "Connection refused": run_chat(f"http://127.0.0.1:{closed_port}", "x"),
        "use http or https": run_chat("ftp://x", "x"),
        "is the URL right": run_chat(f"http://127.0.0.1:{agent.metrics_port}", "x"),
        "AGENT_API_KEY": run_chat(agent_url(guarded), "x"),
    }

    for message, done in failures.items():
        assert message in done.stderr, done
        assert (done.returncode, done.stderr.startswith("error: "), done.stderr.count("\n")) == (1, True, 1), done
    assert run_chat(agent_url(guarded), "x", AGENT_API_KEY="key-one").stdout == "x\n"


class Terminal:
    """A pseudo-terminal that runs `chat`."""

    def __init__(self, url: str) -> None:
        self._terminal, process_end = pty.openpty()
        self.process = subprocess.Popen(
            [*CHAT, "--url", url], stdin=process_end, stdout=process_end, stderr=process_end, start_new_session=True
        )
        os.close(process_end)
        os.set_blocking(self._terminal, False)
        self.output = ""

    def type(self, text: str) -> None:
        """Type text."""
        os.write(self._terminal, text.encode())

    def shows(self, text: str) -> bool:
        """Return whether the terminal has shown this text."""
        with suppress(BlockingIOError, OSError):
            self.output += os.read(self._terminal, 65536).decode()
        return text in self.output

    def close(self) -> None:
        """Kill the process and close the terminal."""
        self.process.kill()
        self.process.wait()
        os.close(self._terminal)


@pytest.fixture
def terminal(agent: AgentProcess) -> Iterator[Terminal]:
    """A terminal in which `chat` waits for a message."""
    terminal = Terminal(agent_url(agent))
    eventually("the prompt is shown", lambda: terminal.shows("you> "))
    yield terminal
    terminal.close()


def test_control_c_stops_an_answer_and_the_session_continues(terminal: Terminal, model_server: ModelServer) -> None:
    """The model call is closed. Ctrl-D then ends the chat with the exit code 0."""
    model_server.script(completions=[{"step_by_step": True}])
    for _ in range(2):
        model_server.go()
    terminal.type("one two\n")
    eventually("the answer starts", lambda: terminal.shows("model:"))

    terminal.process.send_signal(signal.SIGINT)

    eventually("the answer stops", lambda: terminal.shows("[stopped]"))
    eventually("the model call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])
    terminal.type("three\n")
    eventually("the next message is answered", lambda: terminal.shows("model: three"))
    eventually("the prompt is shown", lambda: terminal.output.rstrip().endswith("you>") or terminal.shows("never"))
    terminal.type("\x04")
    assert terminal.process.wait(DEADLINE) == 0
    assert "Traceback" not in terminal.output


def test_control_c_at_the_prompt_ends_the_chat(terminal: Terminal) -> None:
    """The chat ends with exit code 130 and without a traceback."""
    terminal.process.send_signal(signal.SIGINT)

    assert terminal.process.wait(DEADLINE) == 130
    terminal.shows("")
    assert "Traceback" not in terminal.output

"""The command line: start, errors, shutdown, and imported modules."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest

from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml, openai_model
from tests.integration.agent_runtime.processes import ModelServer
from tests.patience import DEADLINE
from tests.polling import eventually


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run agent-runtime until it ends."""
    command = [sys.executable, "-m", "agent_runtime", *arguments]
    environment = {"PATH": os.environ["PATH"]} | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The path of a valid agent.toml, with its prompt."""
    (tmp_path / "system_prompt.txt").write_text("Hi.")
    (tmp_path / "agent.toml").write_text(agent_toml(ECHO))
    return tmp_path / "agent.toml"


def test_check_accepts_a_valid_config(config: Path) -> None:
    """`check` exits with 0 and prints the models."""
    done = run("check", "--config", config)

    assert done.returncode == 0
    assert done.stdout.endswith("valid; models: echo; default: echo\n")


@pytest.mark.parametrize("command", ["check", "serve"])
def test_an_error_names_every_invalid_field(config: Path, command: str) -> None:
    """The exit code is 2. Each line starts with the path of a field, and a missing prompt is an error too."""
    config.write_text(
        agent_toml('name = "x"\nprovider = "azure"', 'name = "y"\nprovider = "echo"\napi_version = "new"')
    )
    (config.parent / "system_prompt.txt").unlink()

    done = run(command, "--config", config)

    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "agent.models[0].provider",
        "agent.models[1].api_version",
        "agent.system_prompt",
    ]


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"PORT_HTTP": "eighty"}, "PORT_HTTP"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
        ({"AZURE_OPENAI_ENDPOINT": "example.com"}, "AZURE_OPENAI_ENDPOINT"),
    ],
)
def test_an_error_names_the_invalid_variable(config: Path, variables: dict[str, str], name: str) -> None:
    """The exit code is 2. The error does not quote the value."""
    done = run("serve", "--config", config, **variables)

    assert done.returncode == 2
    assert done.stderr.startswith(f"{name}: ")
    assert variables[name] not in done.stderr


def test_a_port_in_use_is_an_error(config: Path) -> None:
    """The exit code is 1. The error contains the port and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = str(occupied.getsockname()[1])
        done = run("serve", "--config", config, LISTEN_ADDRESS="127.0.0.1", PORT_HTTP=port, PORT_METRICS="0")

    assert done.returncode == 1
    assert done.stderr.startswith("Address already in use")
    assert port in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_printed() -> None:
    """The version has three numbers."""
    assert run("--version").stdout.strip().count(".") == 2


def test_the_address_of_any_ipv6_serves_ipv4_too(start_agent: StartAgent) -> None:
    """A dual-stack pod sets LISTEN_ADDRESS to `::`."""
    agent = start_agent(agent_toml(ECHO), LISTEN_ADDRESS="::")

    assert httpx2.get(f"http://[::1]:{agent.port}/health/live").status_code == 200
    assert agent.http.get("/health/live").status_code == 200


def test_an_echo_agent_loads_no_sdk() -> None:
    """The runtime imports only what the config uses."""
    code = "import sys, agent_runtime.server, agent_runtime.command; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "aiohttp" in loaded
    assert not {"openai", "azure", "redis", "httpx2", "cryptography"} & set(loaded)


def test_sigterm_drains_the_pod(start_agent: StartAgent, model_server: ModelServer) -> None:
    """The pod is unready at once, serves during the drain delay, finishes the request in flight, and exits with 0."""
    agent = start_agent(agent_toml(openai_model(model_server), ECHO), DRAIN_DELAY_SECONDS="600").ready()
    model_server.script(completions=[{"hold": True}])
    answers: list[httpx2.Response] = []
    slow = threading.Thread(target=lambda: answers.append(agent.http.post("/api/chat", json={"message": "slow"})))
    slow.start()
    eventually("the request is in flight", lambda: model_server.seen("/chat/completions"))

    agent.process.send_signal(signal.SIGTERM)
    eventually("the pod is not ready", lambda: agent.http.get("/health/ready").status_code == 503)

    assert "draining" in agent.http.get("/health/ready").text
    assert agent.http.get("/health/live").status_code == 200
    late = agent.http.post("/api/chat", json={"message": "late", "model": "echo"})
    assert (late.status_code, late.headers["connection"]) == (200, "close")
    agent.process.send_signal(signal.SIGTERM)  # skips the rest of the delay
    eventually("no connection is accepted", lambda: not _is_listening(agent.port))
    model_server.go()
    assert agent.process.wait(DEADLINE) == 0
    slow.join()
    assert answers[0].json()["response"] == "model: slow"


def test_a_kept_connection_is_served_after_the_drain(start_agent: StartAgent, model_server: ModelServer) -> None:
    """A stream that started before SIGTERM promised to keep the connection, so the client may send another request."""
    agent = start_agent(agent_toml(openai_model(model_server), ECHO), DRAIN_DELAY_SECONDS="3").ready()
    model_server.script(completions=[{"step_by_step": True}])
    model_server.go()  # the response starts with the first chunk
    body = {"model": "gpt", "stream": True, "messages": [{"role": "user", "content": "one"}]}
    with agent.http.stream("POST", "/v1/chat/completions", json=body) as stream:
        agent.process.send_signal(signal.SIGTERM)
        eventually("no connection is accepted", lambda: not _is_listening(agent.port))
        for _ in range(4):
            model_server.go()
        lines = list(stream.iter_lines())

    late = agent.http.post("/api/chat", json={"message": "late", "model": "echo"})

    assert "data: [DONE]" in lines
    assert (late.status_code, late.headers["connection"]) == (200, "close")
    assert agent.process.wait(DEADLINE) == 0


def test_the_grace_period_ends(start_agent: StartAgent, model_server: ModelServer) -> None:
    """A request that takes longer is aborted. The exit code is 0."""
    agent = start_agent(agent_toml(openai_model(model_server)), SHUTDOWN_GRACE_SECONDS="0.3").ready()
    model_server.script(completions=[{"delay": 60}])
    errors: list[Exception] = []
    hanging = threading.Thread(target=_expect_an_error, args=(agent, errors))
    hanging.start()
    eventually("the request is in flight", lambda: model_server.seen("/chat/completions"))

    assert agent.terminate() == 0

    hanging.join()
    assert len(errors) == 1
    eventually("the model call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])


def test_a_second_sigterm_skips_the_delay(start_agent: StartAgent) -> None:
    """The delay of 600 seconds would exceed the deadline of the test."""
    agent = start_agent(agent_toml(ECHO), DRAIN_DELAY_SECONDS="600").ready()
    agent.process.send_signal(signal.SIGTERM)
    eventually("the agent drains", lambda: agent.log("draining"))

    assert agent.terminate() == 0


def test_sigint_skips_the_delay(start_agent: StartAgent) -> None:
    """SIGINT comes from Ctrl-C in a terminal."""
    agent = start_agent(agent_toml(ECHO), DRAIN_DELAY_SECONDS="600").ready()
    agent.process.send_signal(signal.SIGINT)

    assert agent.process.wait(DEADLINE) == 0


def _expect_an_error(agent: AgentProcess, errors: list[Exception]) -> None:
    try:
        agent.http.post("/api/chat", json={"message": "hang"}).raise_for_status()
    except httpx2.HTTPError as error:
        errors.append(error)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

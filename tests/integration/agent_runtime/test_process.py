"""The command: how it starts, refuses, ends, and what it loads."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest

from tests.integration.agent_runtime.conftest import (
    DEADLINE,
    ECHO,
    AgentProcess,
    ModelServer,
    StartAgent,
    agent_toml,
    eventually,
    openai_model,
)


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run agent-runtime to its end."""
    command = [sys.executable, "-m", "agent_runtime", *arguments]
    environment = {"PATH": os.environ["PATH"]} | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A good agent.toml with its prompt."""
    (tmp_path / "system_prompt.txt").write_text("Hi.")
    (tmp_path / "agent.toml").write_text(agent_toml(ECHO))
    return tmp_path / "agent.toml"


def test_check_accepts_a_good_config(config: Path) -> None:
    """Exit 0 and one line that says what was understood."""
    done = run("check", "--config", config)

    assert done.returncode == 0
    assert done.stdout.endswith("valid; models: echo; default: echo\n")


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_wrong_config_names_every_field(config: Path, command: str) -> None:
    """Exit 2; each fault with its path in TOML's spelling, the missing prompt as well; no traceback."""
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
    ("variables", "named"),
    [
        ({"PORT_HTTP": "eighty"}, "PORT_HTTP"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
        ({"AZURE_OPENAI_ENDPOINT": "example.com"}, "AZURE_OPENAI_ENDPOINT"),
    ],
)
def test_a_wrong_variable_is_named(config: Path, variables: dict[str, str], named: str) -> None:
    """Exit 2, the variable's name, not its value."""
    done = run("serve", "--config", config, **variables)

    assert done.returncode == 2
    assert done.stderr.startswith(f"{named}: ")
    assert variables[named] not in done.stderr


def test_a_port_in_use_is_told(config: Path) -> None:
    """Exit 1 and words with the address; no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--config", config, LISTEN_ADDRESS="127.0.0.1", PORT_HTTP=port, PORT_METRICS="0")

    assert done.returncode == 1
    assert done.stderr.startswith("Address already in use")
    assert port in done.stderr
    assert "Traceback" not in done.stderr


def test_version() -> None:
    """The version of the distribution."""
    assert run("--version").stdout.strip().count(".") == 2


def test_listens_on_ipv6(start_agent: StartAgent) -> None:
    """With LISTEN_ADDRESS=:: both families are served, as a dual-stack pod needs."""
    agent = start_agent(agent_toml(ECHO), LISTEN_ADDRESS="::")

    assert httpx2.get(f"http://[::1]:{agent.port}/health/live").status_code == 200
    assert agent.http.get("/health/live").status_code == 200


def test_an_echo_agent_loads_no_sdk() -> None:
    """Nothing is imported that the config does not use."""
    code = "import sys, agent_runtime.server, agent_runtime.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "aiohttp" in loaded
    assert not {"openai", "azure", "redis", "httpx2", "cryptography"} & set(loaded)


def test_sigterm_drains(start_agent: StartAgent, model_server: ModelServer) -> None:
    """Not ready at once, still serving during the delay, the request in flight is finished, exit 0."""
    agent = start_agent(agent_toml(openai_model(model_server), ECHO), DRAIN_DELAY_SECONDS="600").ready()
    model_server.script(completions=[{"hold": True}])
    answers: list[httpx2.Response] = []
    slow = threading.Thread(target=lambda: answers.append(agent.http.post("/api/chat", json={"message": "slow"})))
    slow.start()
    eventually("the request is in flight", lambda: model_server.seen("/chat/completions"))

    agent.process.send_signal(signal.SIGTERM)
    eventually("it is not ready", lambda: agent.http.get("/health/ready").status_code == 503)

    assert "draining" in agent.http.get("/health/ready").text
    assert agent.http.get("/health/live").status_code == 200
    late = agent.http.post("/api/chat", json={"message": "late", "model": "echo"})
    assert (late.status_code, late.headers["connection"]) == (200, "close")
    agent.process.send_signal(signal.SIGTERM)  # ends the delay
    eventually("nobody is let in", lambda: not _listens(agent.port))
    model_server.go()
    assert agent.process.wait(DEADLINE) == 0
    slow.join()
    assert answers[0].json()["response"] == "model: slow"


def test_a_connection_that_was_to_be_kept_is_served_after_the_drain(
    start_agent: StartAgent, model_server: ModelServer
) -> None:
    """Its stream began before SIGTERM, so its caller may send the next request over it as soon as the stream ends."""
    agent = start_agent(agent_toml(openai_model(model_server), ECHO), DRAIN_DELAY_SECONDS="3").ready()
    model_server.script(completions=[{"step_by_step": True}])
    model_server.go()  # the answer begins with the first chunk
    body = {"model": "gpt", "stream": True, "messages": [{"role": "user", "content": "one"}]}
    with agent.http.stream("POST", "/v1/chat/completions", json=body) as stream:
        agent.process.send_signal(signal.SIGTERM)
        eventually("nobody is let in", lambda: not _listens(agent.port))
        for _ in range(4):
            model_server.go()
        lines = list(stream.iter_lines())

    late = agent.http.post("/api/chat", json={"message": "late", "model": "echo"})

    assert "data: [DONE]" in lines
    assert (late.status_code, late.headers["connection"]) == (200, "close")
    assert agent.process.wait(DEADLINE) == 0


def test_the_grace_ends(start_agent: StartAgent, model_server: ModelServer) -> None:
    """A request that takes longer than the grace does not keep the pod; exit 0 all the same."""
    agent = start_agent(agent_toml(openai_model(model_server)), SHUTDOWN_GRACE_SECONDS="0.3").ready()
    model_server.script(completions=[{"delay": 60}])
    ended: list[Exception] = []
    hanging = threading.Thread(target=_expect_an_end, args=(agent, ended))
    hanging.start()
    eventually("the request is in flight", lambda: model_server.seen("/chat/completions"))

    assert agent.terminate() == 0

    hanging.join()
    assert len(ended) == 1
    eventually("the upstream call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])


def test_a_second_sigterm_skips_the_delay(start_agent: StartAgent) -> None:
    """Whoever asks twice does not want to wait."""
    agent = start_agent(agent_toml(ECHO), DRAIN_DELAY_SECONDS="600").ready()
    agent.process.send_signal(signal.SIGTERM)
    eventually("it drains", lambda: agent.log("draining"))

    assert agent.terminate() == 0


def test_ctrl_c_ends_at_once(start_agent: StartAgent) -> None:
    """SIGINT comes from a person."""
    agent = start_agent(agent_toml(ECHO), DRAIN_DELAY_SECONDS="600").ready()
    agent.process.send_signal(signal.SIGINT)

    assert agent.process.wait(DEADLINE) == 0


def _expect_an_end(agent: AgentProcess, ended: list[Exception]) -> None:
    try:
        agent.http.post("/api/chat", json={"message": "hang"}).raise_for_status()
    except httpx2.HTTPError as error:
        ended.append(error)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

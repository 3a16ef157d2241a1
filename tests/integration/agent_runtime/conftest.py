"""Fixtures for a running agent. The agent, the server of its model and Redis each run in their own process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agent_runtime import logs
from tests.integration.agent_runtime.processes import ModelServer, RedisServer
from tests.patience import DEADLINE
from tests.polling import eventually
from tests.reaper import VARIABLE as RUN

# None of these may occur in a log, a metric or an error.
CANARIES = {
    "OPENAI_API_KEY": "sk-canary-openai-3c1f",
    "AZURE_OPENAI_API_KEY": "canary-azure-77aa",
    "AZURE_CLIENT_SECRET": "canary-client-secret-19",
    "REDIS_PASSWORD": "canary-redis-password-5",
}
PROMPT = "You are helpful. CANARY-PROMPT-d41d."
USER_CANARY = "CANARY-MESSAGE-9e10"


@dataclass
class AgentProcess:
    """A process of `agent-runtime serve`."""

    directory: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] = field(init=False)
    http: httpx2.Client = field(init=False)
    metrics_port: int = field(init=False)
    port: int = field(init=False)

    def start(self) -> "AgentProcess":
        """Start the process and wait until it listens."""
        config = str(self.directory / "agent.toml")
        command = [sys.executable, "-m", "agent_runtime", "serve", "--config", config]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            ports = eventually("the agent listens", self._listening_ports)
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise
        self.port, self.metrics_port = ports["http"], ports["metrics"]
        hooks = {"response": [_no_canary_in_errors]}
        url = f"http://127.0.0.1:{self.port}"
        # Without HTTPS, a client need not read the authorities of the system, which takes 30 ms of CPU.
        self.http = httpx2.Client(base_url=url, timeout=DEADLINE, event_hooks=hooks, verify=False)
        return self

    def ready(self) -> "AgentProcess":
        """Wait until the agent is ready."""
        eventually("the agent is ready", lambda: self.http.get("/health/ready").status_code == 200)
        return self

    @property
    def log_file(self) -> Path:
        """The file with stdout and stderr of the agent."""
        return self.directory / "log"

    def log(self, message: str = "") -> list[dict[str, Any]]:
        """Return the log records, all or those with this message."""
        if message == "request":
            # The agent writes the lines of many requests together.
            time.sleep(1.2 * logs.PERIOD_SECONDS)
        lines = [json.loads(line) for line in self.log_file.read_text().splitlines()]
        return [line for line in lines if not message or line["message"] == message]

    def details(self, path: str = "/health") -> httpx2.Response:
        """Return the response of a health endpoint of the metrics port, which includes errors."""
        return httpx2.get(f"http://127.0.0.1:{self.metrics_port}{path}", verify=False)

    def metrics(self) -> dict[str, float]:
        """Return the metrics by name and labels."""
        text = self.details("/metrics").text
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def terminate(self) -> int:
        """Send SIGTERM, wait, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def stop(self) -> None:
        """Kill the process, and check that neither its metrics nor its log contain a secret."""
        self.http.close()
        if self.process.poll() is None:
            try:
                assert not canaries(str(self.metrics()))
            finally:
                self.process.kill()
                self.process.wait()
        assert not canaries(self.log_file.read_text())

    def _listening_ports(self) -> dict[str, Any] | None:
        assert self.process.poll() is None, self.log_file.read_text()
        return next(iter(self.log("listening")), None)


def canaries(text: str) -> list[str]:
    """Return the secrets and prompts that a text contains."""
    return [canary for canary in (*CANARIES.values(), PROMPT, USER_CANARY) if canary in text]


def _no_canary_in_errors(response: httpx2.Response) -> None:
    if response.status_code >= 400:
        assert not canaries(response.read().decode()), "the error contains a secret or a prompt"


StartAgent = Callable[..., AgentProcess]


@pytest.fixture(scope="session")
def shared_model_server() -> Iterator[ModelServer]:
    """A model server in the state in which the last test left it."""
    server = ModelServer()
    yield server
    server.stop()


@pytest.fixture
def model_server(shared_model_server: ModelServer) -> ModelServer:
    """A model server without a script."""
    shared_model_server.reset()
    return shared_model_server


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """An empty Redis whose password is the canary."""
    server = RedisServer("--requirepass", CANARIES["REDIS_PASSWORD"])
    yield server
    server.stop()


@pytest.fixture
def start_agent(tmp_path: Path) -> Iterator[StartAgent]:
    """Start agents with `start_agent(toml, VARIABLE=value, …)`. They stop at the end of the test."""
    yield from _agent_starter(tmp_path)


@pytest.fixture(scope="module")
def start_shared_agent(
    tmp_path_factory: pytest.TempPathFactory, shared_model_server: ModelServer
) -> Iterator[StartAgent]:
    """Start agents that stop at the end of the module, for tests that do not change them.

    A script that the last test left would keep the agent unready, because its first requests check the model.
    """
    starters = _agent_starter(tmp_path_factory.mktemp("agents"))
    start = next(starters)

    def start_agent(toml: str, **variables: str) -> AgentProcess:
        shared_model_server.reset()
        return start(toml, **variables)

    yield start_agent
    next(starters, None)


def _agent_starter(root: Path) -> Iterator[StartAgent]:
    started: list[AgentProcess] = []

    def start_agent(toml: str, **variables: str) -> AgentProcess:
        directory = root / f"agent{len(started)}"
        directory.mkdir()
        (directory / "agent.toml").write_text(toml)
        (directory / "system_prompt.txt").write_text(PROMPT)
        fixed = {"LISTEN_ADDRESS": "127.0.0.1", "PORT_HTTP": "0", "PORT_METRICS": "0", "DRAIN_DELAY_SECONDS": "0"}
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", RUN) if name in os.environ}
        started.append(AgentProcess(directory, inherited | fixed | variables).start())
        return started[-1]

    yield start_agent
    for agent in started:
        agent.stop()


def agent_toml(*models: str, memory: str = "") -> str:
    """Return an agent.toml with these model tables."""
    tables = "\n".join(f"[[agent.models]]\n{model}" for model in models)
    return f'[agent]\nlog_level = "DEBUG"\n{tables}\n{memory}'


ECHO = 'name = "echo"\nprovider = "echo"'


def openai_model(server: ModelServer) -> str:
    """Return a model table for the fake model server."""
    return f'name = "gpt"\nprovider = "openai"\nmodel = "gpt-4o"\nbase_url = "{server.url}/v1"'


def azure_model() -> str:
    """Return a model table without an endpoint, which the environment sets."""
    return 'name = "azure_openai"\nprovider = "azure_openai"\ndeployment = "gpt 4o"\napi_version = "2024-10-01-preview"'


def redis_memory(server: RedisServer, ttl: int = 300) -> str:
    """Return the memory table for this Redis."""
    return f'[agent.memory.cache]\nenabled = true\nhost = "127.0.0.1"\nport = {server.port}\nttl = {ttl}\n'

"""The number of round trips to Redis per turn, counted by a proxy."""

import re
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml
from tests.integration.agent_runtime.processes import RedisServer

PING = b"*1\r\n$4\r\nPING\r\n"
EVENTS = {"Accept": "text/event-stream"}


class CountingProxy:
    """A TCP proxy in front of Redis that records the commands of each round trip."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._lock = threading.Lock()
        self._in_request = False
        self._requests: list[bytes] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def round_trips(self) -> list[list[str]]:
        """The commands of each round trip, without health probes."""
        with self._lock:
            requests = [request for request in self._requests if request != PING]
        return [re.findall(r"\*\d+\r\n\$\d+\r\n([A-Z]+)\r\n", request.decode()) for request in requests]

    def clear(self) -> None:
        """Delete the recorded round trips."""
        with self._lock:
            self._requests, self._in_request = [], False

    def close(self) -> None:
        """Stop accepting connections."""
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            redis = socket.create_connection(("127.0.0.1", self._target))
            for source, sink, from_client in ((client, redis, True), (redis, client, False)):
                threading.Thread(target=self._forward, args=(source, sink, from_client), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        with source:
            while data := source.recv(65536):
                with self._lock:
                    if from_client and self._in_request:
                        self._requests[-1] += data
                    elif from_client:
                        self._requests.append(data)
                    self._in_request = from_client
                sink.sendall(data)
            sink.close()


@pytest.fixture
def proxy() -> Iterator[CountingProxy]:
    """A proxy in front of an empty Redis."""
    redis = RedisServer()
    proxy = CountingProxy(redis.port)
    yield proxy
    proxy.close()
    redis.stop()


@pytest.fixture
def agent(start_agent: StartAgent, proxy: CountingProxy) -> AgentProcess:
    """An agent that uses Redis through the proxy and has answered one message."""
    memory = f'[agent.memory.cache]\nhost = "127.0.0.1"\nport = {proxy.port}\n'
    agent = start_agent(agent_toml(ECHO, memory=memory)).ready()
    agent.http.post("/api/chat", json={"message": "warm up", "session_id": "s"}).raise_for_status()
    proxy.clear()
    return agent


@pytest.mark.parametrize("headers", [{}, EVENTS])
def test_a_turn_takes_two_round_trips(agent: AgentProcess, proxy: CountingProxy, headers: dict[str, str]) -> None:
    """One reads and one writes, for streams too. All turns share one connection."""
    turns = 5
    for number in range(turns):
        body = {"message": f"m{number}", "session_id": "s"}
        assert agent.http.post("/api/chat", json=body, headers=headers).status_code == 200

    assert proxy.round_trips == turns * [["LRANGE"], ["MULTI", "RPUSH", "LTRIM", "EXPIRE", "EXEC"]]
    assert proxy.connections == 1


def test_a_completion_takes_no_round_trip(agent: AgentProcess, proxy: CountingProxy) -> None:
    """The OpenAI API is stateless."""
    body = {"messages": [{"role": "user", "content": "hi"}]}

    assert agent.http.post("/v1/chat/completions", json=body).status_code == 200

    assert proxy.round_trips == []

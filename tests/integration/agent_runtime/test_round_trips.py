"""What a turn costs at Redis, counted on the wire between the two."""

import re
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, RedisServer, StartAgent, agent_toml

PING = b"*1\r\n$4\r\nPING\r\n"
EVENTS = {"Accept": "text/event-stream"}


class Wire:
    """A port that leads to a Redis, and all that goes over it: the words of each round trip."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._lock = threading.Lock()
        self._asking = False
        self._asked: list[bytes] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def round_trips(self) -> list[list[str]]:
        """The commands of each, without looks at whether Redis is there."""
        with self._lock:
            asked = [text for text in self._asked if text != PING]
        return [re.findall(r"\*\d+\r\n\$\d+\r\n([A-Z]+)\r\n", text.decode()) for text in asked]

    def clear(self) -> None:
        """Forget what was there."""
        with self._lock:
            self._asked, self._asking = [], False

    def close(self) -> None:
        """Let nobody in any more."""
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            redis = socket.create_connection(("127.0.0.1", self._target))
            for source, sink, asking in ((client, redis, True), (redis, client, False)):
                threading.Thread(target=self._carry, args=(source, sink, asking), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, asking: bool) -> None:
        with source:
            while data := source.recv(65536):
                with self._lock:
                    if asking and self._asking:
                        self._asked[-1] += data
                    elif asking:
                        self._asked.append(data)
                    self._asking = asking
                sink.sendall(data)
            sink.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A wire to an empty Redis."""
    redis = RedisServer()
    wire = Wire(redis.port)
    yield wire
    wire.close()
    redis.stop()


@pytest.fixture
def agent(start_agent: StartAgent, wire: Wire) -> AgentProcess:
    """An agent that remembers over the wire, and has begun to."""
    memory = f'[agent.memory.cache]\nhost = "127.0.0.1"\nport = {wire.port}\n'
    agent = start_agent(agent_toml(ECHO, memory=memory)).ready()
    agent.http.post("/api/chat", json={"message": "warm up", "session_id": "s"}).raise_for_status()
    wire.clear()
    return agent


@pytest.mark.parametrize("headers", [{}, EVENTS])
def test_a_turn_takes_two_round_trips(agent: AgentProcess, wire: Wire, headers: dict[str, str]) -> None:
    """One to read and one to write, streamed or not, over the one connection that is there."""
    turns = 5
    for number in range(turns):
        body = {"message": f"m{number}", "session_id": "s"}
        assert agent.http.post("/api/chat", json=body, headers=headers).status_code == 200

    assert wire.round_trips == turns * [["LRANGE"], ["MULTI", "RPUSH", "LTRIM", "EXPIRE", "EXEC"]]
    assert wire.connections == 1


def test_a_completion_takes_none(agent: AgentProcess, wire: Wire) -> None:
    """It has no memory."""
    body = {"messages": [{"role": "user", "content": "hi"}]}

    assert agent.http.post("/v1/chat/completions", json=body).status_code == 200

    assert wire.round_trips == []

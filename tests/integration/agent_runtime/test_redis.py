"""Conversations in a real Redis."""

import threading
from collections.abc import Iterator

import pytest

from tests.integration.agent_runtime.conftest import (
    CANARIES,
    ECHO,
    AgentProcess,
    ModelServer,
    RedisServer,
    StartAgent,
    agent_toml,
    eventually,
    openai_model,
    redis_memory,
)

PASSWORD = CANARIES["REDIS_PASSWORD"]


def say(agent: AgentProcess, message: str, session: str = "s") -> int:
    """Send a message; the status."""
    return agent.http.post("/api/chat", json={"message": message, "session_id": session}).status_code


def contents(agent: AgentProcess, session: str = "s") -> list[str]:
    """What the session holds."""
    return [message["content"] for message in agent.http.get(f"/api/sessions/{session}").json().get("messages", [])]


def redis_health(agent: AgentProcess) -> str:
    """The status of the component redis."""
    components = {one["name"]: one for one in agent.http.get("/health").json()["components"]}
    return str(components["redis"]["status"])


@pytest.fixture
def open_redis() -> Iterator[RedisServer]:
    """A Redis without a password, to be asked by the test itself."""
    server = RedisServer()
    yield server
    server.stop()


def test_another_replica_goes_on_with_the_session(start_agent: StartAgent, redis_server: RedisServer) -> None:
    """What one process remembered, another shows; and what it forgets is forgotten for both."""
    config = agent_toml(ECHO, memory=redis_memory(redis_server))
    one, other = (start_agent(config, REDIS_PASSWORD=PASSWORD).ready() for _ in range(2))

    say(one, "first")
    say(other, "second")

    assert contents(one) == contents(other) == ["first", "first", "second", "second"]
    assert other.http.delete("/api/sessions/s").status_code == 204
    assert contents(one) == []


def test_a_turn_is_one_round_trip_to_read_and_one_to_write(start_agent: StartAgent, open_redis: RedisServer) -> None:
    """Counted by Redis: LRANGE, then RPUSH, LTRIM and EXPIRE in one transaction; the key has prefix and TTL."""
    agent = start_agent(agent_toml(ECHO, memory=redis_memory(open_redis, ttl=77))).ready()
    say(agent, "warm up")
    open_redis.command("CONFIG", "RESETSTAT")

    say(agent, "hi")

    stats = open_redis.command("INFO", "commandstats").decode()
    called = {line.split(":")[0].removeprefix("cmdstat_") for line in stats.splitlines() if line.startswith("cmdstat_")}
    assert called - {"config|resetstat", "info", "ping"} == {"lrange", "multi", "rpush", "ltrim", "expire", "exec"}
    assert open_redis.command("TTL", "chat:s") == b":77\r\n"
    assert open_redis.command("LLEN", "chat:s") == b":2\r\n"


def test_turns_of_one_session_never_interleave_or_get_lost(
    start_agent: StartAgent, open_redis: RedisServer, model_server: ModelServer
) -> None:
    """Sixteen at once: every message is there, each followed by its own answer."""
    agent = start_agent(agent_toml(openai_model(model_server), memory=redis_memory(open_redis))).ready()
    threads = [threading.Thread(target=say, args=(agent, f"m{n}")) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    said = contents(agent)

    assert sorted(said[::2]) == sorted(f"m{n}" for n in range(16))
    assert said[1::2] == [f"model: {message}" for message in said[::2]]


def test_redis_down_degrades_and_heals_without_losing_a_turn(start_agent: StartAgent, open_redis: RedisServer) -> None:
    """Answers go on with what this pod remembers; once Redis is back, what it missed is written to it."""
    agent = start_agent(agent_toml(ECHO, memory=redis_memory(open_redis))).ready()
    say(agent, "before")
    open_redis.stop()

    assert say(agent, "during") == 200
    assert contents(agent) == ["before", "before", "during", "during"]
    assert agent.http.delete("/api/sessions/s").json()["code"] == "memory_unavailable"
    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")
    assert agent.http.get("/health").status_code == 200
    assert agent.http.get("/health/ready").status_code == 200

    again = RedisServer(port=open_redis.port)
    try:
        eventually("redis is healthy", lambda: redis_health(agent) == "healthy")
        # The new Redis is empty: it has what was missed, not what the old one took with it.
        assert contents(agent) == ["during", "during"]
        assert again.command("LLEN", "chat:s") == b":1\r\n"
    finally:
        again.stop()


def test_redis_absent_at_the_start(start_agent: StartAgent, open_redis: RedisServer) -> None:
    """The agent starts, answers and says degraded."""
    open_redis.stop()

    agent = start_agent(agent_toml(ECHO, memory=redis_memory(open_redis))).ready()

    assert say(agent, "hi") == 200
    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")


def test_a_full_redis_degrades(start_agent: StartAgent, open_redis: RedisServer) -> None:
    """Turns that Redis has no room for are kept in the pod, and written when there is room."""
    agent = start_agent(agent_toml(ECHO, memory=redis_memory(open_redis))).ready()
    open_redis.command("CONFIG", "SET", "maxmemory", "1")

    assert say(agent, "kept") == 200
    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")
    assert contents(agent) == ["kept", "kept"]

    open_redis.command("CONFIG", "SET", "maxmemory", "0")
    eventually("written", lambda: open_redis.command("LLEN", "chat:s") == b":1\r\n")


def test_a_slow_redis_delays_one_request_only(start_agent: StartAgent, open_redis: RedisServer) -> None:
    """After the first timeout nobody waits for it until it answers again."""
    agent = start_agent(agent_toml(ECHO, memory=redis_memory(open_redis))).ready()
    open_redis.command("CLIENT", "PAUSE", "4000", "ALL")

    assert [say(agent, f"m{n}") for n in range(5)] == [200] * 5

    slow = [line for line in agent.log("request") if line.get("session") and line["duration_ms"] > 900]
    assert len(slow) == 1
    eventually("healthy", lambda: redis_health(agent) == "healthy")
    assert len(contents(agent)) == 10


@pytest.mark.parametrize("password", [{}, {"REDIS_PASSWORD": "not-the-canary"}])
def test_a_wrong_password_is_named(
    start_agent: StartAgent, redis_server: RedisServer, password: dict[str, str]
) -> None:
    """Health says which variable to check; the agent answers."""
    agent = start_agent(agent_toml(ECHO, memory=redis_memory(redis_server)), **password).ready()

    eventually("it is named", lambda: "check REDIS_PASSWORD" in agent.http.get("/health").text)

    assert say(agent, "hi") == 200


def test_history_is_bounded(start_agent: StartAgent, open_redis: RedisServer) -> None:
    """The fifty latest turns are kept."""
    agent = start_agent(agent_toml(ECHO, memory=redis_memory(open_redis))).ready()

    for number in range(55):
        say(agent, str(number))

    assert open_redis.command("LLEN", "chat:s") == b":50\r\n"
    assert contents(agent)[0] == "5"

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
    Start,
    eventually,
    openai_model,
    redis_memory,
    toml,
)

PASSWORD = CANARIES["REDIS_PASSWORD"]


def say(agent: AgentProcess, message: str, session: str = "s") -> int:
    """Send a message; the status."""
    return agent.http.post("/api/chat", json={"message": message, "session_id": session}).status_code


def contents(agent: AgentProcess, session: str = "s") -> list[str]:
    """The messages of the session."""
    return [message["content"] for message in agent.http.get(f"/api/sessions/{session}").json().get("messages", [])]


def redis_health(agent: AgentProcess) -> str:
    """The status of the component redis."""
    components = {one["name"]: one for one in agent.http.get("/health").json()["components"]}
    return str(components["redis"]["status"])


@pytest.fixture
def open_redis() -> Iterator[RedisServer]:
    """A Redis without a password, for requests of the test."""
    server = RedisServer()
    yield server
    server.stop()


def test_another_replica_continues_the_session(start: Start, redis_server: RedisServer) -> None:
    """Another process returns the messages of the first one, and a deleted session is deleted for both."""
    config = toml(ECHO, memory=redis_memory(redis_server))
    one, other = (start(config, REDIS_PASSWORD=PASSWORD).ready() for _ in range(2))

    say(one, "first")
    say(other, "second")

    assert contents(one) == contents(other) == ["first", "first", "second", "second"]
    assert other.http.delete("/api/sessions/s").status_code == 204
    assert contents(one) == []


def test_a_turn_is_one_round_trip_to_read_and_one_to_write(start: Start, open_redis: RedisServer) -> None:
    """Counted by Redis: LRANGE, then RPUSH, LTRIM and EXPIRE in one transaction; the key has prefix and TTL."""
    agent = start(toml(ECHO, memory=redis_memory(open_redis, ttl=77))).ready()
    say(agent, "warm up")
    open_redis.command("CONFIG", "RESETSTAT")

    say(agent, "hi")

    stats = open_redis.command("INFO", "commandstats").decode()
    called = {line.split(":")[0].removeprefix("cmdstat_") for line in stats.splitlines() if line.startswith("cmdstat_")}
    assert called - {"config|resetstat", "info", "ping"} == {"lrange", "multi", "rpush", "ltrim", "expire", "exec"}
    assert open_redis.command("TTL", "chat:s") == b":77\r\n"
    assert open_redis.command("LLEN", "chat:s") == b":2\r\n"


def test_concurrent_turns_of_a_session_are_serialized(
    start: Start, open_redis: RedisServer, model_server: ModelServer
) -> None:
    """After sixteen at once every message is stored, followed by its own answer."""
    agent = start(toml(openai_model(model_server), memory=redis_memory(open_redis))).ready()
    threads = [threading.Thread(target=say, args=(agent, f"m{n}")) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    said = contents(agent)

    assert sorted(said[::2]) == sorted(f"m{n}" for n in range(16))
    assert said[1::2] == [f"model: {message}" for message in said[::2]]


def test_an_outage_of_redis_degrades_health_and_loses_no_turn(start: Start, open_redis: RedisServer) -> None:
    """The pod continues from its own memory, and writes the missed turns when Redis is back."""
    agent = start(toml(ECHO, memory=redis_memory(open_redis))).ready()
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
        # The new Redis is empty, so it has only the missed turns.
        assert contents(agent) == ["during", "during"]
        assert again.command("LLEN", "chat:s") == b":1\r\n"
    finally:
        again.stop()


def test_the_agent_starts_without_redis(start: Start, open_redis: RedisServer) -> None:
    """The agent answers, and its health is degraded."""
    open_redis.stop()

    agent = start(toml(ECHO, memory=redis_memory(open_redis))).ready()

    assert say(agent, "hi") == 200
    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")


def test_a_full_redis_degrades_health(start: Start, open_redis: RedisServer) -> None:
    """Turns that Redis rejects are kept in the pod, and written when Redis has memory again."""
    agent = start(toml(ECHO, memory=redis_memory(open_redis))).ready()
    open_redis.command("CONFIG", "SET", "maxmemory", "1")

    assert say(agent, "kept") == 200
    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")
    assert contents(agent) == ["kept", "kept"]

    open_redis.command("CONFIG", "SET", "maxmemory", "0")
    eventually("written", lambda: open_redis.command("LLEN", "chat:s") == b":1\r\n")


def test_a_slow_redis_delays_one_request_only(start: Start, open_redis: RedisServer) -> None:
    """After the first timeout, requests do not wait for Redis until it responds again."""
    agent = start(toml(ECHO, memory=redis_memory(open_redis))).ready()
    open_redis.command("CLIENT", "PAUSE", "4000", "ALL")

    assert [say(agent, f"m{n}") for n in range(5)] == [200] * 5

    slow = [line for line in agent.log("request") if line.get("session") and line["duration_ms"] > 900]
    assert len(slow) == 1
    eventually("healthy", lambda: redis_health(agent) == "healthy")
    assert len(contents(agent)) == 10


@pytest.mark.parametrize("password", [{}, {"REDIS_PASSWORD": "not-the-canary"}])
def test_a_wrong_password_is_named(start: Start, redis_server: RedisServer, password: dict[str, str]) -> None:
    """Health names the variable to check; the agent answers."""
    agent = start(toml(ECHO, memory=redis_memory(redis_server)), **password).ready()

    eventually("it is named", lambda: "check REDIS_PASSWORD" in agent.http.get("/health").text)

    assert say(agent, "hi") == 200


def test_history_is_bounded(start: Start, open_redis: RedisServer) -> None:
    """The latest fifty turns are kept."""
    agent = start(toml(ECHO, memory=redis_memory(open_redis))).ready()

    for number in range(55):
        say(agent, str(number))

    assert open_redis.command("LLEN", "chat:s") == b":50\r\n"
    assert contents(agent)[0] == "5"

"""Sessions in a real Redis."""

import threading
from collections.abc import Iterator

import pytest

from tests.integration.agent_runtime.conftest import (
    CANARIES,
    ECHO,
    AgentProcess,
    StartAgent,
    agent_toml,
    openai_model,
    redis_memory,
)
from tests.integration.agent_runtime.processes import ModelServer, RedisServer
from tests.polling import eventually

PASSWORD = CANARIES["REDIS_PASSWORD"]


def send_message(agent: AgentProcess, message: str, session: str = "s") -> int:
    """Send a message; return the status of the response."""
    return agent.http.post("/api/chat", json={"message": message, "session_id": session}).status_code


def session_contents(agent: AgentProcess, session: str = "s") -> list[str]:
    """Return the contents of the messages of a session."""
    return [message["content"] for message in agent.http.get(f"/api/sessions/{session}").json().get("messages", [])]


def redis_health(agent: AgentProcess) -> str:
    """Return the status of the component redis."""
    components = {component["name"]: component for component in agent.http.get("/health").json()["components"]}
    return str(components["redis"]["status"])


@pytest.fixture
def open_redis() -> Iterator[RedisServer]:
    """A Redis without a password, so that the test can send commands to it."""
    server = RedisServer()
    yield server
    server.stop()


def test_replicas_share_sessions(start_agent: StartAgent, redis_server: RedisServer) -> None:
    """A session of one replica continues on another, and is deleted on both."""
    config = agent_toml(ECHO, memory=redis_memory(redis_server))
    one, other = (start_agent(config, REDIS_PASSWORD=PASSWORD).ready() for _ in range(2))

    send_message(one, "first")
    send_message(other, "second")

    assert session_contents(one) == session_contents(other) == ["first", "first", "second", "second"]
    assert other.http.delete("/api/sessions/s").status_code == 204
    assert session_contents(one) == []


def test_a_turn_is_one_round_trip_to_read_and_one_to_write(start_agent: StartAgent, open_redis: RedisServer) -> None:
    """Redis counts LRANGE, then RPUSH, LTRIM and EXPIRE in one transaction. The key has the prefix and the TTL."""
    agent = start_agent(agent_toml(ECHO, memory=redis_memory(open_redis, ttl=77))).ready()
    send_message(agent, "warm up")
    open_redis.command("CONFIG", "RESETSTAT")

    send_message(agent, "hi")

    stats = open_redis.command("INFO", "commandstats").decode()
    commands = {
        line.split(":")[0].removeprefix("cmdstat_") for line in stats.splitlines() if line.startswith("cmdstat_")
    }
    assert commands - {"config|resetstat", "info", "ping"} == {"lrange", "multi", "rpush", "ltrim", "expire", "exec"}
    assert open_redis.command("TTL", "chat:s") == b":77\r\n"
    assert open_redis.command("LLEN", "chat:s") == b":2\r\n"


def test_concurrent_turns_of_a_session_are_complete_and_in_order(
    start_agent: StartAgent, open_redis: RedisServer, model_server: ModelServer
) -> None:
    """After sixteen concurrent messages, each message is followed by its answer."""
    agent = start_agent(agent_toml(openai_model(model_server), memory=redis_memory(open_redis))).ready()
    threads = [threading.Thread(target=send_message, args=(agent, f"m{n}")) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    contents = session_contents(agent)

    assert sorted(contents[::2]) == sorted(f"m{n}" for n in range(16))
    assert contents[1::2] == [f"model: {message}" for message in contents[::2]]


def test_an_outage_of_redis_degrades_the_agent_and_loses_no_turn(
    start_agent: StartAgent, open_redis: RedisServer
) -> None:
    """During the outage the pod uses its own memory. After the outage it writes the missing turns to Redis."""
    agent = start_agent(agent_toml(ECHO, memory=redis_memory(open_redis))).ready()
    send_message(agent, "before")
    open_redis.stop()

    assert send_message(agent, "during") == 200
    assert session_contents(agent) == ["before", "before", "during", "during"]
    assert agent.http.delete("/api/sessions/s").json()["code"] == "memory_unavailable"
    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")
    assert agent.http.get("/health").status_code == 200
    assert agent.http.get("/health/ready").status_code == 200

    restarted = RedisServer(port=open_redis.port)
    try:
        eventually("redis is healthy", lambda: redis_health(agent) == "healthy")
        # The new Redis starts empty, so it has only the turn that the agent could not write before.
        assert session_contents(agent) == ["during", "during"]
        assert restarted.command("LLEN", "chat:s") == b":1\r\n"
    finally:
        restarted.stop()


def test_the_agent_starts_without_redis(start_agent: StartAgent, open_redis: RedisServer) -> None:
    """The agent answers, and its health is degraded."""
    open_redis.stop()

    agent = start_agent(agent_toml(ECHO, memory=redis_memory(open_redis))).ready()

    assert send_message(agent, "hi") == 200
    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")


def test_a_full_redis_degrades_the_agent(start_agent: StartAgent, open_redis: RedisServer) -> None:
    """The pod keeps turns that Redis refuses, and writes them when Redis has memory again."""
    agent = start_agent(agent_toml(ECHO, memory=redis_memory(open_redis))).ready()
    open_redis.command("CONFIG", "SET", "maxmemory", "1")

    assert send_message(agent, "hi") == 200
    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")
    assert session_contents(agent) == ["hi", "hi"]

    open_redis.command("CONFIG", "SET", "maxmemory", "0")
    eventually("the turn is written", lambda: open_redis.command("LLEN", "chat:s") == b":1\r\n")


def test_a_slow_redis_delays_only_one_request(start_agent: StartAgent, open_redis: RedisServer) -> None:
    """After the first timeout, requests do not wait for Redis until it answers a probe."""
    agent = start_agent(agent_toml(ECHO, memory=redis_memory(open_redis))).ready()
    open_redis.command("CLIENT", "PAUSE", "4000", "ALL")

    assert [send_message(agent, f"m{n}") for n in range(5)] == [200] * 5

    slow = [line for line in agent.log("request") if line.get("session") and line["duration_ms"] > 900]
    assert len(slow) == 1
    eventually("healthy", lambda: redis_health(agent) == "healthy")
    assert len(session_contents(agent)) == 10


@pytest.mark.parametrize("password", [{}, {"REDIS_PASSWORD": "not-the-canary"}])
def test_health_names_the_variable_of_a_wrong_password(
    start_agent: StartAgent, redis_server: RedisServer, password: dict[str, str]
) -> None:
    """The agent still answers."""
    agent = start_agent(agent_toml(ECHO, memory=redis_memory(redis_server)), **password).ready()

    eventually("the variable is named", lambda: "check REDIS_PASSWORD" in agent.details().text)

    assert send_message(agent, "hi") == 200


def test_a_session_keeps_its_last_fifty_turns(start_agent: StartAgent, open_redis: RedisServer) -> None:
    """Redis drops older turns."""
    agent = start_agent(agent_toml(ECHO, memory=redis_memory(open_redis))).ready()

    for number in range(55):
        send_message(agent, str(number))

    assert open_redis.command("LLEN", "chat:s") == b":50\r\n"
    assert session_contents(agent)[0] == "5"

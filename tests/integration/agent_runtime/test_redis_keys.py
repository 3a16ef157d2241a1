"""Keys in Redis that something else has broken. The fault concerns only what the key belongs to."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import pytest

from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml, redis_memory
from tests.integration.agent_runtime.processes import RedisServer
from tests.polling import eventually


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis without a password."""
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, redis: RedisServer) -> AgentProcess:
    """An agent with a budget, whose sessions are in the Redis."""
    more = redis_memory(redis) + "[agent.budget]\ntokens_per_day = 1000000\n"
    return start_shared_agent(agent_toml(ECHO, memory=more)).ready()


def say(agent: AgentProcess, session: str, message: str = "hi") -> httpx2.Response:
    """Send a message."""
    return agent.http.post("/api/chat", json={"message": message, "session_id": session})


def turns_of(redis: RedisServer, session: str) -> bytes:
    """Return the number of turns that Redis has of a session."""
    return redis.command("LLEN", f"chat:{session}").strip()


def is_memory_on(agent: AgentProcess, redis: RedisServer, session: str) -> bool:
    """Whether a turn of this new session is in Redis after its response."""
    return say(agent, session).status_code == 200 and turns_of(redis, session) == b":1"


@pytest.mark.parametrize(
    "key",
    [
        ("SET", "text"),
        ("SET", ""),
        ("HSET", "field", "value"),
        ("SADD", "member"),
        ("ZADD", "1", "member"),
        ("XADD", "*", "field", "value"),
    ],
    ids=lambda key: key[0],
)
def test_a_session_whose_key_has_another_type_is_remembered_by_the_pod(
    agent: AgentProcess, redis: RedisServer, key: tuple[str, ...]
) -> None:
    """The key is left alone, and other sessions are in Redis at once."""
    name, *values = key
    session = f"broken-{name}-{len(values[0])}"
    redis.command(name, f"chat:{session}", *values)
    before = redis.command("TYPE", f"chat:{session}")

    for number in range(3):
        assert say(agent, session, f"m{number}").status_code == 200
        assert is_memory_on(agent, redis, f"well-{session}-{number}")

    messages = agent.http.get(f"/api/sessions/{session}").json()["messages"]
    assert [message["content"] for message in messages] == ["m0", "m0", "m1", "m1", "m2", "m2"]
    assert redis.command("TYPE", f"chat:{session}") == before
    assert agent.http.delete(f"/api/sessions/{session}").status_code == 204
    assert is_memory_on(agent, redis, session)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "{",
        "[]",
        "null",
        "x" * 1000,
        "[" * 100_000,
        json.dumps({"id": 1, "messages": [[1]], "tokens": 1}),
        "9" * 5000,
    ],
    ids=lambda entry: entry[:20],
)
def test_corrupt_turns_are_left_out(agent: AgentProcess, redis: RedisServer, entry: str) -> None:
    session = f"corrupt-{abs(hash(entry))}"
    say(agent, session, "before")
    redis.command("RPUSH", f"chat:{session}", entry)

    assert say(agent, session, "after").status_code == 200

    messages = agent.http.get(f"/api/sessions/{session}").json()["messages"]
    assert [message["content"] for message in messages] == ["before", "before", "after", "after"]
    assert turns_of(redis, session) == b":3"


def test_only_the_end_of_a_huge_list_is_read(agent: AgentProcess, redis: RedisServer) -> None:
    """The list has 600,000 entries, and the session continues at once."""
    say(agent, "huge", "first")
    script = "for i = 1, 600 do redis.call('LPUSH', KEYS[1], unpack(ARGV)) end return 1"
    redis.command("EVAL", script, "1", "chat:huge", *["x" * 20] * 1000)
    assert turns_of(redis, "huge") == b":600001"

    assert say(agent, "huge", "second").status_code == 200

    messages = agent.http.get("/api/sessions/huge").json()["messages"]
    assert [message["content"] for message in messages] == ["first", "first", "second", "second"]
    assert turns_of(redis, "huge") == b":50"


def call(agent: AgentProcess, method: str, **params: object) -> dict[str, object]:
    """Return the response of a JSON-RPC call."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer: dict[str, object] = agent.http.post("/a2a", json=body).json()
    return answer


def test_broken_keys_of_tasks_concern_only_these_tasks(agent: AgentProcess, redis: RedisServer) -> None:
    redis.command("RPUSH", "chat:a2a:task:list", "x")
    redis.command("SET", "chat:a2a:task:json", "{")
    redis.command("SET", "chat:a2a:task:deep", "[" * 100_000)
    redis.command("DEL", "chat:a2a:index")
    redis.command("SET", "chat:a2a:index", "x")

    for task in ("list", "json", "deep"):
        assert "error" in call(agent, "GetTask", id=task)
    message = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
    assert "result" in call(agent, "SendMessage", message=message)
    assert is_memory_on(agent, redis, "after-tasks")


def test_a_broken_budget_counts_per_replica(agent: AgentProcess, redis: RedisServer) -> None:
    """The replica exchanges its count every second, but logs the broken key once."""
    key = f"chat:budget:{datetime.now(UTC).date().isoformat()}"
    for value in ("no number", "9223372036854775807"):
        redis.command("SET", key, value)
        assert say(agent, "spend").status_code == 200
        eventually("the budget is not counted", lambda: agent.log("a key in redis is broken"))
        assert is_memory_on(agent, redis, f"after-budget-{value[:2]}")
    redis.command("DEL", key)

    keys = [line["key"] for line in agent.log("a key in redis is broken")]
    assert len(keys) == len(set(keys))

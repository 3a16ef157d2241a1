"""A2A tasks of several replicas that share a Redis; what the SDK's client sees of them is in clients/test_a2a.py."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_runtime import environment
from agent_runtime.a2a.shared import LEASE, SharedTasks
from agent_runtime.a2a.tasks import TTL, Task, TaskState
from agent_runtime.config import CacheConfig
from agent_runtime.memory.redis import RedisStore
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
NOT_FOUND, NOT_CANCELABLE = -32001, -32002


def call(agent: AgentProcess, method: str, headers: dict[str, str] | None = None, **params: Any) -> dict[str, Any]:
    """The answer to a call."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answered: dict[str, Any] = agent.http.post("/a2a", json=body, headers=headers).json()
    return answered


def send(agent: AgentProcess, headers: dict[str, str] | None = None, *, wait: bool = True) -> dict[str, Any]:
    """The task that a message became."""
    message = {"messageId": "1", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
    configuration = {"returnImmediately": not wait}
    task: dict[str, Any] = call(agent, "SendMessage", headers, message=message, configuration=configuration)["result"]
    return task["task"]  # type: ignore[no-any-return]  # JSON


@pytest.fixture
def replicas(
    start_agent: StartAgent, model_server: ModelServer, redis_server: RedisServer
) -> tuple[AgentProcess, AgentProcess]:
    """Two of them."""
    config = agent_toml(openai_model(model_server), memory=redis_memory(redis_server))
    one, other = (start_agent(config, REDIS_PASSWORD=PASSWORD) for _ in "ab")
    return one.ready(), other.ready()


def test_a_task_outlives_its_replica_for_a_moment_only(
    replicas: tuple[AgentProcess, AgentProcess], model_server: ModelServer, redis_server: RedisServer
) -> None:
    """One that was worked on when the replica died can be cancelled, and is forgotten soon; one that ended stays."""
    one, other = replicas
    ended = send(one)
    model_server.script(completions=[{"delay": 60}, {"delay": 60}])
    lost, cancelled = (send(one, wait=False)["id"] for _ in "ab")
    one.process.kill()
    one.process.wait()

    assert call(other, "GetTask", id=ended["id"])["result"] == ended
    assert call(other, "GetTask", id=lost)["result"]["status"]["state"] == "TASK_STATE_WORKING"
    assert call(other, "CancelTask", id=cancelled)["result"]["status"]["state"] == "TASK_STATE_CANCELED"
    assert call(other, "CancelTask", id=cancelled)["error"]["code"] == NOT_CANCELABLE
    eventually("it is forgotten", lambda: "error" in call(other, "GetTask", id=lost))
    assert call(other, "GetTask", id=lost)["error"]["code"] == NOT_FOUND


def test_without_redis_a_task_is_known_to_its_replica(
    replicas: tuple[AgentProcess, AgentProcess], model_server: ModelServer, redis_server: RedisServer
) -> None:
    """Nobody gets an error because of it."""
    one, other = replicas
    redis_server.stop()

    task = send(one)

    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert call(one, "GetTask", id=task["id"])["result"] == task
    assert call(other, "GetTask", id=task["id"])["error"]["code"] == NOT_FOUND
    assert call(other, "CancelTask", id=task["id"])["error"]["code"] == NOT_FOUND


def test_keys_keep_tasks_apart_on_every_replica(
    start_agent: StartAgent, redis_server: RedisServer, tmp_path: Path
) -> None:
    """The key that gave a task finds it anywhere, another nowhere."""
    (tmp_path / "keys").write_text("key-one\nkey-two\n")
    tables = redis_memory(redis_server) + f'[agent.server]\napi_keys_file = "{tmp_path / "keys"}"\n'
    one, other = (start_agent(agent_toml(ECHO, memory=tables), REDIS_PASSWORD=PASSWORD).ready() for _ in "ab")
    mine, theirs = ({"Authorization": f"Bearer {key}"} for key in ("key-one", "key-two"))

    task = send(one, mine)

    assert call(other, "GetTask", mine, id=task["id"])["result"] == task
    for replica in (one, other):
        assert call(replica, "GetTask", theirs, id=task["id"])["error"]["code"] == NOT_FOUND


@pytest.fixture
def open_redis() -> Iterator[RedisServer]:
    """A Redis without a password, to be asked by the test itself."""
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
async def store(open_redis: RedisServer) -> AsyncIterator[RedisStore]:
    """What a replica has of it."""
    store = RedisStore(CacheConfig(host="127.0.0.1", port=open_redis.port), environment.read({}), asyncio.Event())
    yield store
    await store.aclose()


async def test_tasks_in_redis_are_bounded(store: RedisStore, open_redis: RedisServer) -> None:
    """In number, the oldest first out; and in time, from the end on or from the last sign of life."""
    shared = SharedTasks(store, max_tasks=3)
    tasks = [Task("me", "context", str(number), "hi") for number in range(5)]
    for task in tasks:
        task.set_state(TaskState.WORKING)
        await shared.begin(task)

    found = [await shared.find(task.id) for task in tasks]
    assert [one.message_id if one else None for one in found] == [None, None, "2", "3", "4"]
    key = f"chat:a2a:task:{tasks[4].id}"
    assert 0 < int(open_redis.command("TTL", key)[1:]) <= LEASE
    tasks[4].set_state(TaskState.COMPLETED)
    await shared.end(tasks[4])
    assert LEASE < int(open_redis.command("TTL", key)[1:]) <= TTL


async def test_a_task_is_read_as_it_was_written(store: RedisStore) -> None:
    """Every field, and to the microsecond when it ended."""
    shared = SharedTasks(store)
    task = Task("me", "context", "message", "häß\u2028?")
    await shared.begin(task)
    task.append("a")
    task.append("b")
    task.set_state(TaskState.FAILED, "why", "code")
    await shared.end(task)

    found = await shared.find(task.id)

    assert found is not None
    assert found.remote
    for name in ("id", "owner", "context_id", "message_id", "message", "state", "reason", "code", "since", "text"):
        assert getattr(found, name) == getattr(task, name)
    assert [piece async for piece in found.follow()] == ["ab"]


@pytest.mark.parametrize("written", ["", "{", "[]", "{}", '{"how": []}'])
async def test_what_is_not_understood_is_not_there(store: RedisStore, written: str) -> None:
    """Another version's, or nobody's."""
    await store.transact(("SET", store.key("a2a:task:x"), written))

    assert await SharedTasks(store).find("x") is None


async def test_marks_are_for_the_tasks_that_are_meant(store: RedisStore) -> None:
    """Whoever is asked to cancel one, ends that one."""
    shared = SharedTasks(store)

    await shared.request_cancel("b")

    assert await shared.to_cancel(("a", "b", "c")) == ["b"]
    assert await shared.find("unknown") is None

"""A2A tasks of replicas that share a Redis; see clients/test_a2a.py for the view of the SDK's client."""

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
    StartAgent,
    agent_toml,
    openai_model,
    redis_memory,
)
from tests.integration.agent_runtime.processes import ModelServer, RedisServer
from tests.polling import eventually

PASSWORD = CANARIES["REDIS_PASSWORD"]
NOT_FOUND, NOT_CANCELABLE = -32001, -32002


def call(agent: AgentProcess, method: str, headers: dict[str, str] | None = None, **params: Any) -> dict[str, Any]:
    """Make a call; return the response."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    response: dict[str, Any] = agent.http.post("/a2a", json=body, headers=headers).json()
    return response


def send(agent: AgentProcess, headers: dict[str, str] | None = None, *, wait: bool = True) -> dict[str, Any]:
    """Send a message; return its task."""
    message = {"messageId": "1", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
    configuration = {"returnImmediately": not wait}
    result: dict[str, Any] = call(agent, "SendMessage", headers, message=message, configuration=configuration)["result"]
    task: dict[str, Any] = result["task"]
    return task


@pytest.fixture
def replicas(
    start_agent: StartAgent, model_server: ModelServer, redis_server: RedisServer
) -> tuple[AgentProcess, AgentProcess]:
    """Two replicas of an agent that share a Redis."""
    config = agent_toml(openai_model(model_server), memory=redis_memory(redis_server))
    one, other = (start_agent(config, REDIS_PASSWORD=PASSWORD) for _ in "ab")
    return one.ready(), other.ready()


def test_a_running_task_expires_soon_after_its_replica_dies(
    replicas: tuple[AgentProcess, AgentProcess], model_server: ModelServer, redis_server: RedisServer
) -> None:
    """Until then another replica can cancel it. An ended task stays available."""
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
    eventually("the task has expired", lambda: "error" in call(other, "GetTask", id=lost))
    assert call(other, "GetTask", id=lost)["error"]["code"] == NOT_FOUND


def test_without_redis_only_the_replica_of_a_task_knows_it(
    replicas: tuple[AgentProcess, AgentProcess], model_server: ModelServer, redis_server: RedisServer
) -> None:
    """The outage of Redis causes no error."""
    one, other = replicas
    redis_server.stop()

    task = send(one)

    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert call(one, "GetTask", id=task["id"])["result"] == task
    assert call(other, "GetTask", id=task["id"])["error"]["code"] == NOT_FOUND
    assert call(other, "CancelTask", id=task["id"])["error"]["code"] == NOT_FOUND


def test_every_replica_shows_a_task_only_with_its_api_key(
    start_agent: StartAgent, redis_server: RedisServer, tmp_path: Path
) -> None:
    """With another key, no replica finds the task."""
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
    """A Redis without a password, so that the test can send commands to it."""
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
async def store(open_redis: RedisServer) -> AsyncIterator[RedisStore]:
    """The store of a replica in this Redis."""
    store = RedisStore(CacheConfig(host="127.0.0.1", port=open_redis.port), environment.read({}), asyncio.Event())
    yield store
    await store.aclose()


async def test_number_and_age_of_tasks_in_redis_are_limited(store: RedisStore, open_redis: RedisServer) -> None:
    """The oldest task is dropped first. A running task expires after LEASE seconds, an ended one after TTL seconds."""
    shared = SharedTasks(store, max_tasks=3)
    tasks = [Task("me", "context", str(number), "hi") for number in range(5)]
    for task in tasks:
        task.set_state(TaskState.WORKING)
        await shared.begin(task)

    found = [await shared.find(task.id) for task in tasks]
    assert [task.message_id if task else None for task in found] == [None, None, "2", "3", "4"]
    key = f"chat:a2a:task:{tasks[4].id}"
    assert 0 < int(open_redis.command("TTL", key)[1:]) <= LEASE
    tasks[4].set_state(TaskState.COMPLETED)
    await shared.end(tasks[4])
    assert LEASE < int(open_redis.command("TTL", key)[1:]) <= TTL


async def test_a_published_task_keeps_all_its_fields(store: RedisStore) -> None:
    """The time of its end keeps its microseconds."""
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
    assert [part async for part in found.follow()] == ["ab"]


@pytest.mark.parametrize("record", ["", "{", "[]", "{}", '{"how": []}'])
async def test_a_record_in_an_unknown_format_counts_as_missing(store: RedisStore, record: str) -> None:
    """Another version of the runtime may have written it."""
    await store.transact(("SET", store.key("a2a:task:x"), record))

    assert await SharedTasks(store).find("x") is None


async def test_a_request_to_cancel_concerns_one_task(store: RedisStore) -> None:
    """The replica of another task does not see the request."""
    shared = SharedTasks(store)

    await shared.request_cancel("b")

    assert await shared.to_cancel(("a", "b", "c")) == ["b"]
    assert await shared.find("unknown") is None

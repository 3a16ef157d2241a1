"""a2a-sdk's client, in both versions of the protocol, on both agents. On the cluster every replica knows every task."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskState,
)
from a2a.utils.errors import TaskNotCancelableError, TaskNotFoundError

from tests.integration.agent_runtime.clients.conftest import Target
from tests.integration.agent_runtime.conftest import ModelServer, eventually
from tests.patience import DEADLINE

COMPLETED, CANCELED = TaskState.TASK_STATE_COMPLETED, TaskState.TASK_STATE_CANCELED
# More than the replicas: each request has its own connection, which the Service sends to the next replica.
TIMES = 6


@pytest.fixture(params=["1.0", "0.3"])
async def card(target: Target, model: ModelServer, request: pytest.FixtureRequest) -> AgentCard:
    """The agent card as the client reads it, with only one version of the protocol."""
    async with httpx.AsyncClient() as http:
        card = await A2ACardResolver(http, target.url).get_agent_card()
    spoken = [one for one in card.supported_interfaces if one.protocol_version == request.param]
    del card.supported_interfaces[:]
    card.supported_interfaces.extend(spoken)
    return card


@asynccontextmanager
async def client(card: AgentCard, *, streaming: bool = False, polling: bool = False) -> AsyncIterator[Client]:
    """A client with a connection per request."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, timeout=DEADLINE) as http:
        config = ClientConfig(streaming=streaming, polling=polling, httpx_client=http)
        yield ClientFactory(config).create(card)


def say(text: str) -> SendMessageRequest:
    """A message."""
    return SendMessageRequest(message=Message(message_id="m1", role=Role.ROLE_USER, parts=[Part(text=text)]))


async def sent(client: Client, text: str) -> Task:
    """The task of a message."""
    (response,) = [one async for one in client.send_message(say(text))]
    return response.task


async def until_completed(client: Client, task_id: str) -> Task:
    """Poll the task until it is completed."""
    for _ in range(400):
        if (task := await client.get_task(GetTaskRequest(id=task_id))).status.state == COMPLETED:
            return task
        await asyncio.sleep(0.05)
    raise AssertionError("the task was not completed")


def answer(task: Task) -> str:
    """The text of the agent."""
    return "".join(part.text for artifact in task.artifacts for part in artifact.parts)


async def test_the_card(card: AgentCard, target: Target) -> None:
    """Its URL is the one that the client used."""
    (interface,) = card.supported_interfaces

    assert interface.url == f"{target.url}/a2a"
    assert card.name
    assert card.skills


async def test_a_message(card: AgentCard) -> None:
    """It becomes a task that any replica returns."""
    async with client(card) as waiting:
        task = await sent(waiting, "one two")
        again = [await waiting.get_task(GetTaskRequest(id=task.id)) for _ in range(TIMES)]

    assert (task.status.state, answer(task)) == (COMPLETED, "model: one two")
    assert again == [task] * TIMES


async def test_a_stream(card: AgentCard) -> None:
    """The stream has the task, the chunks of its answer and its end. Afterwards every replica knows the task."""
    async with client(card, streaming=True) as streaming:
        events = [event async for event in streaming.send_message(say("one two three"))]
        task_id = events[0].task.id
        known = [await streaming.get_task(GetTaskRequest(id=task_id)) for _ in range(TIMES)]

    pieces = [event.artifact_update for event in events if event.HasField("artifact_update")]
    text = "".join(part.text for piece in pieces for part in piece.artifact.parts)
    assert text == "model: one two three"
    assert events[-1].status_update.status.state == COMPLETED
    assert {answer(task) for task in known} == {text}


async def test_a_task_under_way(card: AgentCard, model: ModelServer) -> None:
    """Every replica knows the task while it runs, and afterwards its result."""
    model.script(completions=[{"step_by_step": True}])
    async with client(card, polling=True) as polling:
        task = await sent(polling, "one")
        working = [await polling.get_task(GetTaskRequest(id=task.id)) for _ in range(TIMES)]
        for _ in range(8):
            model.go()
        ended = await until_completed(polling, task.id)

    assert {one.status.state for one in working} == {TaskState.TASK_STATE_WORKING}
    assert answer(ended) == "model: one"


async def test_cancelling(card: AgentCard, model: ModelServer) -> None:
    """Any replica can cancel a task: the request to the model is closed. A finished task cannot be cancelled."""
    async with client(card, polling=True) as polling:
        for _ in range(3):
            model.reset()
            model.script(completions=[{"step_by_step": True}])
            task = await sent(polling, "one")
            eventually("the model is asked", lambda: model.seen("/chat/completions"))

            cancelled = await polling.cancel_task(CancelTaskRequest(id=task.id))

            assert cancelled.status.state == CANCELED
            eventually("the model's call is closed", lambda: model.seen("/chat/completions")[0]["closed"])
            for _ in range(2):
                with pytest.raises(TaskNotCancelableError):
                    await polling.cancel_task(CancelTaskRequest(id=task.id))


async def test_a_stream_is_taken_up_anywhere(card: AgentCard, model: ModelServer) -> None:
    """From any replica, with the answer from its beginning."""
    model.script(completions=[{"step_by_step": True}])
    async with client(card, streaming=True) as streaming:
        task_id = (await anext(streaming.send_message(say("one two")))).task.id
        text, state = "", None
        async for event in streaming.subscribe(SubscribeToTaskRequest(id=task_id)):
            if event.HasField("task"):
                for _ in range(8):
                    model.go()
            if event.HasField("artifact_update"):
                text += "".join(part.text for part in event.artifact_update.artifact.parts)
            if event.HasField("status_update"):
                state = event.status_update.status.state

    assert (text, state) == ("model: one two", COMPLETED)


async def test_unknown_tasks(card: AgentCard) -> None:
    """On every replica."""
    async with client(card) as waiting:
        for _ in range(TIMES):
            with pytest.raises(TaskNotFoundError):
                await waiting.get_task(GetTaskRequest(id="none"))

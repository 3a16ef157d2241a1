"""The client of a2a-sdk in both protocol versions, with both agents. On the cluster any replica answers for a task."""

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
from tests.integration.agent_runtime.processes import ModelServer
from tests.patience import DEADLINE
from tests.polling import eventually

COMPLETED, CANCELED = TaskState.TASK_STATE_COMPLETED, TaskState.TASK_STATE_CANCELED
# Each request opens a connection, which the Service gives to the next replica. There are fewer replicas than requests.
TIMES = 6


@pytest.fixture(params=["1.0", "0.3"])
async def card(target: Target, model: ModelServer, request: pytest.FixtureRequest) -> AgentCard:
    """The card as the client parses it, reduced to one protocol version."""
    async with httpx.AsyncClient(verify=False) as http:
        card = await A2ACardResolver(http, target.url).get_agent_card()
    interfaces = [one for one in card.supported_interfaces if one.protocol_version == request.param]
    del card.supported_interfaces[:]
    card.supported_interfaces.extend(interfaces)
    return card


@asynccontextmanager
async def make_client(card: AgentCard, *, streaming: bool = False, polling: bool = False) -> AsyncIterator[Client]:
    """Return a client that opens a new connection for each request."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, timeout=DEADLINE, verify=False) as http:
        config = ClientConfig(streaming=streaming, polling=polling, httpx_client=http)
        yield ClientFactory(config).create(card)


def message(text: str) -> SendMessageRequest:
    """Return a request with this message."""
    return SendMessageRequest(message=Message(message_id="m1", role=Role.ROLE_USER, parts=[Part(text=text)]))


async def send(client: Client, text: str) -> Task:
    """Send a message; return its task."""
    (response,) = [one async for one in client.send_message(message(text))]
    return response.task


async def wait_until_completed(client: Client, task_id: str) -> Task:
    """Poll a task until it is completed; return it."""
    for _ in range(400):
        if (task := await client.get_task(GetTaskRequest(id=task_id))).status.state == COMPLETED:
            return task
        await asyncio.sleep(0.05)
    raise AssertionError("the task was not completed")


def answer(task: Task) -> str:
    """Return the text of the answer."""
    return "".join(part.text for artifact in task.artifacts for part in artifact.parts)


async def test_the_card_has_the_url_of_the_agent(card: AgentCard, target: Target) -> None:
    """The URL is the one that the client used."""
    (interface,) = card.supported_interfaces

    assert interface.url == f"{target.url}/a2a"
    assert card.name
    assert card.skills


async def test_every_replica_knows_a_completed_task(card: AgentCard) -> None:
    """Each of several requests for the task gets the same answer."""
    async with make_client(card) as waiting:
        task = await send(waiting, "one two")
        again = [await waiting.get_task(GetTaskRequest(id=task.id)) for _ in range(TIMES)]

    assert (task.status.state, answer(task)) == (COMPLETED, "model: one two")
    assert again == [task] * TIMES


async def test_every_replica_knows_a_streamed_task(card: AgentCard) -> None:
    """The stream has the task, its answer in parts, and its end."""
    async with make_client(card, streaming=True) as streaming:
        events = [event async for event in streaming.send_message(message("one two three"))]
        task_id = events[0].task.id
        known = [await streaming.get_task(GetTaskRequest(id=task_id)) for _ in range(TIMES)]

    updates = [event.artifact_update for event in events if event.HasField("artifact_update")]
    text = "".join(part.text for update in updates for part in update.artifact.parts)
    assert text == "model: one two three"
    assert events[-1].status_update.status.state == COMPLETED
    assert {answer(task) for task in known} == {text}


async def test_every_replica_knows_a_running_task(card: AgentCard, model: ModelServer) -> None:
    """After the task has ended, each replica knows its answer."""
    model.script(completions=[{"step_by_step": True}])
    async with make_client(card, polling=True) as polling:
        task = await send(polling, "one")
        working = [await polling.get_task(GetTaskRequest(id=task.id)) for _ in range(TIMES)]
        for _ in range(8):
            model.go()
        ended = await wait_until_completed(polling, task.id)

    assert {task.status.state for task in working} == {TaskState.TASK_STATE_WORKING}
    assert answer(ended) == "model: one"


async def test_every_replica_cancels_a_task(card: AgentCard, model: ModelServer) -> None:
    """The model call is closed. An ended task cannot be cancelled."""
    async with make_client(card, polling=True) as polling:
        for _ in range(3):
            model.reset()
            model.script(completions=[{"step_by_step": True}])
            task = await send(polling, "one")
            eventually("the model is called", lambda: model.seen("/chat/completions"))

            cancelled = await polling.cancel_task(CancelTaskRequest(id=task.id))

            assert cancelled.status.state == CANCELED
            eventually("the model call is closed", lambda: model.seen("/chat/completions")[0]["closed"])
            for _ in range(2):
                with pytest.raises(TaskNotCancelableError):
                    await polling.cancel_task(CancelTaskRequest(id=task.id))


async def test_every_replica_resumes_a_stream(card: AgentCard, model: ModelServer) -> None:
    """The client gets the whole answer from its start."""
    model.script(completions=[{"step_by_step": True}])
    async with make_client(card, streaming=True) as streaming:
        task_id = (await anext(streaming.send_message(message("one two")))).task.id
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


async def test_no_replica_knows_an_unknown_task(card: AgentCard) -> None:
    """Each of several requests fails."""
    async with make_client(card) as waiting:
        for _ in range(TIMES):
            with pytest.raises(TaskNotFoundError):
                await waiting.get_task(GetTaskRequest(id="none"))

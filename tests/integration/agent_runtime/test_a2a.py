"""A2A: the official SDK's client, in both versions of the protocol, and callers that get it wrong."""

from collections.abc import AsyncIterator
from typing import Any

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
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
    TaskState,
)
from a2a.utils.errors import TaskNotCancelableError, TaskNotFoundError, UnsupportedOperationError

from tests.integration.agent_runtime.conftest import (
    ECHO,
    USER_CANARY,
    AgentProcess,
    ModelServer,
    StartAgent,
    agent_toml,
    eventually,
    openai_model,
)

CARD = """
[agent.card]
name = "Clock"
description = "Knows what time it is."
[[agent.card.skills]]
id = "time"
description = "Tells the time."
tags = ["time"]
examples = ["What time is it?"]
"""


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent with a model behind the fake server."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server), ECHO) + CARD).ready()


async def card_of(agent: AgentProcess) -> AgentCard:
    """The card, as the SDK reads it."""
    async with httpx.AsyncClient() as http:
        return await A2ACardResolver(http, f"http://127.0.0.1:{agent.port}").get_agent_card()


@pytest.fixture(params=["1.0", "0.3"])
async def card(agent: AgentProcess, request: pytest.FixtureRequest) -> AgentCard:
    """The card, with one version of the protocol left on it."""
    card = await card_of(agent)
    spoken = [one for one in card.supported_interfaces if one.protocol_version == request.param]
    assert len(spoken) == 1
    del card.supported_interfaces[:]
    card.supported_interfaces.extend(spoken)
    return card


@pytest.fixture
async def streaming(card: AgentCard) -> AsyncIterator[Client]:
    """A client that streams."""
    async with ClientFactory(ClientConfig(streaming=True)).create(card) as client:
        yield client


@pytest.fixture
async def waiting(card: AgentCard) -> AsyncIterator[Client]:
    """A client that waits for the whole answer."""
    async with ClientFactory(ClientConfig(streaming=False)).create(card) as client:
        yield client


@pytest.fixture
async def polling(card: AgentCard) -> AsyncIterator[Client]:
    """A client that asks later."""
    async with ClientFactory(ClientConfig(streaming=False, polling=True)).create(card) as client:
        yield client


def say(text: str, **fields: Any) -> SendMessageRequest:
    """A message."""
    message = Message(message_id="m1", role=Role.ROLE_USER, parts=[Part(text=text)], **fields)
    return SendMessageRequest(message=message)


def answer(task: Task) -> str:
    """What the agent said."""
    return "".join(part.text for artifact in task.artifacts for part in artifact.parts)


async def sent(client: Client, request: SendMessageRequest) -> Task:
    """The task that a message became."""
    (response,) = [one async for one in client.send_message(request)]
    return response.task


async def test_the_card(agent: AgentProcess) -> None:
    """Says what the config says, and where the caller found it."""
    card = await card_of(agent)

    assert (card.name, card.description) == ("Clock", "Knows what time it is.")
    assert card.version
    assert card.capabilities.streaming
    assert {one.url for one in card.supported_interfaces} == {f"http://127.0.0.1:{agent.port}/a2a"}
    (skill,) = card.skills
    assert (skill.id, skill.name, list(skill.examples)) == ("time", "time", ["What time is it?"])


async def test_a_message_becomes_a_task_that_can_be_asked_for(waiting: Client, model_server: ModelServer) -> None:
    """With the answer as its artifact and the message as its history."""
    task = await sent(waiting, say("one two"))
    again = await waiting.get_task(GetTaskRequest(id=task.id))

    assert task.status.state == TaskState.TASK_STATE_COMPLETED
    assert answer(task) == "model: one two"
    assert [part.text for message in task.history for part in message.parts] == ["one two"]
    assert again == task


async def test_a_context_is_a_session(waiting: Client, agent: AgentProcess, model_server: ModelServer) -> None:
    """The second message of a context goes to the model after the first; the HTTP API shows the same session."""
    first = await sent(waiting, say("one"))
    second = await sent(waiting, say("two", context_id=first.context_id))

    assert second.context_id == first.context_id
    assert second.id != first.id
    asked = model_server.seen("/chat/completions")[1]["body"]["messages"]
    assert [message["content"] for message in asked[1:]] == ["one", "model: one", "two"]
    shown = agent.http.get(f"/api/sessions/{first.context_id}").json()["messages"]
    assert [message["content"] for message in shown] == ["one", "model: one", "two", "model: two"]


async def test_a_stream(streaming: Client, model_server: ModelServer) -> None:
    """The task, its answer in pieces, then its end."""
    events = [event async for event in streaming.send_message(say("one two three"))]

    assert events[0].task.status.state == TaskState.TASK_STATE_WORKING
    updates = [event.artifact_update for event in events if event.HasField("artifact_update")]
    assert "".join(part.text for update in updates for part in update.artifact.parts) == "model: one two three"
    assert [update.append for update in updates] == [False, *[True] * (len(updates) - 1)]
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED


async def test_a_piece_leaves_before_the_next_one_comes(streaming: Client, model_server: ModelServer) -> None:
    """The model's server sends one only after the test has read the one before."""
    model_server.script(completions=[{"step_by_step": True}])
    for _ in range(2):
        model_server.go()
    pieces = []

    async for event in streaming.send_message(say("one two")):
        if event.HasField("artifact_update"):
            pieces.append(event.artifact_update.artifact.parts[0].text)
            model_server.go()
            model_server.go()

    assert "".join(pieces) == "model: one two"
    assert len(pieces) > 1


async def test_cancelling_stops_the_call_of_the_model(polling: Client, model_server: ModelServer) -> None:
    """A task that works is cancelled once; one that ended cannot be."""
    model_server.script(completions=[{"step_by_step": True}])
    task = await sent(polling, say("one"))
    assert task.status.state == TaskState.TASK_STATE_WORKING
    eventually("the model is asked", lambda: model_server.seen("/chat/completions"))

    cancelled = await polling.cancel_task(CancelTaskRequest(id=task.id))

    assert cancelled.status.state == TaskState.TASK_STATE_CANCELED
    eventually("the model's call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])
    with pytest.raises(TaskNotCancelableError):
        await polling.cancel_task(CancelTaskRequest(id=task.id))


async def test_a_stream_that_broke_is_taken_up_again(streaming: Client, model_server: ModelServer) -> None:
    """The task goes on without its listener; who subscribes gets the answer from its beginning."""
    model_server.script(completions=[{"step_by_step": True}])
    for _ in range(2):
        model_server.go()
    stream = streaming.send_message(say("one two"))
    task_id = (await anext(stream)).task.id
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # typed as an iterator, is a generator

    events: list[StreamResponse] = []
    async for event in streaming.subscribe(SubscribeToTaskRequest(id=task_id)):
        if not events:
            for _ in range(5):
                model_server.go()
        events.append(event)

    texts = [event.artifact_update.artifact.parts[0].text for event in events if event.HasField("artifact_update")]
    assert "".join(texts) == "model: one two"
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
    with pytest.raises(UnsupportedOperationError):
        await anext(streaming.subscribe(SubscribeToTaskRequest(id=task_id)))


async def test_a_task_that_fails_says_why(waiting: Client, agent: AgentProcess, model_server: ModelServer) -> None:
    """In words that quote neither the message nor the model's server."""
    model_server.script(completions=[{"status": 401, "text": USER_CANARY, "always": True}])

    task = await sent(waiting, say(USER_CANARY))

    assert task.status.state == TaskState.TASK_STATE_FAILED
    assert "credentials" in task.status.message.parts[0].text
    assert task.status.message.metadata["code"] == "model_credentials_refused"
    assert USER_CANARY not in task.status.message.parts[0].text


async def test_too_long_a_message_is_rejected(waiting: Client, model_server: ModelServer) -> None:
    """The task never reaches the model."""
    task = await sent(waiting, say("x" * 40_000))

    assert task.status.state == TaskState.TASK_STATE_REJECTED
    assert task.status.message.metadata["code"] == "input_too_long"
    assert not model_server.seen("/chat/completions")


async def test_unknown_tasks(waiting: Client) -> None:
    """Cannot be read, cancelled or added to."""
    with pytest.raises(TaskNotFoundError):
        await waiting.get_task(GetTaskRequest(id="none"))
    with pytest.raises(TaskNotFoundError):
        await waiting.cancel_task(CancelTaskRequest(id="none"))
    with pytest.raises(TaskNotFoundError):
        await sent(waiting, say("one", task_id="none"))

"""A2A through the client of the official SDK, in both protocol versions."""

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
    StartAgent,
    agent_toml,
    openai_model,
)
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually

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
    """An agent whose model is the fake model server."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server), ECHO) + CARD).ready()


async def fetch_card(agent: AgentProcess) -> AgentCard:
    """Return the card as the SDK parses it."""
    async with httpx.AsyncClient(verify=False) as http:
        return await A2ACardResolver(http, f"http://127.0.0.1:{agent.port}").get_agent_card()


@pytest.fixture(params=["1.0", "0.3"])
async def card(agent: AgentProcess, request: pytest.FixtureRequest) -> AgentCard:
    """The card, reduced to one protocol version."""
    card = await fetch_card(agent)
    interfaces = [one for one in card.supported_interfaces if one.protocol_version == request.param]
    assert len(interfaces) == 1
    del card.supported_interfaces[:]
    card.supported_interfaces.extend(interfaces)
    return card


@pytest.fixture
async def streaming(card: AgentCard) -> AsyncIterator[Client]:
    """A client that streams the answer."""
    async with ClientFactory(ClientConfig(streaming=True)).create(card) as client:
        yield client


@pytest.fixture
async def waiting(card: AgentCard) -> AsyncIterator[Client]:
    """A client that waits for the whole answer."""
    async with ClientFactory(ClientConfig(streaming=False)).create(card) as client:
        yield client


@pytest.fixture
async def polling(card: AgentCard) -> AsyncIterator[Client]:
    """A client that polls for the answer."""
    async with ClientFactory(ClientConfig(streaming=False, polling=True)).create(card) as client:
        yield client


def message(text: str, **fields: Any) -> SendMessageRequest:
    """Return a request with this message."""
    content = Message(message_id="m1", role=Role.ROLE_USER, parts=[Part(text=text)], **fields)
    return SendMessageRequest(message=content)


def answer(task: Task) -> str:
    """Return the text of the answer."""
    return "".join(part.text for artifact in task.artifacts for part in artifact.parts)


async def send(client: Client, request: SendMessageRequest) -> Task:
    """Send a message; return its task."""
    (response,) = [one async for one in client.send_message(request)]
    return response.task


async def test_the_card_describes_the_agent(agent: AgentProcess) -> None:
    """The card has the fields of the config, and the URL that the caller used."""
    card = await fetch_card(agent)

    assert (card.name, card.description) == ("Clock", "Knows what time it is.")
    assert card.version
    assert card.capabilities.streaming
    assert {one.url for one in card.supported_interfaces} == {f"http://127.0.0.1:{agent.port}/a2a"}
    (skill,) = card.skills
    assert (skill.id, skill.name, list(skill.examples)) == ("time", "time", ["What time is it?"])


async def test_the_task_of_a_message_can_be_fetched_later(waiting: Client, model_server: ModelServer) -> None:
    """The answer is its artifact, and the message is its history."""
    task = await send(waiting, message("one two"))
    again = await waiting.get_task(GetTaskRequest(id=task.id))

    assert task.status.state == TaskState.TASK_STATE_COMPLETED
    assert answer(task) == "model: one two"
    assert [part.text for entry in task.history for part in entry.parts] == ["one two"]
    assert again == task


async def test_a_context_is_a_session(waiting: Client, agent: AgentProcess, model_server: ModelServer) -> None:
    """The model gets the first message before the second one. The chat API shows the same session."""
    first = await send(waiting, message("one"))
    second = await send(waiting, message("two", context_id=first.context_id))

    assert second.context_id == first.context_id
    assert second.id != first.id
    sent = model_server.seen("/chat/completions")[1]["body"]["messages"]
    assert [entry["content"] for entry in sent[1:]] == ["one", "model: one", "two"]
    session = agent.http.get(f"/api/sessions/{first.context_id}").json()["messages"]
    assert [entry["content"] for entry in session] == ["one", "model: one", "two", "model: two"]


async def test_a_stream_has_the_task_then_the_answer_then_the_end(streaming: Client, model_server: ModelServer) -> None:
    """The answer comes in several updates of one artifact."""
    events = [event async for event in streaming.send_message(message("one two three"))]

    assert events[0].task.status.state == TaskState.TASK_STATE_WORKING
    updates = [event.artifact_update for event in events if event.HasField("artifact_update")]
    assert "".join(part.text for update in updates for part in update.artifact.parts) == "model: one two three"
    assert [update.append for update in updates] == [False, *[True] * (len(updates) - 1)]
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED


async def test_each_part_is_sent_at_once(streaming: Client, model_server: ModelServer) -> None:
    """The model server sends a chunk only after the client has got the one before."""
    model_server.script(completions=[{"step_by_step": True}])
    for _ in range(2):
        model_server.go()
    parts = []

    async for event in streaming.send_message(message("one two")):
        if event.HasField("artifact_update"):
            parts.append(event.artifact_update.artifact.parts[0].text)
            model_server.go()
            model_server.go()

    assert "".join(parts) == "model: one two"
    assert len(parts) > 1


async def test_cancelling_a_task_stops_the_model_call(polling: Client, model_server: ModelServer) -> None:
    """A running task can be cancelled once. An ended task cannot be cancelled."""
    model_server.script(completions=[{"step_by_step": True}])
    task = await send(polling, message("one"))
    assert task.status.state == TaskState.TASK_STATE_WORKING
    eventually("the model is called", lambda: model_server.seen("/chat/completions"))

    cancelled = await polling.cancel_task(CancelTaskRequest(id=task.id))

    assert cancelled.status.state == TaskState.TASK_STATE_CANCELED
    eventually("the model call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])
    with pytest.raises(TaskNotCancelableError):
        await polling.cancel_task(CancelTaskRequest(id=task.id))


async def test_a_broken_stream_can_be_resumed(streaming: Client, model_server: ModelServer) -> None:
    """The task continues without its client. A client that subscribes gets the answer from the start."""
    model_server.script(completions=[{"step_by_step": True}])
    for _ in range(2):
        model_server.go()
    stream = streaming.send_message(message("one two"))
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


async def test_a_failed_task_has_a_reason(waiting: Client, agent: AgentProcess, model_server: ModelServer) -> None:
    """The reason quotes neither the message nor the model server."""
    model_server.script(completions=[{"status": 401, "text": USER_CANARY, "always": True}])

    task = await send(waiting, message(USER_CANARY))

    assert task.status.state == TaskState.TASK_STATE_FAILED
    assert "credentials" in task.status.message.parts[0].text
    assert task.status.message.metadata["code"] == "model_credentials_refused"
    assert USER_CANARY not in task.status.message.parts[0].text


async def test_a_message_that_is_too_long_is_rejected(waiting: Client, model_server: ModelServer) -> None:
    """The model is not called."""
    task = await send(waiting, message("x" * 40_000))

    assert task.status.state == TaskState.TASK_STATE_REJECTED
    assert task.status.message.metadata["code"] == "input_too_long"
    assert not model_server.seen("/chat/completions")


async def test_an_unknown_task_is_not_found(waiting: Client) -> None:
    """An unknown task can neither be fetched nor cancelled nor continued."""
    with pytest.raises(TaskNotFoundError):
        await waiting.get_task(GetTaskRequest(id="none"))
    with pytest.raises(TaskNotFoundError):
        await waiting.cancel_task(CancelTaskRequest(id="none"))
    with pytest.raises(TaskNotFoundError):
        await send(waiting, message("one", task_id="none"))

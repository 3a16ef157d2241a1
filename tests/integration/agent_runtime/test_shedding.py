"""More requests than a replica answers at a time: who was let in is answered, who was not is told when to come back."""

from concurrent.futures import Future, ThreadPoolExecutor

import httpx2
import pytest

from tests.integration.agent_runtime.conftest import (
    DEADLINE,
    ModelServer,
    StartAgent,
    agent_toml,
    eventually,
    openai_model,
)

LET_IN, TOO_MANY = 8, 24
CHAT, COMPLETIONS = "/api/chat", "/v1/chat/completions"
ASKED = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(("path", "body"), [(CHAT, {"message": "hi"}), (COMPLETIONS, ASKED)])
def test_too_many_are_refused_and_the_others_answered(
    start_agent: StartAgent, model_server: ModelServer, path: str, body: dict[str, object]
) -> None:
    """While the model keeps those that were let in waiting, it hears of no other."""
    limits = f"[agent.limits]\nmax_concurrent_requests = {LET_IN}"
    agent = start_agent(agent_toml(openai_model(model_server), memory=limits)).ready()
    model_server.script(completions=[{"hold": True, "always": True}])

    def ask(_: int) -> httpx2.Response:
        return httpx2.post(f"http://127.0.0.1:{agent.port}{path}", json=body, timeout=DEADLINE)

    with ThreadPoolExecutor(LET_IN + TOO_MANY) as clients:
        let_in: list[Future[httpx2.Response]] = [clients.submit(ask, n) for n in range(LET_IN)]
        eventually("all of them are at the model", lambda: len(model_server.seen("/chat/completions")) == LET_IN)
        refused = list(clients.map(ask, range(TOO_MANY)))
        assert not any(future.done() for future in let_in)
        assert agent.http.get("/health/ready").status_code == 200
        assert agent.metrics()["agent_inflight_requests"] == LET_IN
        for _ in range(LET_IN):
            model_server.go()
        answered = [future.result() for future in let_in]

    assert [response.status_code for response in answered] == [200] * LET_IN
    assert {(response.status_code, response.headers["retry-after"]) for response in refused} == {(503, "1")}
    assert all("overloaded" in response.text for response in refused)
    assert len(model_server.seen("/chat/completions")) == LET_IN
    eventually("none is under way", lambda: agent.metrics()["agent_inflight_requests"] == 0)
    assert agent.metrics()[f'agent_requests_total{{code="503",route="{path}"}}'] == TOO_MANY

"""Load shedding: a replica answers the requests that it admitted, and refuses the others."""

from concurrent.futures import Future, ThreadPoolExecutor

import httpx2
import pytest

from tests.integration.agent_runtime.conftest import AgentProcess, StartAgent, agent_toml, openai_model
from tests.integration.agent_runtime.processes import ModelServer
from tests.patience import DEADLINE
from tests.polling import eventually

ADMITTED, REFUSED = 8, 24
CHAT, COMPLETIONS = "/api/chat", "/v1/chat/completions"
COMPLETION = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(("path", "body"), [(CHAT, {"message": "hi"}), (COMPLETIONS, COMPLETION)])
def test_requests_over_the_limit_are_refused_and_the_others_answered(
    start_agent: StartAgent, model_server: ModelServer, path: str, body: dict[str, object]
) -> None:
    """Refused requests do not reach the model. They get a 503 with Retry-After."""
    limits = f"[agent.limits]\nmax_concurrent_requests = {ADMITTED}"
    agent = start_agent(agent_toml(openai_model(model_server), memory=limits)).ready()
    model_server.script(completions=[{"hold": True, "always": True}])

    responses, refused = _send_too_many(agent, model_server, path, body)

    assert [response.status_code for response in responses] == [200] * ADMITTED
    assert {(response.status_code, response.headers["retry-after"]) for response in refused} == {(503, "1")}
    assert all("overloaded" in response.text for response in refused)
    assert len(model_server.seen("/chat/completions")) == ADMITTED
    eventually("no request is in flight", lambda: agent.metrics()["agent_inflight_requests"] == 0)
    assert agent.metrics()[f'agent_requests_total{{code="503",route="{path}"}}'] == REFUSED


def _send_too_many(
    agent: AgentProcess, model_server: ModelServer, path: str, body: dict[str, object]
) -> tuple[list[httpx2.Response], list[httpx2.Response]]:
    """Send REFUSED requests while the model holds ADMITTED ones; return the responses to admitted and refused ones."""

    def send(_: int) -> httpx2.Response:
        return httpx2.post(f"http://127.0.0.1:{agent.port}{path}", json=body, timeout=DEADLINE, verify=False)

    with ThreadPoolExecutor(ADMITTED + REFUSED) as clients:
        admitted: list[Future[httpx2.Response]] = [clients.submit(send, n) for n in range(ADMITTED)]
        eventually("all are at the model", lambda: len(model_server.seen("/chat/completions")) == ADMITTED)
        refused = list(clients.map(send, range(REFUSED)))
        assert not any(future.done() for future in admitted)
        assert agent.http.get("/health/ready").status_code == 200
        assert agent.metrics()["agent_inflight_requests"] == ADMITTED
        for _ in range(ADMITTED):
            model_server.go()
        return [future.result() for future in admitted], refused

"""Health, readiness and metrics of a running agent."""

import re
from datetime import UTC, datetime
from pathlib import Path

from agent_operator.codegen import metrics_reference
from tests import exposition
from tests.integration.agent_runtime.conftest import (
    CANARIES,
    ECHO,
    StartAgent,
    agent_toml,
    azure_model,
    openai_model,
    redis_memory,
)
from tests.integration.agent_runtime.processes import ModelServer, RedisServer
from tests.patience import free_port
from tests.polling import eventually


def test_health_has_the_format_of_the_seed(
    start_agent: StartAgent, model_server: ModelServer, redis_server: RedisServer
) -> None:
    """Order and types of the fields are part of the contract."""
    config = agent_toml(azure_model(), memory=redis_memory(redis_server))
    agent = start_agent(config, AZURE_OPENAI_ENDPOINT=model_server.url, **CANARIES).ready()

    response = agent.http.get("/health")

    assert response.status_code == 200
    body = re.sub(r'("(?:uptime_seconds|latency_ms)":)\d+\.\d+', r"\1N", response.text)
    body = re.sub(r'("timestamp":)"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"', r"\1T", body)
    body = re.sub(r'("version":)"\d+\.\d+\.\d+[^"]*"', r"\1V", body)
    assert body == (
        '{"status":"healthy","timestamp":T,"version":V,"uptime_seconds":N,"components":['
        '{"name":"azure_openai","status":"healthy","latency_ms":N},'
        '{"name":"redis","status":"healthy","latency_ms":N}]}'
    )


def test_a_missing_variable_is_named_and_the_agent_stays_alive(start_agent: StartAgent) -> None:
    """The agent is alive but not ready. Its health endpoints name the variables to set, and a chat gets a 503."""
    agent = start_agent(agent_toml(azure_model()), AZURE_OPENAI_ENDPOINT="https://example.invalid")

    eventually("the model was probed", lambda: "AZURE_OPENAI_API_KEY" in agent.details("/health/ready").text)

    ready = agent.details("/health/ready")
    assert ready.status_code == 503
    for variable in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        assert variable in ready.json()["reasons"][0]
    health = agent.details()
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert "AZURE_TENANT_ID" in health.json()["components"][0]["details"]["error"]
    chat = agent.http.post("/api/chat", json={"message": "x"})
    assert (chat.status_code, chat.json()["code"]) == (503, "model_not_configured")
    assert agent.http.get("/health/live").status_code == 200


def test_a_missing_endpoint_is_named(start_agent: StartAgent) -> None:
    """The reason names the variable and the field of agent.toml that can replace it."""
    agent = start_agent(agent_toml(azure_model()), AZURE_OPENAI_API_KEY=CANARIES["AZURE_OPENAI_API_KEY"])

    eventually(
        "the variable is named",
        lambda: "set AZURE_OPENAI_ENDPOINT, or endpoint" in agent.details("/health/ready").text,
    )


def test_the_pod_becomes_ready_when_the_model_answers(start_agent: StartAgent, model_server: ModelServer) -> None:
    """A refused key keeps a new pod unready. After the model accepts the key, the pod becomes ready by itself."""
    model_server.script(models=[{"status": 401, "always": True}])
    agent = start_agent(agent_toml(openai_model(model_server)), OPENAI_API_KEY=CANARIES["OPENAI_API_KEY"])
    eventually("the reason is shown", lambda: "refuses the agent's credentials" in agent.details("/health/ready").text)

    model_server.reset()

    agent.ready()


def test_an_outage_of_the_model_does_not_make_the_pod_unready(
    start_agent: StartAgent, model_server: ModelServer
) -> None:
    """/health and the metric report the outage. Otherwise all replicas would become unready at once."""
    agent = start_agent(agent_toml(openai_model(model_server))).ready()
    model_server.script(models=[{"status": 503, "always": True}])

    eventually("unhealthy", lambda: agent.http.get("/health").json()["status"] == "unhealthy")

    assert agent.metrics()['agent_component_healthy{component="gpt"}'] == 0
    assert agent.http.get("/health/ready").status_code == 200
    model_server.reset()
    eventually("healthy", lambda: agent.http.get("/health").json()["status"] == "healthy")


def test_an_outage_of_another_model_degrades_the_agent(start_agent: StartAgent) -> None:
    """The default model answers, so the agent stays ready."""
    unreachable = f'name = "dead"\nprovider = "openai"\nbase_url = "http://127.0.0.1:{free_port()}/v1"'
    agent = start_agent(agent_toml(ECHO, unreachable)).ready()

    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")

    assert agent.http.get("/health").status_code == 200


def test_metrics_count_by_route(start_agent: StartAgent, tmp_path: Path) -> None:
    """The label is the pattern of the route and never the path."""
    prices = tmp_path / "prices.toml"
    prices.write_text("[models.echo]\ninput = 0\noutput = 1000000\n")
    money = f'[agent.prices]\nfile = "{prices}"\n[agent.budget]\ncost_per_month = 8\n'
    agent = start_agent(agent_toml(ECHO, memory=money), AGENT_REVISION="r7").ready()
    agent.http.post("/api/chat", json={"message": "one two"})
    agent.http.get("/some/path")

    assert exposition.compare(agent.details("/metrics").text, metrics_reference.of_runtime()) == set()
    metrics = agent.metrics()

    assert metrics['agent_requests_total{code="200",route="/api/chat"}'] == 1
    assert metrics['agent_requests_total{code="404",route="unmatched"}'] == 1
    assert metrics['agent_request_duration_seconds_count{route="/api/chat"}'] == 1
    assert metrics['agent_tokens_total{kind="completion",model="echo"}'] == 2
    assert metrics['agent_cost_total{currency="USD",model="echo"}'] == 2
    assert metrics['agent_budget_used_ratio{period="month",unit="cost"}'] == 0.25
    assert metrics["agent_inflight_requests"] == 0
    month = datetime.now(UTC).strftime("%Y-%m-01")
    budget = {"unit": "cost", "period": "month", "since": month, "limit": 8_000_000, "used": 2_000_000}
    assert agent.details().json()["budgets"] == [budget]
    assert "budgets" not in agent.http.get("/health").json()
    assert metrics['agent_component_healthy{component="echo"}'] == 1
    assert any(name.startswith("agent_info{") and 'revision="r7"' in name for name in metrics)
    assert metrics["process_resident_memory_bytes"] > 0
    assert "/some/path" not in str(metrics)


def test_errors_of_components_need_an_api_key(start_agent: StartAgent, tmp_path: Path) -> None:
    """Without a key, /health and /health/ready show no address and no name of a variable. The metrics port does."""
    (tmp_path / "keys").write_text("key-of-a-caller\n")
    redis = f'[agent.memory.cache]\nhost = "127.0.0.1"\nport = {free_port()}\n'
    server = f'[agent.server]\napi_keys_file = "{tmp_path / "keys"}"\n'
    tools = f'[[agent.mcp]]\nname = "t"\ntype = "http"\nurl = "http://127.0.0.1:{free_port()}/mcp"\n'
    agent = start_agent(agent_toml(azure_model(), memory=redis + server + tools))
    eventually("all parts were probed", lambda: agent.details().text.count('"error"') == 3)
    key = {"Authorization": "Bearer key-of-a-caller"}

    for path, shown in (("/health", "127.0.0.1"), ("/health/ready", "AZURE_")):
        with_key = agent.http.get(path, headers=key)
        refused = [agent.http.get(path, headers=headers) for headers in ({}, {"Authorization": "Bearer wrong"})]
        assert {shown in response.text for response in (with_key, agent.details(path))} == {True}
        assert not any(text in response.text for response in refused for text in ("127.0.0.1", "AZURE_", '"error"'))
        assert {response.status_code for response in (with_key, *refused)} == {503}

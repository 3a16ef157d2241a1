"""Health, readiness and metrics, as Kubernetes and Prometheus see them."""

import re

from tests.integration.agent_runtime.conftest import (
    CANARIES,
    ECHO,
    ModelServer,
    RedisServer,
    StartAgent,
    agent_toml,
    azure_model,
    eventually,
    free_port,
    openai_model,
    redis_memory,
)


def test_health_is_the_seeds_json(
    start_agent: StartAgent, model_server: ModelServer, redis_server: RedisServer
) -> None:
    """Status, timestamp, version, uptime and components, in this order and of these types."""
    config = agent_toml(azure_model(), memory=redis_memory(redis_server))
    agent = start_agent(config, AZURE_OPENAI_ENDPOINT=model_server.url, **CANARIES).ready()

    response = agent.http.get("/health")

    assert response.status_code == 200
    shown = re.sub(r'("(?:uptime_seconds|latency_ms)":)\d+\.\d+', r"\1N", response.text)
    shown = re.sub(r'("timestamp":)"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"', r"\1T", shown)
    shown = re.sub(r'("version":)"\d+\.\d+\.\d+[^"]*"', r"\1V", shown)
    assert shown == (
        '{"status":"healthy","timestamp":T,"version":V,"uptime_seconds":N,"components":['
        '{"name":"azure_openai","status":"healthy","latency_ms":N},'
        '{"name":"redis","status":"healthy","latency_ms":N}]}'
    )


def test_a_missing_variable_is_named_and_the_agent_stays_up(start_agent: StartAgent) -> None:
    """Live, not ready, and both endpoints and a chat say which variable to set."""
    agent = start_agent(agent_toml(azure_model()), AZURE_OPENAI_ENDPOINT="https://example.invalid")

    eventually("it was checked", lambda: "AZURE_OPENAI_API_KEY" in agent.http.get("/health/ready").text)

    ready = agent.http.get("/health/ready")
    assert ready.status_code == 503
    for variable in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        assert variable in ready.json()["reasons"][0]
    health = agent.http.get("/health")
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert "AZURE_TENANT_ID" in health.json()["components"][0]["details"]["error"]
    chat = agent.http.post("/api/chat", json={"message": "x"})
    assert (chat.status_code, chat.json()["code"]) == (503, "model_not_configured")
    assert agent.http.get("/health/live").status_code == 200


def test_a_missing_endpoint_is_named(start_agent: StartAgent) -> None:
    """AZURE_OPENAI_ENDPOINT, and the field that could hold it."""
    agent = start_agent(agent_toml(azure_model()), AZURE_OPENAI_API_KEY=CANARIES["AZURE_OPENAI_API_KEY"])

    eventually("it is named", lambda: "set AZURE_OPENAI_ENDPOINT, or endpoint" in agent.http.get("/health/ready").text)


def test_ready_once_the_model_can_be_reached(start_agent: StartAgent, model_server: ModelServer) -> None:
    """A refused key keeps a new pod out of service; when it is accepted the pod becomes ready by itself."""
    model_server.script(models=[{"status": 401, "always": True}])
    agent = start_agent(agent_toml(openai_model(model_server)), OPENAI_API_KEY=CANARIES["OPENAI_API_KEY"])
    eventually("it says why", lambda: "refuses the agent's credentials" in agent.http.get("/health/ready").text)

    model_server.reset()

    agent.ready()


def test_an_outage_of_the_model_keeps_the_pod_in_service(start_agent: StartAgent, model_server: ModelServer) -> None:
    """Unhealthy in /health and in the metric, but still ready: every replica would be gone at once otherwise."""
    agent = start_agent(agent_toml(openai_model(model_server))).ready()
    model_server.script(models=[{"status": 503, "always": True}])

    eventually("unhealthy", lambda: agent.http.get("/health").json()["status"] == "unhealthy")

    assert agent.metrics()['agent_component_healthy{component="gpt"}'] == 0
    assert agent.http.get("/health/ready").status_code == 200
    model_server.reset()
    eventually("healthy", lambda: agent.http.get("/health").json()["status"] == "healthy")


def test_a_second_model_that_is_down_degrades(start_agent: StartAgent) -> None:
    """The default model answers, so the agent is ready; health says degraded."""
    dead = f'name = "dead"\nprovider = "openai"\nbase_url = "http://127.0.0.1:{free_port()}/v1"'
    agent = start_agent(agent_toml(ECHO, dead)).ready()

    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")

    assert agent.http.get("/health").status_code == 200


def test_metrics(start_agent: StartAgent) -> None:
    """Every metric of the contract, counted by route pattern and never by path."""
    agent = start_agent(agent_toml(ECHO), AGENT_REVISION="r7").ready()
    agent.http.post("/api/chat", json={"message": "one two"})
    agent.http.get("/some/path")

    metrics = agent.metrics()

    assert metrics['agent_requests_total{code="200",route="/api/chat"}'] == 1
    assert metrics['agent_requests_total{code="404",route="unmatched"}'] == 1
    assert metrics['agent_request_duration_seconds_count{route="/api/chat"}'] == 1
    assert metrics['agent_tokens_total{kind="completion",model="echo"}'] == 2
    assert metrics["agent_inflight_requests"] == 0
    assert metrics['agent_component_healthy{component="echo"}'] == 1
    assert any(name.startswith("agent_info{") and 'revision="r7"' in name for name in metrics)
    assert metrics["process_resident_memory_bytes"] > 0
    assert "/some/path" not in str(metrics)

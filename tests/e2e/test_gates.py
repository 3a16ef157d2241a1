"""A canary that is worse than the stable pods is rolled back: by its metrics under load, or by checks.

The model of every agent here is a process of the test.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl, make_agent
from tests.e2e.load import MODEL, Load
from tests.integration.agent_runtime.processes import ModelServer

# The model and the Service have loopback addresses.
pytestmark = [pytest.mark.kubelet, pytest.mark.local_only]

GATES = {"minRequests": 8}
LASTS = {"weight": 50, "pause": {"durationSeconds": 600}}


@pytest.fixture
def start() -> Iterator[Callable[..., ModelServer]]:
    """Start a model that gives every request the same response."""
    started: list[ModelServer] = []

    def start_(**step: Any) -> ModelServer:
        server = ModelServer()
        started.append(server)
        server.script(completions=[{"always": True} | step])
        return server

    yield start_
    for server in started:
        server.stop()


def asking(model: ModelServer, canary: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    """An agent with this model, and with `more` models."""
    models = [{"name": MODEL, "provider": "openai", "baseUrl": f"{model.url}/v1"}, *more]
    return make_agent(
        "gated",
        replicas=2,
        config={"models": models, "defaultModel": MODEL},
        env=[{"name": "OPENAI_API_KEY", "value": "none"}],
        service={"port": 8000},
        rollout={"strategy": "Canary", "canary": canary},
    )


def good(kubectl: Kubectl, described: dict[str, Any]) -> str:
    """Apply an agent, and wait until only its revision runs; return the revision."""
    kubectl.apply(described)
    kubectl.wait_for_condition("gated", "Ready", "True", "Ready", 90)
    kubectl.wait_for_condition("gated", "Progressing", "False", "RolloutComplete", 90)
    stable: str = rollout(kubectl)["stable"]
    return stable


def rollout(kubectl: Kubectl) -> dict[str, Any]:
    """status.rollout."""
    found: dict[str, Any] = kubectl.get("agd", "gated")["status"]["rollout"]
    return found


def wait_for_rollback(kubectl: Kubectl, reason: str) -> str:
    """Wait until the canary is rolled back for this reason; return the message."""
    kubectl.wait_for_condition("gated", "Progressing", "False", "RolledBack", 90)
    kubectl.wait_for_condition("gated", "Ready", "False", "RolledBack", 60)
    record = rollout(kubectl)["rolledBack"]
    assert record["reason"] == reason
    message: str = record["message"]
    assert message in kubectl.condition("gated", "Progressing")["message"]
    return message


async def under_load(kubectl: Kubectl, good_model: ModelServer, bad_model: ModelServer) -> tuple[str, Load]:
    """Change the model under load; return the message of the rollback, and the load with its results."""
    canary = {"steps": [LASTS], "gates": GATES}
    first = await asyncio.to_thread(good, kubectl, asking(good_model, canary))
    address = kubectl.get("svc", "gated")["spec"]["clusterIP"]

    async with Load(f"http://{address}:8000", requests=8) as load:
        kubectl.apply(asking(bad_model, canary))
        message = await asyncio.to_thread(wait_for_rollback, kubectl, "GateFailed")

    assert kubectl.get("agd", "gated")["status"]["revision"] == first
    return message, load


async def test_a_slow_model_rolls_the_canary_back(kubectl: Kubectl, start: Callable[..., ModelServer]) -> None:
    message, load = await under_load(kubectl, start(), start(delay=3))

    assert message.startswith("95th percentile of the request duration ")
    assert message.endswith(": exceeds maxLatencyPercent 200")
    assert load.tally.failures == {}


async def test_a_failing_model_rolls_the_canary_back(kubectl: Kubectl, start: Callable[..., ModelServer]) -> None:
    message, load = await under_load(kubectl, start(), start(status=500))

    assert message.startswith("error rate 100.0 % of ")
    assert "stable 0.0 % of " in message
    # Requests to the stable pods succeeded.
    assert load.tally.requests > 0


def test_checks_of_a_config_map_are_decided_by_a_judge(kubectl: Kubectl, start: Callable[..., ModelServer]) -> None:
    verdict = {"pass": False, "reason": "It is blunt."}
    polite = start()
    judge = start(message={"content": json.dumps({"pass": True, "reason": "It is polite."})})
    second = {"name": "judge", "provider": "openai", "baseUrl": f"{judge.url}/v1"}
    from_map = {"checksFrom": {"configMapKeyRef": {"name": "checks", "key": "checks.yaml"}}}
    canary = {"steps": [{"weight": 50, "pause": {"durationSeconds": 0}}], **from_map}
    described = asking(polite, canary, second)
    kubectl.apply(checks("Is polite."))
    first = good(kubectl, described)

    changed = described["spec"] | {"systemPrompt": {"text": "Be polite."}}
    now = good(kubectl, described | {"spec": changed})
    assert now != first
    (request,) = judge.seen("/chat/completions")
    assert "Is polite." in request["body"]["messages"][0]["content"]

    judge.script(completions=[{"always": True, "message": {"content": json.dumps(verdict)}}])
    changed = described["spec"] | {"systemPrompt": {"text": "Be blunt."}}
    kubectl.apply(described | {"spec": changed})

    message = wait_for_rollback(kubectl, "ChecksFailed")
    assert message == '0/1 passed; greeting: does not fulfil "Is polite.", according to the judge'
    assert kubectl.get("agd", "gated")["status"]["revision"] == now


def checks(criterion: str) -> dict[str, Any]:
    """A ConfigMap with one check."""
    text = f"checks:\n- name: greeting\n  prompt: Hello.\n  judge: {{model: judge, criterion: {criterion}}}\n"
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "checks"}, "data": {"checks.yaml": text}}

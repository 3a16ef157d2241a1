"""No rollout fails a request or ends a stream early under load.

`pytest tests/e2e/test_draining.py --rollouts 20 --capture=no` runs more rollouts and prints the counts.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl, make_agent
from tests.e2e.load import MODEL, Load
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually

# The model and the Service have loopback addresses.
pytestmark = [pytest.mark.kubelet, pytest.mark.local_only, pytest.mark.timeout(1800)]

STREAMS, REQUESTS, WORDS, PAUSE = 12, 4, 20, 0.3
TIMEOUT = 30
CANARY = {"strategy": "Canary", "canary": {"steps": [{"weight": 50, "pause": {"durationSeconds": 1}}]}}
EVERY = 3  # one of this many rollouts is a canary


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """A model whose streams last longer than the drain delay of a pod."""
    server = ModelServer()
    server.script(completions=[{"always": True, "chunk_delay": PAUSE}])
    yield server
    server.stop()


def described(model: ModelServer, number: int) -> dict[str, Any]:
    """The agent with a prompt and a rollout strategy for this number."""
    models = [{"name": MODEL, "provider": "openai", "baseUrl": f"{model.url}/v1"}]
    return make_agent(
        "busy",
        replicas=2,
        config={"models": models, "limits": {"requestTimeoutSeconds": TIMEOUT}},
        env=[{"name": "OPENAI_API_KEY", "value": "none"}],
        service={"port": 8000},
        systemPrompt={"text": f"Prompt {number}."},
        rollout=CANARY if number % EVERY == EVERY - 1 else {"strategy": "RollingUpdate"},
    )


def rolled_out(kubectl: Kubectl, wanted: dict[str, Any]) -> str:
    """Apply an agent, and wait until only its revision runs; return the revision."""
    kubectl.apply(wanted)
    kubectl.wait_for_condition("busy", "Progressing", "False", "RolloutComplete", 180)
    kubectl.wait_for_condition("busy", "Ready", "True", "Ready", 60)
    eventually("the canary is deleted", lambda: not kubectl.get("deploy", "busy-canary"))
    revision: str = kubectl.get("agd", "busy")["status"]["revision"]
    return revision


async def test_no_rollout_cuts_a_stream(kubectl: Kubectl, model: ModelServer, pytestconfig: pytest.Config) -> None:
    count = pytestconfig.getoption("--rollouts")
    seen = {await asyncio.to_thread(rolled_out, kubectl, described(model, 0))}
    address = kubectl.get("svc", "busy")["spec"]["clusterIP"]
    pod = kubectl.get("deploy", "busy")["spec"]["template"]["spec"]
    began = time.monotonic()

    async with Load(f"http://{address}:8000", streams=STREAMS, requests=REQUESTS, words=WORDS) as load:
        for number in range(1, count + 1):
            seen.add(await asyncio.to_thread(rolled_out, kubectl, described(model, number)))

    tally = load.tally
    sys.stdout.write(
        f"\n{count} rollouts in {time.monotonic() - began:.0f} s, {STREAMS} streams of {WORDS * PAUSE:.0f} s and "
        f"{REQUESTS} short requests at a time: {tally.streams} streams whole, {tally.requests} requests answered, "
        f"{sum(tally.failures.values())} failed or cut\n"
    )
    assert len(seen) == count + 1
    assert tally.failures == {}
    assert tally.streams >= STREAMS
    # The termination grace period covers the longest request and the drain delay before it.
    assert pod["terminationGracePeriodSeconds"] >= TIMEOUT + 10

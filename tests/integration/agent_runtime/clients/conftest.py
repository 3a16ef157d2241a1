"""Fixtures for an agent that runs twice: as a process, and deployed by the operator on the local cluster."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests import fast_yaml as yaml
from tests.integration.agent_runtime.conftest import (
    CANARIES,
    PROMPT,
    StartAgent,
    agent_toml,
    canaries,
    openai_model,
    redis_memory,
)
from tests.integration.agent_runtime.processes import ModelServer, RedisServer
from tests.integration.agentctl.conftest import Cluster
from tests.patience import DEADLINE
from tests.polling import eventually

SECRETS = {name: CANARIES[name] for name in ("OPENAI_API_KEY", "REDIS_PASSWORD")}


@dataclass(frozen=True)
class Target:
    """An agent with its URL."""

    kind: str
    url: str

    @property
    def openai_url(self) -> str:
        """The base URL for clients of OpenAI's API."""
        return f"{self.url}/v1"

    def get(self, path: str) -> httpx2.Response:
        """Send a GET request."""
        return httpx2.get(f"{self.url}{path}", timeout=DEADLINE, verify=False)


@dataclass(frozen=True)
class AgentCluster:
    """A local cluster with the operator."""

    cluster: Cluster

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects with kubectl."""
        file = self.cluster.directory / "applied.yaml"
        file.write_text(yaml.safe_dump_all(objects))
        self.cluster.kubectl("apply", "-f", file)

    def deploy(self, name: str, config: dict[str, Any], **spec: Any) -> Target:
        """Apply an AgentDeployment, and wait until it answers through its Service."""
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agents"}, "stringData": SECRETS}
        agent = {
            "apiVersion": "agent-operator.dev/v1alpha1",
            "kind": "AgentDeployment",
            "metadata": {"name": name},
            "spec": {
                "config": config | {"logLevel": "DEBUG"},
                "systemPrompt": {"text": PROMPT},
                "credentials": {"secretRef": {"name": "agents"}},
                **spec,
            },
        }
        self.apply(secret, agent)
        self.cluster.kubectl("wait", f"agd/{name}", "--for=condition=Ready", "--timeout=120s")
        service = json.loads(self.cluster.kubectl("get", "service", name, "-o", "json"))["spec"]
        url = httpx2.URL(f"http://{service['clusterIP']}:{service['ports'][0]['port']}")
        target = Target("cluster", str(url).rstrip("/"))
        eventually("the Service answers", lambda: _ready(target))
        return target

    def logs_and_metrics(self) -> str:
        """Return the logs and metrics of all pods."""
        pods = json.loads(self.cluster.kubectl("get", "pods", "-o", "json"))["items"]
        logs = (self.cluster.kubectl("logs", pod["metadata"]["name"]) for pod in pods)
        addresses = (f"http://{pod['status']['podIP']}:9090/metrics" for pod in pods)
        return "\n".join([*logs, *(httpx2.get(address, timeout=DEADLINE, verify=False).text for address in addresses)])


def _ready(target: Target) -> bool:
    try:
        return target.get("/health/ready").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """A Redis whose password is the canary, for agents that run during the whole session."""
    server = RedisServer("--requirepass", CANARIES["REDIS_PASSWORD"])
    yield server
    server.stop()


@pytest.fixture(scope="session")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentCluster]:
    """A cluster for agents. At its end, no log and no metric of a pod may contain a secret or a prompt."""
    local_cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    done = local_cluster.agentctl("local", "up")
    assert done.returncode == 0, done.stderr
    try:
        cluster = AgentCluster(local_cluster)
        yield cluster
        assert not canaries(cluster.logs_and_metrics())
    finally:
        local_cluster.agentctl("local", "down")


@pytest.fixture(scope="session")
def deployed(agents: AgentCluster, shared_model_server: ModelServer, shared_redis: RedisServer) -> Callable[[], Target]:
    """Deploy the agent with two replicas at the first call, and return it."""
    targets: list[Target] = []

    def deploy() -> Target:
        if not targets:
            models = [
                {"name": "gpt", "provider": "openai", "model": "gpt-4o", "baseUrl": f"{shared_model_server.url}/v1"},
                {"name": "echo", "provider": "echo"},
            ]
            cache = {"host": "127.0.0.1", "port": shared_redis.port}
            targets.append(agents.deploy("plain", {"models": models, "memory": {"cache": cache}}, replicas=2))
        return targets[0]

    return deploy


@pytest.fixture(scope="module", params=["process", "cluster"])
def target(
    request: pytest.FixtureRequest,
    start_shared_agent: StartAgent,
    shared_model_server: ModelServer,
    shared_redis: RedisServer,
) -> Target:
    """An agent whose default model is the fake model server, with an echo model and with sessions in Redis."""
    if request.param == "cluster":
        deploy: Callable[[], Target] = request.getfixturevalue("deployed")
        return deploy()
    config = agent_toml(
        openai_model(shared_model_server), 'name = "echo"\nprovider = "echo"', memory=redis_memory(shared_redis)
    )
    agent = start_shared_agent(config, **SECRETS).ready()
    return Target("process", f"http://127.0.0.1:{agent.port}")


@pytest.fixture
def model(target: Target, model_server: ModelServer) -> ModelServer:
    """The fake model server of the agent, without a script, and after the agent has used it successfully."""

    def answers() -> bool:
        body = {"messages": [{"role": "user", "content": "x"}]}
        url = f"{target.openai_url}/chat/completions"
        return httpx2.post(url, json=body, timeout=DEADLINE, verify=False).is_success

    # After another test, the circuit breaker of a replica may still be open.
    eventually("the agent uses its model", lambda: all(answers() for _ in range(4)))
    model_server.reset()
    return model_server

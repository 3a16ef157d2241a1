"""One agent, twice: as a process, and as the operator runs it on the local cluster. Clients see no difference."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests import fast_yaml as yaml
from tests.integration.agent_runtime.conftest import (
    CANARIES,
    DEADLINE,
    PROMPT,
    ModelServer,
    RedisServer,
    StartAgent,
    agent_toml,
    canaries,
    eventually,
    openai_model,
    redis_memory,
)
from tests.integration.agentctl.conftest import Cluster

SECRETS = {name: CANARIES[name] for name in ("OPENAI_API_KEY", "REDIS_PASSWORD")}


@dataclass(frozen=True)
class Target:
    """An agent that clients talk to, at `url`."""

    kind: str
    url: str

    @property
    def openai_url(self) -> str:
        """What clients of OpenAI's API take as their base URL."""
        return f"{self.url}/v1"

    def get(self, path: str) -> httpx2.Response:
        """What it answers to a GET."""
        return httpx2.get(f"{self.url}{path}", timeout=DEADLINE)


@dataclass(frozen=True)
class AgentCluster:
    """The local cluster with the operator, and what was deployed on it."""

    cluster: Cluster

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create or change objects."""
        file = self.cluster.directory / "applied.yaml"
        file.write_text(yaml.safe_dump_all(objects))
        self.cluster.kubectl("apply", "-f", file)

    def deploy(self, name: str, config: dict[str, Any], **spec: Any) -> Target:
        """Apply an AgentDeployment and wait until its Service answers for it."""
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

    def said(self) -> str:
        """The logs and metrics of all pods."""
        pods = json.loads(self.cluster.kubectl("get", "pods", "-o", "json"))["items"]
        logs = (self.cluster.kubectl("logs", pod["metadata"]["name"]) for pod in pods)
        addresses = (f"http://{pod['status']['podIP']}:9090/metrics" for pod in pods)
        return "\n".join([*logs, *(httpx2.get(address, timeout=DEADLINE).text for address in addresses)])


def _ready(target: Target) -> bool:
    try:
        return target.get("/health/ready").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture(scope="session")
def redis_of_all() -> Iterator[RedisServer]:
    """A Redis with the canary as its password, for agents that end with the session."""
    server = RedisServer("--requirepass", CANARIES["REDIS_PASSWORD"])
    yield server
    server.stop()


@pytest.fixture(scope="session")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentCluster]:
    """A cluster to deploy agents on; at its end, no pod of it has told a secret or a prompt."""
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    done = found.agentctl("local", "up")
    assert done.returncode == 0, done.stderr
    try:
        cluster = AgentCluster(found)
        yield cluster
        assert not canaries(cluster.said())
    finally:
        found.agentctl("local", "down")


@pytest.fixture(scope="session")
def deployed(agents: AgentCluster, shared_model_server: ModelServer, redis_of_all: RedisServer) -> Callable[[], Target]:
    """Deploys the agent with two replicas, once."""
    made: list[Target] = []

    def deploy() -> Target:
        if not made:
            models = [
                {"name": "gpt", "provider": "openai", "model": "gpt-4o", "baseUrl": f"{shared_model_server.url}/v1"},
                {"name": "echo", "provider": "echo"},
            ]
            cache = {"host": "127.0.0.1", "port": redis_of_all.port}
            made.append(agents.deploy("plain", {"models": models, "memory": {"cache": cache}}, replicas=2))
        return made[0]

    return deploy


@pytest.fixture(scope="module", params=["process", "cluster"])
def target(
    request: pytest.FixtureRequest,
    start_shared_agent: StartAgent,
    shared_model_server: ModelServer,
    redis_of_all: RedisServer,
) -> Target:
    """The agent: a model behind the fake server, its default, and one that echoes; conversations in Redis."""
    if request.param == "cluster":
        deploy: Callable[[], Target] = request.getfixturevalue("deployed")
        return deploy()
    config = agent_toml(
        openai_model(shared_model_server), 'name = "echo"\nprovider = "echo"', memory=redis_memory(redis_of_all)
    )
    agent = start_shared_agent(config, **SECRETS).ready()
    return Target("process", f"http://127.0.0.1:{agent.port}")


@pytest.fixture
def model(target: Target, model_server: ModelServer) -> ModelServer:
    """The fake model's server behind the agent, well again after what another test did to it."""

    def answers() -> bool:
        body = {"messages": [{"role": "user", "content": "x"}]}
        return httpx2.post(f"{target.openai_url}/chat/completions", json=body, timeout=DEADLINE).is_success

    # Either replica's circuit breaker may still be open.
    eventually("the agent's model is used", lambda: all(answers() for _ in range(4)))
    model_server.reset()
    return model_server

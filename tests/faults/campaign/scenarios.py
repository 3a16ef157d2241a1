"""What users do while the faults are injected: create, change, roll out, roll back, upgrade and delete an agent."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.faults.agents import ONE, TWO, Agent, Status, env, promoted, returned
from tests.faults.cluster import NAME
from tests.stand_in.pods import CRASHES, REPORT

Spec = dict[str, Any]
AT_ONCE = {"durationSeconds": 0}
CHECKS = [{"name": "blue", "prompt": "Say blue.", "contains": ["blue"]}]
CANARY: Spec = {
    "strategy": "Canary",
    "canary": {"steps": [{"weight": 25, "pause": AT_ONCE}, {"weight": 50, "pause": AT_ONCE}], "checks": CHECKS},
}
FAILED = '{"passed": false, "total": 1, "failed": 1, "checks": [{"name": "blue", "outcome": "failed"}]}'
GATEWAY = {"parentRefs": [{"name": "front"}], "hostnames": ["a.example.com"]}
# An agent with a child of every kind, except those of the other scenarios.
SPEC: Spec = {
    "autoscaling": {"minReplicas": 2, "maxReplicas": 4},
    "ingress": {"host": "a.example.com"},
    "gateway": GATEWAY,
    "credentials": {"values": {"OPENAI_API_KEY": "none"}},
}
# Changes or deletes a child of every kind.
EDITED: Spec = {
    "replicas": 3,
    "service": {"port": 8080},
    "systemPrompt": {"text": "Be brief."},
    "gateway": GATEWAY | {"hostnames": ["b.example.com"]},
    "monitoring": {"serviceMonitor": {"enabled": False}},
    "credentials": {"values": {"OPENAI_API_KEY": "other"}},
}
VAULT = {"azureKeyVault": {"vaultUrl": "https://example.vault.azure.net"}, "data": {"TOKEN": "token"}}
EXTERNAL: Spec = {
    "identity": {"azureWorkloadIdentity": {"clientId": "00000000-0000-0000-0000-000000000000"}},
    "credentials": {"externalSecret": VAULT},
}
# The namespace of an agent with its own.
OWN = "campaign-own"
Step = Callable[[Agent], Awaitable[Any]]


def apply(spec: Spec) -> Step:
    async def step(agent: Agent) -> None:
        await agent.cluster.api.apply_agent(**spec)

    return step


def submit(command: str) -> Step:
    async def step(agent: Agent) -> None:
        await agent.submit(command)

    return step


async def create_external_secret(agent: Agent) -> None:
    """Create the Secret as External Secrets does, and then the agent."""
    secret = {"metadata": {"name": f"{NAME}-secrets"}, "stringData": {"TOKEN": "none"}}
    await agent.cluster.api.create("Secret", secret)
    await agent.cluster.api.apply_agent(**EXTERNAL)


async def apply_in_own_namespace(agent: Agent) -> None:
    await agent.cluster.api.apply_agent(namespace={"name": OWN})


async def delete(agent: Agent) -> None:
    await agent.cluster.api.delete("AgentDeployment", NAME)


def is_ready(status: Status) -> bool:
    return any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", ()))


@dataclass(frozen=True)
class Scenario:
    """A change of a user.

    Attributes:
        change: what the user does.
        before: what has happened before, step by step. The operator converges after each step.
        over: whether a status is the end.
        reason: of Ready at the end; empty when the agent is deleted.
        own_namespace: whether the agent has its own namespace. Then its revision depends on the namespace of the run.
        upgraded: whether a newer version of the operator runs when the change is made.
    """

    change: Step
    before: tuple[Step, ...] = ()
    over: Callable[[Status], bool] = is_ready
    reason: str = "Ready"
    own_namespace: bool = False
    upgraded: bool = False


SCENARIOS: Mapping[str, Scenario] = {
    "create": Scenario(apply(SPEC)),
    "external secret": Scenario(create_external_secret),
    "edit": Scenario(apply(EDITED), (apply(SPEC),)),
    "own namespace": Scenario(apply_in_own_namespace, own_namespace=True),
    "delete": Scenario(delete, (apply_in_own_namespace,), reason="", own_namespace=True),
    "canary": Scenario(apply(TWO | {"rollout": CANARY}), (apply(ONE | {"rollout": CANARY}),), promoted),
    "checks fail": Scenario(
        apply(TWO | {"rollout": CANARY} | env(REPORT, FAILED)),
        (apply(ONE | {"rollout": CANARY}),),
        returned,
        "RolledBack",
    ),
    "crash loop": Scenario(apply(TWO | env(CRASHES)), (apply(ONE),), returned, "RolledBack"),
    "rollback": Scenario(submit("rollback"), (apply(ONE), apply(TWO)), returned, "RolledBack"),
    "upgrade": Scenario(submit("upgrade"), (apply(ONE),), promoted, upgraded=True),
}

"""How long new agents take to become Ready while a tenth of the agents is poisoned.

Time is the CPU time of this process, in which the operator and the cluster run: it does not depend on what else runs
on the machine. The passes of all agents until an agent is Ready do not even depend on the machine.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_operator.kube.objects import Key, Object
from agent_operator.manager.manager import Manager
from tests.faults.campaign.environment import environment
from tests.faults.campaign.poison import CASES, Post
from tests.faults.campaign.runner import Runner
from tests.integration.agent_operator.api_client import AGENTS
from tests.integration.agent_operator.running_manager import operator_settings, run_manager
from tests.polling import wait_until

POISONED = 10  # percent
LIMIT = 1.2


@pytest.fixture(autouse=True)
def _short_delays() -> None:
    """The clock is simulated."""


@pytest.fixture(autouse=True)
def _no_errors_in_the_log() -> None:
    """Other tests look at the log."""


class Stopwatch:
    """Records CPU seconds and passes until each agent of a namespace is Ready.

    Attributes:
        ready: CPU seconds and passes of all agents, by agent.
    """

    def __init__(self, manager: Manager, namespace: str, patch: pytest.MonkeyPatch) -> None:
        self.ready: dict[str, tuple[float, int]] = {}
        self._namespace = namespace
        self._passes = 0
        self._began = time.process_time()
        self._begin_pass, self._agent_event = manager.store.begin_pass, manager.agent_event
        patch.setattr(manager.store, "begin_pass", self._pass)
        patch.setattr(manager, "agent_event", self._event)

    def _pass(self, key: Key) -> bool:
        begun = self._begin_pass(key)
        self._passes += begun
        return begun

    def _event(self, event: str, obj: Object) -> None:
        conditions = (obj.get("status") or {}).get("conditions") or ()
        is_ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
        if is_ready and obj["metadata"]["namespace"] == self._namespace:
            self.ready.setdefault(obj["metadata"]["name"], (time.process_time() - self._began, self._passes))
        self._agent_event(event, obj)


def poison(number: int) -> list[Post]:
    """AgentDeployments, each of another case."""
    posts = [post for build in CASES.values() for post in build()[:1] if post.path == AGENTS]
    found = [posts[index % len(posts)] for index in range(number)]
    return [post._replace(body=post.body.replace('"poison"', f'"poison-{index}"')) for index, post in enumerate(found)]


async def measure(runner: Runner, healthy: int, posts: list[Post]) -> tuple[float, int]:
    """Create agents at the same time as poisoned ones; return p99 of CPU seconds and of passes."""
    await runner.cluster.use_new_namespace()
    api = runner.cluster.api
    tenant = f"{api.namespace}-poison"
    await api.create("Namespace", {"metadata": {"name": tenant}})
    settings = operator_settings(runner.cluster.kubeconfig, api.namespace, namespaces=(api.namespace, tenant))
    manager = Manager(settings)
    with pytest.MonkeyPatch.context() as patch:
        stopwatch = Stopwatch(manager, api.namespace, patch)
        async with run_manager(manager):
            await asyncio.gather(
                *(runner.proxy.send("POST", post.path.format(tenant), post.body.encode()) for post in posts),
                *(api.apply_agent(f"healthy-{number}") for number in range(healthy)),
            )

            async def are_ready() -> bool:
                return len(stopwatch.ready) == healthy

            await wait_until(are_ready)
    await api.delete("Namespace", api.namespace)
    await api.delete("Namespace", tenant)
    seconds, passes = zip(*stopwatch.ready.values(), strict=True)
    rank = -(-99 * healthy // 100) - 1
    return sorted(seconds)[rank], sorted(passes)[rank]


def test_poisoned_agents_do_not_delay_others(
    tmp_path: Path, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    """p99 is at most 1.2 times that of as many agents without poison."""
    every = bool(pytestconfig.getoption("--campaign"))
    agents = 100 if every else 20
    poisoned = agents * POISONED // 100
    with environment(tmp_path, None) as (loop, runner):
        loop.run(measure(runner, 5, []))  # imports and caches
        alone = loop.run(measure(runner, agents, []))
        among = loop.run(measure(runner, agents - poisoned, poison(poisoned)))
    record_property(
        "neighbours",
        f"p99 of CPU seconds {among[0]:.2f} instead of {alone[0]:.2f}, of passes {among[1]} instead of {alone[1]}",
    )
    assert among[1] <= LIMIT * alone[1]
    assert not every or among[0] <= LIMIT * alone[0]

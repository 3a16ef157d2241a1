"""A watch or a controller that fails because of a bug is restarted. The operator keeps the Lease and reconciles."""

from typing import Any

import pytest

from agent_operator import tasks
from agent_operator.fleet.channel_controller import ChannelController
from agent_operator.kube.agent_watch import AgentWatch
from agent_operator.kube.informer import Informer
from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until


@pytest.mark.parametrize(
    ("owner", "method", "part"),
    [
        (Informer, "_list_and_watch", "Service"),
        (AgentWatch, "_watch", "AgentDeployment"),
        (ChannelController, "_reconcile", "channels"),
    ],
    ids=["informer", "kopf", "channels"],
)
async def test_a_part_that_fails_is_restarted(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, owner: type, method: str, part: str
) -> None:
    monkeypatch.setattr(tasks, "_FIRST_DELAY", 0.05)
    original, failures = getattr(owner, method), [RecursionError(), BaseException("a panic of Rust code")]

    async def failing(self: Any, *given: Any) -> Any:
        kind = getattr(self, "kind", None)
        if failures and (kind is None or kind.kind == part):
            raise failures.pop()
        return await original(self, *given)

    monkeypatch.setattr(owner, method, failing)
    async with cluster.operator(namespaces=(), leader_election=True) as operator:
        await cluster.api.apply_agent()
        await cluster.api.wait_for_reason("Ready", "Ready")

        async def restarted() -> bool:
            return operator.metrics.registry.get_sample_value("agent_operator_part_failures_total", {"part": part}) == 2

        await wait_until(restarted)
        assert operator._lease is not None
        assert operator._lease.fence.is_open

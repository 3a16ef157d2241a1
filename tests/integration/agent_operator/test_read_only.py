"""An operator with --read-only logs the changes that it would make, and makes none."""

import logging
from typing import Any

import aiohttp
import pytest

from agent_operator.kube.transport import ApiError, Transport
from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

DRIFT = {"spec": {"ports": [{"name": "http", "port": 8080, "targetPort": "http"}], "selector": {"app": "nobody"}}}


def logged_changes(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The logged changes: agent, and the objects by verb."""
    found = [vars(record) for record in caplog.records if record.name == "agent_operator.reconcile.dry_run"]
    kept = ("agent", "creates", "updates", "deletes", "finishes")
    return [{key: entry[key] for key in kept if key in entry} for entry in found]


async def pending(controller: Any) -> float:
    """The text of /metrics."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{controller.health.port}/metrics") as answer,
    ):
        (line,) = [line for line in (await answer.text()).splitlines() if line.startswith("agent_operator_pending_")]
        return float(line.split()[-1])


async def test_drift_is_logged_and_counted_and_not_repaired(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agent_operator.reconcile.dry_run")
    async with cluster.operator() as controller:
        for name in ("support", "sales"):
            await cluster.api.apply_agent(name)
            await cluster.api.wait_for_reason("Ready", "Ready", name)
            await cluster.wait_until_idle(controller, name)
    await cluster.api.merge("Service", "support", DRIFT)
    await cluster.api.delete("PodDisruptionBudget", "support")
    before = await cluster.api.children()
    cluster.proxy.requests.clear()

    async with cluster.operator(read_only=True, leader_election=True, resync=1) as controller:
        passes = controller.metrics.reconciles.labels("resync", "unchanged")._value

        async def looked_again() -> bool:
            return bool(passes.get() >= 4)

        await wait_until(looked_again)
        space = cluster.api.namespace
        assert logged_changes(caplog) == [
            {
                "agent": f"{space}/support",
                "creates": [f"PodDisruptionBudget {space}/support"],
                "updates": [f"Service {space}/support"],
            }
        ]
        assert await pending(controller) == 1

        await cluster.api.apply_agent("support", suspend=True)

        async def settled() -> bool:
            return await pending(controller) == 0

        await wait_until(settled)

    assert [request for request in cluster.proxy.requests if request[0] != "GET"] == []
    after = await cluster.api.children()
    assert {key: child["metadata"]["resourceVersion"] for key, child in after.items()} == {
        key: child["metadata"]["resourceVersion"] for key, child in before.items()
    }


async def test_created_and_deleted_agents_are_not_reconciled(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "agent_operator.reconcile.dry_run")
    await cluster.api.apply_agent("sales", namespace={"name": f"{cluster.api.namespace}-sales"})
    finalizer = {"metadata": {"finalizers": ["agent-operator.dev/children"]}}
    await cluster.api.merge("AgentDeployment", "sales", finalizer)
    await cluster.api.delete("AgentDeployment", "sales")

    async with cluster.operator(read_only=True) as controller:
        await cluster.api.apply_agent()

        async def both() -> bool:
            return await pending(controller) == 2

        await wait_until(both)

    created = next(entry["creates"] for entry in logged_changes(caplog) if entry["agent"].endswith("/support"))
    assert f"Deployment {cluster.api.namespace}/support" in created
    assert any(entry.get("finishes") for entry in logged_changes(caplog))
    assert [request for request in cluster.proxy.requests if request[0] != "GET"] == []
    assert await cluster.api.children() == {}
    assert "status" not in await cluster.api.get("AgentDeployment", "support")


async def test_a_read_only_process_sends_only_reads(cluster: Cluster) -> None:
    """The transport refuses other requests, independent of the code above it."""
    async with Transport(str(cluster.kubeconfig), "", lambda *_: None, read_only=True) as transport:
        path = cluster.api.path("ConfigMap")
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            with pytest.raises(ApiError, match="ReadOnly"):
                await transport.request(method, path, label=("test", ""), body={})
        assert await transport.request("GET", path, label=("test", ""))

    assert {method for method, _ in cluster.proxy.requests} == {"GET"}

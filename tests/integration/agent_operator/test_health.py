"""Probes and metrics."""

import aiohttp

from agent_operator.codegen import metrics_reference
from agent_operator.manager import gauges
from tests import exposition
from tests.integration.agent_operator.cluster import Cluster


async def test_probes_and_metrics_are_served(cluster: Cluster) -> None:
    async with cluster.operator() as controller, aiohttp.ClientSession() as session:
        await cluster.api.apply_agent()
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        base = f"http://127.0.0.1:{controller.health.port}"
        for path in ("/healthz", "/readyz"):
            async with session.get(base + path) as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
        async with session.get(base + "/metrics") as answer:
            text = await answer.text()
        # This operator follows no channels, and is not read-only.
        assert exposition.compare(text, metrics_reference.of_operator()) == {
            gauges.CHANNEL_AGENTS.name,
            gauges.CHANNEL_HALTED.name,
            gauges.PENDING_CHANGES.name,
        }
        for name in (
            'agent_operator_reconcile_total{outcome="changed",trigger="agent"}',
            "agent_operator_reconcile_duration_seconds_count",
            "agent_operator_queue_depth",
            "agent_operator_queue_age_seconds",
            'agent_operator_api_requests_total{code="201",kind="Service",verb="create"} 1.0',
            'agent_operator_agents{condition="ConfigValid"} 1.0',
            "agent_operator_leader 1.0",
            'agent_operator_watch_age_seconds{kind="Service"}',
        ):
            assert name in text, name

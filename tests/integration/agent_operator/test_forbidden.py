"""Missing permissions for optional APIs are reported, and the APIs are used when the permissions are granted."""

from typing import Any

import pytest

from agent_operator.kube import informer
from agent_operator.kube.resources import BY_NAME, CHILDREN
from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

SERVICE_MONITOR = BY_NAME["ServiceMonitor"]


async def test_optional_apis_are_polled_without_permission_to_watch_crds(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A namespaced install lacks the permission. The operator detects installs and removals, and logs once per kind."""
    monkeypatch.setattr(informer, "_POLL", 0.2)
    cluster.proxy.denied = ("/customresourcedefinitions",)
    async with cluster.operator():
        await cluster.api.apply_agent(monitoring={"serviceMonitor": {"enabled": True}})
        await cluster.api.wait_for_reason("Warning", "ApiMissing")
        await cluster.api.define(SERVICE_MONITOR)
        try:
            await wait_until(lambda: monitored(cluster.api))
        finally:
            await cluster.api.undefine(SERVICE_MONITOR)
        await cluster.api.wait_for_reason("Warning", "ApiMissing")

    records = [vars(record)["kind"] for record in caplog.records if "no permission to watch" in record.message]
    assert sorted(records) == sorted(kind.kind for kind in CHILDREN if kind.optional)


async def test_an_optional_api_is_used_once_the_permission_is_granted(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(informer, "_POLL", 0.2)
    cluster.proxy.denied = ("/servicemonitors",)
    await cluster.api.define(SERVICE_MONITOR)
    try:
        async with cluster.operator():
            await cluster.api.apply_agent(monitoring={"serviceMonitor": {"enabled": True}})
            condition = await cluster.api.wait_for_reason("Warning", "ApiMissing")
            assert "grant the permission" in condition["message"]
            assert await cluster.api.get("Deployment", "support")
            cluster.proxy.denied = ()
            await wait_until(lambda: monitored(cluster.api))
    finally:
        await cluster.api.undefine(SERVICE_MONITOR)

    records = [record for record in caplog.records if "optional API is not used" in record.message]
    assert [vars(record)["kind"] for record in records] == ["ServiceMonitor"]


async def monitored(api: Any) -> bool:
    return ("ServiceMonitor", "support") in await api.children()

"""Rights that the operator lacks for something optional: told, not crashed on, and taken up when granted."""

from typing import Any

import pytest

from agent_operator.kube import informer
from agent_operator.kube.resources import BY_NAME, CHILDREN

SERVICE_MONITOR = BY_NAME["ServiceMonitor"]


async def test_without_the_right_to_watch_definitions_an_optional_api_is_looked_for(
    world: Any, until: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a namespaced install: noticed when it comes and when it goes, and said once a kind."""
    monkeypatch.setattr(informer, "_POLL", 0.2)
    world.proxy.denied = ("/customresourcedefinitions",)
    async with world.operator():
        await world.api.agent()
        await world.api.until_reason("Warning", "ApiMissing")
        await world.api.define(SERVICE_MONITOR)
        try:
            await until(lambda: monitored(world.api))
        finally:
            await world.api.undefine(SERVICE_MONITOR)
        await world.api.until_reason("Warning", "ApiMissing")

    said = [vars(record)["kind"] for record in caplog.records if "no permission to watch" in record.message]
    assert sorted(said) == sorted(kind.kind for kind in CHILDREN if kind.optional)


async def test_an_optional_api_without_a_right_is_left_out_told_and_taken_up_when_granted(
    world: Any, until: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(informer, "_POLL", 0.2)
    world.proxy.denied = ("/servicemonitors",)
    await world.api.define(SERVICE_MONITOR)
    try:
        async with world.operator():
            await world.api.agent()
            condition = await world.api.until_reason("Warning", "ApiMissing")
            assert "grant the right" in condition["message"]
            assert await world.api.get("Deployment", "support")
            world.proxy.denied = ()
            await until(lambda: monitored(world.api))
    finally:
        await world.api.undefine(SERVICE_MONITOR)

    said = [record for record in caplog.records if "optional API is not used" in record.message]
    assert [vars(record)["kind"] for record in said] == ["ServiceMonitor"]


async def monitored(api: Any) -> bool:
    return ("ServiceMonitor", "support") in await api.children()

"""Health from components that do as the test says."""

import asyncio
from typing import Any

from agent_runtime.health import ComponentStatus, Health, Status, UnhealthyError
from agent_runtime.metrics import Metrics


class Thing:
    """A component that fails while it has a fault."""

    def __init__(self, name: str, fault: Exception | None = None) -> None:
        self.name = name
        self.fault = fault
        self.looks = 0

    async def probe(self) -> dict[str, Any]:
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        return {"tool_count": 5} if self.name == "mcp" else {}


def health(*things: Thing) -> Health:
    """Health of these, the first being vital."""
    return Health(things, asyncio.Event(), "1.2.3", Metrics("1.2.3", ""))


async def test_all_well() -> None:
    """Healthy, with details where there are some."""
    report = await health(Thing("model"), Thing("mcp")).report()

    assert (report["status"], report["version"]) == ("healthy", "1.2.3")
    assert "details" not in report["components"][0]
    assert report["components"][1]["details"] == {"tool_count": 5}


async def test_the_vital_component_decides() -> None:
    """Without it unhealthy; without another only degraded."""
    down = UnhealthyError("down")

    assert (await health(Thing("model", down), Thing("redis")).report())["status"] == "unhealthy"
    assert (await health(Thing("model"), Thing("redis", down)).report())["status"] == "degraded"


async def test_reasons_not_to_be_ready() -> None:
    """Not looked at yet; not usable, with the words; then ready for good; draining."""
    model = Thing("model", UnhealthyError("set KEY"))
    watched = health(model)
    assert watched.not_ready_reasons() == ["model: not probed yet"]
    await watched._probe_all()
    assert watched.not_ready_reasons() == ["model: set KEY"]
    model.fault = None
    await watched._probe_all()
    assert watched.not_ready_reasons() == []
    model.fault = UnhealthyError("outage")
    await watched._probe_all()
    assert watched.not_ready_reasons() == []
    watched.draining = True
    assert watched.not_ready_reasons() == ["draining: the pod is shutting down"]


async def test_a_look_that_breaks_is_unhealthy_and_keeps_its_text() -> None:
    """An unexpected error ends neither the watch nor secrecy."""
    report = await health(Thing("model", RuntimeError("sk-secret"))).report()

    assert report["status"] == "unhealthy"
    assert "sk-secret" not in str(report)


async def test_a_burst_is_answered_from_one_look() -> None:
    """However many ask at once."""
    model = Thing("model")
    watched = health(model)

    await asyncio.gather(*(watched.report() for _ in range(10)))

    assert model.looks == 1


def test_a_component_as_json() -> None:
    """In the order of the contract."""
    shown = ComponentStatus("mcp", Status.HEALTHY, 0.5, {"tool_count": 5}).as_json()

    assert list(shown) == ["name", "status", "latency_ms", "details"]

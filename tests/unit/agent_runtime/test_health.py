"""Health: the report, readiness, and how often components are probed."""

import asyncio
from typing import Any

import pytest

from agent_runtime.health import ComponentStatus, Health, Status, UnhealthyError
from agent_runtime.metrics import Metrics


class FakeComponent:
    """A component whose probe raises `fault` if it is set."""

    def __init__(self, name: str, fault: Exception | None = None) -> None:
        self.name = name
        self.fault = fault
        self.probes = 0

    async def probe(self) -> dict[str, Any]:
        self.probes += 1
        if self.fault is not None:
            raise self.fault
        return {"tool_count": 5} if self.name == "mcp" else {}


def health(*components: FakeComponent) -> Health:
    """Return the health of these components, of which the first is vital."""
    return Health(components, asyncio.Event(), "1.2.3", Metrics("1.2.3", ""))


async def test_the_report_is_healthy_if_all_components_are() -> None:
    """A component without details has no field for them."""
    report = await health(FakeComponent("model"), FakeComponent("mcp")).report()

    assert (report["status"], report["version"]) == ("healthy", "1.2.3")
    assert "details" not in report["components"][0]
    assert report["components"][1]["details"] == {"tool_count": 5}


async def test_only_the_vital_component_makes_the_agent_unhealthy() -> None:
    """If another component fails, the agent is degraded."""
    down = UnhealthyError("down")

    assert (await health(FakeComponent("model", down), FakeComponent("redis")).report())["status"] == "unhealthy"
    assert (await health(FakeComponent("model"), FakeComponent("redis", down)).report())["status"] == "degraded"


async def test_readiness_follows_the_first_success_and_the_drain() -> None:
    """The pod is unready until the model has answered once, and again when it drains. A later outage has no effect."""
    model = FakeComponent("model", UnhealthyError("set KEY"))
    report = health(model)
    assert report.not_ready_reasons() == ["model: not probed yet"]
    await report._probe_all()
    assert report.not_ready_reasons() == ["model: set KEY"]
    model.fault = None
    await report._probe_all()
    assert report.not_ready_reasons() == []
    model.fault = UnhealthyError("outage")
    await report._probe_all()
    assert report.not_ready_reasons() == []
    report.draining = True
    assert report.not_ready_reasons() == ["draining: the pod is shutting down"]


async def test_an_unexpected_error_of_a_probe_is_unhealthy_and_hides_its_message() -> None:
    """The message of an unexpected error may contain a secret."""
    report = await health(FakeComponent("model", RuntimeError("sk-secret"))).report()

    assert report["status"] == "unhealthy"
    assert "sk-secret" not in str(report)


async def test_concurrent_reports_share_one_probe() -> None:
    """Ten concurrent calls of /health probe each component once."""
    model = FakeComponent("model")
    report = health(model)

    await asyncio.gather(*(report.report() for _ in range(10)))

    assert model.probes == 1


def test_the_json_of_a_component_keeps_the_order_of_its_fields() -> None:
    """The order is part of the seed's contract for /health."""
    entry = ComponentStatus("mcp", Status.HEALTHY, 0.5, {"tool_count": 5}).as_json()

    assert list(entry) == ["name", "status", "latency_ms", "details"]


async def test_a_failing_component_is_logged_as_a_warning_once_per_change(caplog: pytest.LogCaptureFixture) -> None:
    """With log level WARNING, the log says why the pod is not ready. A varying message alone is no change."""
    caplog.set_level("WARNING", "agent_runtime.health")
    model = FakeComponent("gpt", UnhealthyError("10.0.0.1:443 refuses connections (1)", "ConnectionRefused"))
    report = health(model)

    await report._probe_all()
    model.fault = UnhealthyError("10.0.0.1:443 refuses connections (2)", "ConnectionRefused")
    await report._probe_all()
    model.fault = UnhealthyError("nowhere does not resolve", "HostUnknown")
    await report._probe_all()
    model.fault = None
    await report._probe_all()

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "component gpt is unhealthy: 10.0.0.1:443 refuses connections (1)"),
        ("WARNING", "component gpt is unhealthy: nowhere does not resolve"),
    ]


async def test_the_report_has_the_reason_only_with_errors() -> None:
    """The operator compares reasons, and callers without a key see neither reason nor error."""
    report = health(FakeComponent("gpt", UnhealthyError("down", "ConnectionRefused")))

    detailed, short = await report.report(), await report.report(errors=False)

    assert detailed["components"][0]["details"] == {"error": "down", "reason": "ConnectionRefused"}
    assert "details" not in short["components"][0]


@pytest.mark.parametrize(
    ("reason", "other", "status", "ready"),
    [
        ("ConnectionRefused", None, "degraded", True),
        ("CallsFail", None, "degraded", True),
        ("ConnectionRefused", UnhealthyError("x"), "unhealthy", False),
        ("CredentialsRefused", None, "unhealthy", False),
        ("NotConfigured", None, "unhealthy", False),
    ],
)
async def test_a_fallback_makes_the_agent_usable_during_an_outage(
    reason: str, other: Exception | None, status: str, ready: bool
) -> None:
    """But not if the config of the default model is wrong, because a rollout of it must not succeed."""
    parts = [FakeComponent("model", UnhealthyError("x", reason)), FakeComponent("other", other)]
    health = Health(parts, asyncio.Event(), "1", Metrics("1", ""), frozenset({"other"}))

    assert (await health.report())["status"] == status
    assert (health.not_ready_reasons() == []) is ready

"""A HorizontalPodAutoscaler that cannot scale is reported, unless it is new."""

from typing import Any

import pytest

from agent_operator.kube.objects import pack
from agent_operator.status.autoscaler import autoscaler_delay, autoscaler_fault

NOW = "2026-01-01T00:02:00Z"
FAILS = {
    "type": "ScalingActive",
    "status": "False",
    "reason": "FailedGetResourceMetric",
    "message": "unable to get metrics for resource cpu",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


def conditions(*found: dict[str, Any]) -> list[dict[str, Any]]:
    """The conditions of an autoscaler as the cache keeps them."""
    metadata = {"name": "a", "namespace": "ns", "uid": "h", "resourceVersion": "1"}
    live = pack("HorizontalPodAutoscaler", {"metadata": metadata, "spec": {}, "status": {"conditions": list(found)}})
    return live.object.get("status", {}).get("conditions", [])


def test_missing_metrics_are_a_fault_with_a_remedy() -> None:
    fault = autoscaler_fault(conditions(FAILS), NOW)

    assert fault is not None
    assert (fault.name, fault.reason) == ("autoscaler", "FailedGetResourceMetric")
    assert str(fault) == (
        "autoscaler: unable to get metrics for resource cpu: check the metrics server and spec.autoscaling"
    )
    assert autoscaler_delay(conditions(FAILS), NOW) is None


def test_a_new_autoscaler_has_a_minute() -> None:
    """The metrics of new pods arrive after up to a minute. The agent is reconciled when it is over."""
    new = conditions(FAILS | {"lastTransitionTime": "2026-01-01T00:01:30Z"})

    assert autoscaler_fault(new, NOW) is None
    assert autoscaler_delay(new, NOW) == 30


@pytest.mark.parametrize(
    "harmless",
    [
        FAILS | {"status": "True"},
        FAILS | {"reason": "ScalingDisabled"},
        FAILS | {"type": "ScalingLimited"},
        {"type": "AbleToScale", "status": "Unknown"},
    ],
)
def test_other_conditions_are_not_cached(harmless: dict[str, Any]) -> None:
    """They change with the load, and each change of the cached object causes a pass."""
    assert conditions(harmless) == []


@pytest.mark.parametrize("time", ["", "x" * 100, None, 7])
def test_a_hostile_time_counts_as_old(time: Any) -> None:
    assert autoscaler_fault(conditions(FAILS | {"lastTransitionTime": time}), NOW) is not None

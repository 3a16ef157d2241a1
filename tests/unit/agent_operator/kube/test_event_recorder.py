"""Events are limited per object."""

from typing import Any, cast

from agent_operator.kube.client import Cluster
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.objects import Object
from tests.clock import ManualClock


class FakeCluster:
    def __init__(self) -> None:
        self.events: list[str] = []

    async def post_event(self, _namespace: str, event: Object) -> None:
        self.events.append(event["regarding"]["name"])


def agent(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "uid": name}}


async def test_an_object_with_many_events_does_not_limit_another() -> None:
    """The spam filter of client-go: a burst of 25, then one in five minutes."""
    cluster, clock = FakeCluster(), ManualClock()
    recorder = EventRecorder(cast(Cluster, cluster), "test", clock)
    for _ in range(100):
        await recorder.emit("AgentDeployment", agent("noisy"), "Normal", "Ready", "")
    await recorder.emit("AgentDeployment", agent("quiet"), "Normal", "Ready", "")
    assert (cluster.events.count("noisy"), cluster.events.count("quiet")) == (25, 1)
    assert recorder.dropped == 75
    clock.now = 299.0
    await recorder.emit("AgentDeployment", agent("noisy"), "Normal", "Ready", "")
    clock.now = 301.0
    await recorder.emit("AgentDeployment", agent("noisy"), "Normal", "Ready", "")
    assert cluster.events.count("noisy") == 26

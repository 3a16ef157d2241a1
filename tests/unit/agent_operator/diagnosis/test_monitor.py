"""When the monitor looks at the pods of an agent, and what it reports."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from agent_operator.diagnosis.findings import UNKNOWN, ComponentFault, PodReport
from agent_operator.diagnosis.inspector import Inspector, RunningPod, StartingPod
from agent_operator.diagnosis.monitor import PodMonitor
from agent_operator.diagnosis.usage import BudgetUse
from agent_operator.kube.objects import Key

KEY = Key("ns", "a")
REFUSED = ComponentFault("gpt", "ConnectionRefused", "refuses", "a-1", is_vital=True)
MOUNT = {"pod": "a-1", "reason": "FailedMount", "message": 'configmap "x" not found'}


class FakeInspector:
    """Pods with the given reports; a text is the reason why there is none."""

    def __init__(self) -> None:
        self.answers: dict[str, PodReport | str] = {}
        self.failure: dict[str, Any] | None = None
        self.asked: list[str] = []
        self.listed: list[str] = []

    async def reports(self, pods: tuple[RunningPod, ...]) -> dict[str, PodReport | str]:
        self.asked += [pod.name for pod in pods]
        return {pod.name: self.answers.get(pod.name, PodReport()) for pod in pods}

    async def start_failure(self, _namespace: str, pod: StartingPod) -> dict[str, Any] | None:
        self.listed.append(pod.name)
        return self.failure


class Monitored:
    """A monitor with a clock, the agents that it has queued, and the delays of its looks."""

    def __init__(self, exists: Callable[[Key], bool] = lambda _key: True) -> None:
        self.now = 1_000.0
        self.changed: list[Key] = []
        self.pods = FakeInspector()
        self.monitor = PodMonitor(
            cast(Inspector, self.pods),
            exists=exists,
            changed=self.changed.append,
            clock=lambda: self.now,
            period=30,
        )

    def note(self, *pods: dict[str, Any], serves: bool = True, key: Key = KEY) -> None:
        self.monitor.note(key, key.namespace, pods, serves=serves)

    async def look(self, key: Key = KEY) -> float:
        """Look once; return the delay of the next look."""
        await self.monitor._look(key)
        return self.delay(key)

    def delay(self, key: Key = KEY) -> float:
        timers = self.monitor._queue._timers
        return next((due - self.now for (queued, _), due in timers.items() if queued == key), float("inf"))


def pod(name: str = "a-1", **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "ip": "10.0.0.7"} | fields


async def test_a_component_is_reported_once_and_again_when_it_recovers() -> None:
    """While it fails, the looks are three times as frequent."""
    cluster = Monitored()
    cluster.note(pod())
    assert 30 <= await cluster.look() <= 36
    cluster.pods.answers = {"a-1": PodReport((REFUSED,))}
    for _ in range(3):
        assert 10 <= await cluster.look() <= 12
    assert cluster.monitor.diagnosis(KEY).components == (REFUSED,)
    cluster.pods.answers = {}
    await cluster.look()

    assert cluster.monitor.diagnosis(KEY).components == ()
    assert cluster.changed == [KEY] * 3
    assert cluster.pods.listed == []


async def test_a_pod_that_is_not_ready_is_looked_at_within_three_seconds() -> None:
    """Later the time between two looks grows with the time since the change, up to 30 s."""
    cluster = Monitored()
    cluster.note(pod(), serves=False)
    assert cluster.delay() <= 1
    delays = []
    for _ in range(40):
        delays.append(await cluster.look())
        cluster.now += delays[-1]

    assert max(delays[:6]) <= 3
    assert delays == sorted(delays)
    assert delays[-1] == 30


async def test_events_are_read_only_of_a_pod_that_has_no_address_and_no_failure() -> None:
    cluster = Monitored()
    cluster.pods.failure = MOUNT
    for starting in (pod(ip=None, failure={"reason": "Unschedulable"}), pod(ip=None, ended=True), pod()):
        cluster.note(starting, serves=False)
        await cluster.look()
    assert cluster.pods.listed == []

    cluster.note(pod(ip=None), pod("a-2", ip=None), serves=False)
    assert cluster.delay() == 2
    await cluster.look()

    assert cluster.pods.listed == ["a-1"]
    assert cluster.monitor.diagnosis(KEY).failure == MOUNT
    cluster.note(pod(), pod("a-2"))
    await cluster.look()
    assert cluster.monitor.diagnosis(KEY).failure is None


async def test_the_pods_of_a_large_agent_take_turns_and_their_reports_remain() -> None:
    cluster = Monitored()
    pods = [pod(f"a-{number}") for number in range(7)]
    cluster.note(*pods)
    cluster.pods.answers = {"a-1": PodReport((REFUSED,))}
    for _ in range(3):
        await cluster.look()
        assert cluster.monitor.diagnosis(KEY).components == (REFUSED,)
    assert set(cluster.pods.asked) == {f"a-{number}" for number in range(7)}
    assert len(cluster.pods.asked) == 9

    cluster.note(*pods[2:])
    await cluster.look()
    assert cluster.monitor.diagnosis(KEY).components == ()


async def test_a_fault_remains_among_many_healthy_pods() -> None:
    """Few reports are kept. Otherwise the condition would change with every turn of the pods."""
    cluster = Monitored()
    cluster.note(*(pod(f"a-{number}") for number in range(60)))
    cluster.pods.answers = {"a-1": PodReport((REFUSED,))}
    for _ in range(25):
        await cluster.look()
        assert cluster.monitor.diagnosis(KEY).components == (REFUSED,)
    assert len(cluster.changed) == 1


async def test_usage_is_reported_when_its_share_changes_and_the_highest_one_remains() -> None:
    """Few reports are kept, and the pods take turns."""
    cluster = Monitored()
    cluster.note(*(pod(f"a-{number}") for number in range(60)))
    for percent in (40, 45):
        most = BudgetUse("tokensPerDay", "2026-11-27", percent, 1_000)
        others = {f"a-{number}": PodReport(usage=(replace(most, percent=5),)) for number in range(60)}
        cluster.pods.answers = {**others, "a-1": PodReport(usage=(most,))}
        for _ in range(25):
            await cluster.look()
            assert cluster.monitor.diagnosis(KEY).usage == (most,) or percent == 45
        assert cluster.monitor.diagnosis(KEY).usage == (most,)
    assert len(cluster.changed) == 2


async def test_silent_pods_are_reported_after_some_looks_and_looked_at_less_often() -> None:
    """A new container does not respond yet, so that the first looks without a response report nothing."""
    cluster = Monitored()
    cluster.note(pod())
    cluster.pods.answers = {"a-1": "does not respond on port 9090"}
    delays = [await cluster.look() for _ in range(12)]

    assert cluster.changed == [KEY]
    assert "pod a-1 does not respond on port 9090" in cluster.monitor.diagnosis(KEY).unknown
    assert cluster.monitor.diagnosis(KEY).components is None
    assert delays[-1] >= 300


async def test_looks_of_a_large_fleet_are_bounded() -> None:
    """At most 50 looks per second, whatever the agents report. After a restart, the first looks are spread."""
    cluster = Monitored()
    keys = [Key("ns", f"a-{number}") for number in range(5_000)]
    for key in keys:
        cluster.note(pod(), key=key)
    first = sorted(cluster.delay(key) for key in keys)
    cluster.pods.answers = {"a-1": PodReport((REFUSED,))}

    assert first[-1] > 60
    assert first[0] < 10
    assert await cluster.look(keys[0]) >= 100


@pytest.mark.parametrize("gone", ["no pods", "deleted"])
async def test_an_agent_without_pods_or_a_deleted_one_is_forgotten(gone: str) -> None:
    exists = True
    cluster = Monitored(lambda _key: exists)
    cluster.note(pod())
    await cluster.look()
    if gone == "deleted":
        exists = False
        await cluster.look()
    else:
        cluster.note(pod(ended=True))

    assert cluster.monitor.diagnosis(KEY) is UNKNOWN
    assert cluster.monitor._watched == {}


async def test_a_failure_of_one_look_does_not_stop_the_others() -> None:
    cluster = Monitored()
    clock = asyncio.get_running_loop().time
    cluster.monitor._clock = cluster.monitor._queue._clock = clock
    looked = asyncio.Event()

    async def fail_for_one(pods: tuple[RunningPod, ...]) -> dict[str, PodReport | str]:
        if pods[0].name == "bad":
            raise RuntimeError("a bug")
        looked.set()
        return {}

    cluster.pods.reports = fail_for_one  # type: ignore[method-assign]
    running = asyncio.create_task(cluster.monitor.run())
    cluster.note(pod("bad"), serves=False, key=Key("ns", "bad"))
    cluster.note(pod(), serves=False)
    async with asyncio.timeout(60):
        await looked.wait()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_pods_that_start_need_not_respond_for_a_minute() -> None:
    """They are looked at often meanwhile. Afterwards, their silence is reported."""
    cluster = Monitored()
    cluster.pods.answers = {"a-1": "does not respond"}
    cluster.note(pod(), serves=False)
    began = cluster.now
    while cluster.now < began + 55:
        cluster.now += await cluster.look()
        assert cluster.monitor.diagnosis(KEY).unknown == ""
    assert await cluster.look() <= 30

    cluster.now = began + 61
    for _ in range(3):
        await cluster.look()

    assert "does not respond" in cluster.monitor.diagnosis(KEY).unknown

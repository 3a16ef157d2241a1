"""Assignments are written in batches in which the namespaces take turns."""

import asyncio
from typing import Any, cast

import pytest

from agent_operator.fleet import assignment_writer
from agent_operator.fleet.assignment_writer import Assignment, AssignmentWriter, alternate
from agent_operator.fleet.member_index import MemberIndex
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Key, Object
from agent_operator.kube.transport import ApiError

BATCH = assignment_writer._BATCH


class FakeCluster:
    """Records the agents to which a status is written. Some fail or hang."""

    def __init__(self) -> None:
        self.written: list[Key] = []
        self.errors: dict[str, int] = {}
        self.hanging: set[str] = set()

    async def patch_status(self, key: Key, _uid: str, status: Object) -> Object:
        if key.name in self.hanging:
            await asyncio.Event().wait()
        if key.name in self.errors:
            raise ApiError(self.errors[key.name], "", "")
        self.written.append(key)
        return status


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


async def write(cluster: FakeCluster, keys: list[Key]) -> float | None:
    writer = AssignmentWriter(cast(Cluster, cluster), Store(lambda: 0.0), lambda _: None)
    return await writer.write([(key, "uid", {"version": "1"}) for key in keys])


async def test_one_agent_of_a_namespace_is_in_the_first_batch(cluster: FakeCluster) -> None:
    many, one = [Key("many", str(index)) for index in range(800)], Key("one", "a")
    assert await write(cluster, [*many, one]) == 0.0
    assert len(cluster.written) == BATCH
    assert cluster.written[:3] == [many[0], one, many[1]]


async def test_a_small_batch_is_complete(cluster: FakeCluster) -> None:
    assert await write(cluster, [Key("a", "1")]) is None
    assert await write(cluster, []) is None


@pytest.mark.parametrize(("code", "wait"), [(500, 2.0), (409, 2.0), (404, None), (422, None)])
async def test_a_failed_write_does_not_stop_the_others(cluster: FakeCluster, code: int, wait: float | None) -> None:
    cluster.errors = {"bad": code}
    assert await write(cluster, [Key("a", "bad"), Key("b", "good")]) == wait
    assert cluster.written == [Key("b", "good")]


async def test_writes_without_a_response_do_not_stop_the_others(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignment_writer, "_WRITE_SECONDS", 0.05)
    cluster.hanging = {str(index) for index in range(BATCH)}
    assert await write(cluster, [*(Key("a", name) for name in cluster.hanging), Key("b", "good")]) == 2.0
    assert cluster.written == [Key("b", "good")]


def test_the_order_within_a_namespace_is_kept() -> None:
    keys = [Key("a", "1"), Key("a", "2"), Key("a", "3"), Key("b", "1"), Key("c", "1"), Key("b", "2")]
    assignments: list[Assignment] = [(key, "uid", None) for key in keys]
    assert ["".join(key) for key, _, _ in alternate(assignments)] == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_an_agent_that_cannot_be_read_does_not_stop_the_channels(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(lambda: 0.0)
    spec: dict[str, Any] = {"runtime": {"channel": "stable"}}
    for index, (name, status) in enumerate([("good", {}), ("bad", {"channel": {"name": "stable"}})]):
        meta = {"name": name, "namespace": "ns", "uid": name, "generation": 1, "resourceVersion": str(index + 1)}
        store.observe_agent("ADDED", {"metadata": meta, "spec": spec, "status": status})
    index_of_members = MemberIndex(store)
    for _ in range(3):
        assert [member.key.name for member in index_of_members.refresh()["stable"]] == ["good"]
    assert [record.agent for record in caplog.records] == ["ns/bad"]  # type: ignore[attr-defined]

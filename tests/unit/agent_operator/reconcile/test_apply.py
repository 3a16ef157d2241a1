"""The checks of the AgentDeployment before a write."""

from typing import Any

import pytest

from agent_operator.inputs.own_secrets import OwnSecrets
from agent_operator.kube.agent_object import pack_agent
from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from agent_operator.reconcile.apply import Applier, StatusWriter
from agent_operator.reconcile.children import DiffResult
from agent_operator.reconcile.context import StaleCacheError, start_pass
from agent_operator.render.plan import Apply, Plan

KEY = Key("ns", "a")
MANIFEST = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "ns"}, "spec": {}}


class Fake:
    """A Cluster with one AgentDeployment, or none, that notes what is written."""

    def __init__(self, agent: dict[str, Any] | None) -> None:
        self.agent = agent
        self.written: list[Any] = []

    async def find_agent(self, _key: Key) -> dict[str, Any] | None:
        return self.agent

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.written.append(manifest)
        return manifest | {"metadata": manifest["metadata"] | {"uid": "s", "resourceVersion": "9"}}


def agent(generation: int = 1, **fields: Any) -> dict[str, Any]:
    meta = {"name": "a", "namespace": "ns", "uid": "u", "generation": generation, "resourceVersion": "5"}
    return {"metadata": meta, "spec": {}, "status": {"observedGeneration": 1}} | fields


async def apply(cluster: Any, known: dict[str, Any]) -> None:
    store = Store(lambda: 0.0)
    store.observe_agent("ADDED", known)
    own_secrets = OwnSecrets(cluster, lambda: 0.0, 45)
    status_writer = StatusWriter(cluster, store)
    applier = Applier(store, cluster, own_secrets, status_writer, lambda _kind: "v1", manage_namespaces=True)
    context = start_pass(KEY, pack_agent(known), {}, "2026-01-01T00:00:00Z", manage_namespaces=True)
    await applier.apply(context, {}, DiffResult(changes=Plan(applies=(Apply(MANIFEST),))))


@pytest.mark.parametrize(
    "there",
    [
        None,
        agent(2),
        agent(metadata=agent()["metadata"] | {"uid": "another"}),
        agent(metadata=agent()["metadata"] | {"deletionTimestamp": "now"}),
    ],
    ids=["gone", "edited", "created again", "being deleted"],
)
async def test_nothing_is_written_when_the_cached_agent_is_out_of_date(there: dict[str, Any] | None) -> None:
    cluster = Fake(there)
    with pytest.raises(StaleCacheError):
        await apply(cluster, agent())
    assert cluster.written == []


async def test_children_are_written_when_the_cached_agent_is_current() -> None:
    cluster = Fake(agent())
    await apply(cluster, agent())
    assert cluster.written == [MANIFEST]


async def test_a_new_agent_is_not_read_again() -> None:
    cluster = Fake(None)
    await apply(cluster, agent(status={}))
    assert cluster.written == [MANIFEST]

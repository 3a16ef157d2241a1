"""Objects with hostile or careless content affect no other agent: before a start, during a run, and after a restart.

The local cluster cannot store every object that an API server stores. So the proxy writes some of the content into the
responses that the operator reads: `@210` becomes 210 nested objects, and `@null` becomes null.
"""

import re
from typing import Any

import aiohttp
import pytest

from agent_operator.api import constants
from agent_operator.kube.objects import Key
from agent_operator.manager.manager import Manager
from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

Object = dict[str, Any]
LEVELS = (210, 1_100, 5_000)
LABELS = {constants.LABEL_AGENT: "x"}
_MARKER = re.compile(rb'"@([0-9]+|null)"')
_MANAGED = re.compile(rb'"f:deep-([0-9]+)":\{\}')


def rewrite(line: bytes) -> bytes:
    """Return a line of a response with the content that its markers describe."""
    line = _MARKER.sub(lambda found: b"null" if found[1] == b"null" else nested(int(found[1])), line)
    return _MANAGED.sub(lambda found: b'"f:deep":' + nested(int(found[1])), line)


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"{}" + b"}" * levels


def agent(name: str, **spec: Any) -> tuple[str, Object]:
    body = {"config": {"models": [{"name": "echo", "provider": "echo"}]}, "monitoring": None} | spec
    return constants.KIND, {"metadata": {"name": name}, "spec": {k: v for k, v in body.items() if v is not None}}


def labelled(kind: str, name: str, **fields: Any) -> tuple[str, Object]:
    return kind, {"metadata": {"name": name, "labels": LABELS}} | fields


def pod(name: str, volume: Object) -> tuple[str, Object]:
    spec = {"containers": [{"name": "c", "image": "x"}], "volumes": [{"name": "p", **volume}]}
    return labelled("Pod", name, spec=spec)


CASES: dict[str, tuple[str, Object]] = {
    **{f"deep-agent-{levels}": agent(f"deep-{levels}", systemPrompt={"text": f"@{levels}"}) for levels in LEVELS},
    **{
        f"deep-managed-fields-{levels}": labelled("ConfigMap", f"managed-{levels}", data={f"deep-{levels}": "x"})
        for levels in LEVELS
    },
    "agent-of-nulls": agent("nulls", systemPrompt={"text": "@null"}),
    "projected": agent("projected", podTemplate={"spec": {"volumes": [{"name": "p", "projected": {}}]}}),
    "pod-projected": pod("projected", {"projected": {"sources": []}}),
    "pod-deep": pod("deep", {"configMap": {"name": "@1100"}}),
    "types": agent("types", podTemplate={"spec": {"containers": [{"name": "@1"}]}}),
    "config-map": labelled("ConfigMap", "big", data={"k": "<" * 1_000_000}),
    "service": labelled("Service", "deep", spec={"ports": [{"port": 80}], "externalName": "@5000"}),
}
UNREADABLE_AGENTS = tuple(f"deep-{levels}" for levels in LEVELS)


async def assert_works(cluster: Cluster, manager: Manager, name: str) -> None:
    """Fail unless a new agent becomes Ready, the operator is live, and no watch has failed."""
    await cluster.api.apply_agent(name, replicas=1)
    await cluster.api.wait_for_reason("Ready", "Ready", name)
    url = f"http://127.0.0.1:{manager.health.port}/healthz"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200, await response.text()


@pytest.mark.parametrize("case", CASES)
async def test_hostile_object_affects_no_other_agent(cluster: Cluster, case: str) -> None:
    cluster.proxy.rewrite = rewrite
    kind, obj = CASES[case]
    async with cluster.operator() as manager:
        await cluster.api.create(kind, obj)
        await assert_works(cluster, manager, "during-the-run")
    async with cluster.operator() as manager:
        await assert_works(cluster, manager, "after-a-restart")


async def test_all_hostile_objects_together_are_counted_and_reported(cluster: Cluster) -> None:
    cluster.proxy.rewrite = rewrite
    for kind, obj in CASES.values():
        await cluster.api.create(kind, obj)
    async with cluster.operator() as manager:
        await assert_works(cluster, manager, "before-the-start")
        for name in UNREADABLE_AGENTS:
            condition = await cluster.api.wait_for_reason("Ready", "Unreadable", name)
            assert "nested deeper than 200 levels" in condition["message"]
            assert (await cluster.api.condition("Stalled", name))["status"] == "True"
        counts = manager.store.unreadable.counts()
        assert counts[constants.KIND] == len(UNREADABLE_AGENTS)
        assert "ConfigMap" not in counts

        async def is_idle() -> bool:
            writes = len(cluster.proxy.writes)
            await wait_until_quiet(manager)
            return writes == len(cluster.proxy.writes)

        await wait_until(is_idle)
        for name in UNREADABLE_AGENTS:
            await cluster.api.merge(constants.KIND, name, {"spec": {"systemPrompt": {"text": "repaired"}}})
            await cluster.api.wait_for_reason("Ready", "Ready", name)
        assert constants.KIND not in manager.store.unreadable.counts()


async def wait_until_quiet(manager: Manager) -> None:
    async def is_quiet() -> bool:
        return manager.queue.depth == 0

    await wait_until(is_quiet)


async def test_child_that_becomes_unreadable_is_not_recreated(cluster: Cluster) -> None:
    cluster.proxy.rewrite = rewrite
    async with cluster.operator() as manager:
        await cluster.api.apply_agent(replicas=1)
        await cluster.api.wait_for_reason("Ready", "Ready")
        await cluster.api.merge("Service", "support", {"metadata": {"annotations": {"note": "@1100"}}})
        condition = await cluster.api.wait_for_reason("Ready", "Unreadable")
        assert "Service" in condition["message"]
        uid = (await cluster.api.get("Service", "support") or {})["metadata"]["uid"]
        await cluster.api.merge("Service", "support", {"metadata": {"annotations": {"note": None}}})
        await cluster.api.wait_for_reason("Ready", "Ready")
        assert (await cluster.api.get("Service", "support") or {})["metadata"]["uid"] == uid
        assert manager.store.unreadable.counts() == {}


async def test_large_agent_is_read_by_name(cluster: Cluster) -> None:
    """The cache contains only a summary of it."""
    variables = {f"v{number}": "x" * 3_000 for number in range(30)}
    prompt = {"text": "{{ v1 }}", "variables": variables}
    async with cluster.operator() as manager:
        await cluster.api.apply_agent("large", replicas=1, systemPrompt=prompt)
        await cluster.api.wait_for_reason("Ready", "Ready", "large")
        await cluster.wait_until_idle(manager, "large")
        live = manager.store.agent(Key(cluster.api.namespace, "large"))
        assert live is not None
        assert live.is_partial
        assert len(live.body) < 10_000

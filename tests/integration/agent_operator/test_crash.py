"""Kill the process of the operator after a write: the next process reaches the end state of a run without faults."""

import asyncio
import re
from functools import partial
from typing import Any

from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

SPEC: dict[str, Any] = {
    "replicas": 2,
    "ingress": {"host": "a.example.com"},
    "credentials": {"values": {"OPENAI_API_KEY": "none"}},
    "monitoring": {"serviceMonitor": {"enabled": False}},
}


def _shape(children: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """The fields that do not differ from run to run."""
    return {
        key: {
            "spec": {k: v for k, v in (child.get("spec") or {}).items() if k not in ("clusterIP", "clusterIPs")},
            "data": child.get("data"),
            "kind": key[0],
        }
        for key, child in children.items()
    }


def _without_names(shape: Any, namespace: str, uid: str) -> str:
    text = repr(sorted(shape.items())).replace(namespace, "NS").replace(uid, "UID")
    # Salted with the agent's UID.
    return re.sub(r"secret-hash': '[^']+'", "secret-hash': 'HASH'", text)


def kill_after(process: asyncio.subprocess.Process, last: int, writes: int) -> None:
    if writes == last:
        process.kill()


async def test_an_operator_killed_after_a_write_is_followed_by_the_same_end_state(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        reference = await cluster.api.apply_agent(**SPEC)
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        expected = _without_names(
            _shape(await cluster.api.children()), cluster.api.namespace, reference["metadata"]["uid"]
        )
        writes = len(cluster.proxy.writes)
    assert writes >= 9
    # tests/faults breaks every write of an operator in the test process. This test ends a process: early, midway, late.
    for k in (1, 5, 9):
        await cluster.api.delete("AgentDeployment", "support")

        async def gone() -> bool:
            return await cluster.api.children() == {}

        await wait_until(gone)
        cluster.proxy.requests.clear()
        process = await cluster.spawn()
        cluster.proxy.after_write = partial(kill_after, process, k)
        created = await cluster.api.apply_agent(**SPEC)
        await process.wait()
        assert len(cluster.proxy.writes) >= k
        cluster.proxy.after_write = None
        async with cluster.operator() as controller:
            await cluster.api.wait_for_reason("ConfigValid", "Valid")
            await cluster.wait_until_idle(controller)
            children = await cluster.api.children()
        found = _without_names(_shape(children), cluster.api.namespace, created["metadata"]["uid"])
        assert found == expected, f"killed after write {k}"


async def test_sigterm_stops_the_operator_gracefully(cluster: Cluster) -> None:
    process = await cluster.spawn()
    await cluster.api.apply_agent()
    await cluster.api.wait_for_reason("ConfigValid", "Valid")
    process.terminate()
    assert await process.wait() == 0

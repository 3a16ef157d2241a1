"""Kill the operator's process after a write: the next one ends where an undisturbed one would have ended."""

import re
from typing import Any

SPEC: dict[str, Any] = {
    "replicas": 2,
    "ingress": {"host": "a.example.com"},
    "credentials": {"values": {"OPENAI_API_KEY": "none"}},
    "monitoring": {"serviceMonitor": {"enabled": False}},
}


def _shape(children: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """What does not differ from run to run."""
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


async def test_killed_after_a_write_it_converges_to_the_same_end(world: Any, kill: Any, until: Any) -> None:
    async with world.operator() as controller:
        reference = await world.api.agent(**SPEC)
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        expected = _without_names(_shape(await world.api.children()), world.api.namespace, reference["metadata"]["uid"])
        writes = len(world.proxy.writes)
    assert writes >= 9
    # tests/faults breaks every write of an operator in the test process. This test ends a process: early, midway, late.
    for k in (1, 5, 9):
        await world.api.delete("AgentDeployment", "support")

        async def gone() -> bool:
            return await world.api.children() == {}

        await until(gone)
        world.proxy.requests.clear()
        process = await world.spawn()
        world.proxy.after_write = lambda n, k=k, process=process: kill(process) if n == k else None
        created = await world.api.agent(**SPEC)
        await process.wait()
        assert len(world.proxy.writes) >= k
        world.proxy.after_write = None
        async with world.operator() as controller:
            await world.api.until_reason("ConfigValid", "Valid")
            await world.quiet(controller)
            children = await world.api.children()
        found = _without_names(_shape(children), world.api.namespace, created["metadata"]["uid"])
        assert found == expected, f"killed after write {k}"


async def test_sigterm_ends_it_in_order(world: Any, until: Any) -> None:
    process = await world.spawn()
    await world.api.agent()
    await world.api.until_reason("ConfigValid", "Valid")
    process.terminate()
    assert await process.wait() == 0

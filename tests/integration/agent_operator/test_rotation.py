"""New data of a Secret reaches the pods, once, whoever made the Secret; and nothing else does."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

HASH = "agent-operator.dev/secret-hash"
ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
REFERENCE = {"secretRef": {"name": "azure", "keys": ["TOKEN"]}}


async def rollouts(world: Any) -> int:
    """How often the pod template has changed: each change is a ReplicaSet."""
    path = f"/apis/apps/v1/namespaces/{world.api.namespace}/replicasets"
    return len((await world.api.call("GET", path))["items"])


async def told(world: Any) -> dict[str, Any]:
    """The one entry of status.secrets; empty when there is none."""
    agent = await world.api.get("AgentDeployment", "support")
    entries = agent.get("status", {}).get("secrets") or [{}]
    return dict(entries[0])


def in_use(world: Any, other_than: str = "") -> Callable[[], Awaitable[dict[str, Any] | None]]:
    async def look() -> dict[str, Any] | None:
        found = await told(world)
        return found if found.get("inUseBy") == "2/2 pods" and found["hash"] != other_than else None

    return look


async def rotate_values(world: Any, value: str) -> None:
    await world.api.agent(replicas=2, config=ECHO, credentials={"values": {"TOKEN": value}})


async def rotate_reference(world: Any, value: str) -> None:
    await world.api.merge("Secret", "azure", {"stringData": {"TOKEN": value}})


@pytest.mark.parametrize("kind", ["made by the user", "made by the operator"])
async def test_new_data_rolls_the_pods_once_and_the_status_proves_it(world: Any, until: Any, kind: str) -> None:
    async with world.operator() as controller:
        if kind == "made by the user":
            rotate, name = rotate_reference, "azure"
            await world.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"TOKEN": "canary-1"}})
            await world.api.agent(replicas=2, config=ECHO, credentials=REFERENCE)
        else:
            rotate, name = rotate_values, "support-secrets"
            await rotate_values(world, "canary-1")
        first = await until(in_use(world))
        assert (first["name"], await rollouts(world)) == (name, 1)

        await rotate(world, "canary-2")
        second = await until(in_use(world, other_than=first["hash"]))
        await world.quiet(controller)

        assert await rollouts(world) == 2
        assert second["lastRotated"] >= first["lastRotated"]
        deployment = await world.api.get("Deployment", "support")
        assert deployment["spec"]["template"]["metadata"]["annotations"][HASH] == second["hash"]
        assert "canary" not in str(await world.api.get("AgentDeployment", "support")).replace(
            str((await world.api.get("AgentDeployment", "support"))["spec"]), ""
        )


async def test_what_is_not_data_that_the_pods_read_rolls_nothing(world: Any, until: Any) -> None:
    """As when External Secrets notes the time of its last look, or another key is added."""
    async with world.operator() as controller:
        await world.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"TOKEN": "a"}})
        await world.api.agent(replicas=2, config=ECHO, credentials=REFERENCE)
        before = await until(in_use(world))
        read = len([path for _, path in world.proxy.requests if path.endswith("/secrets/azure")])

        await world.api.merge(
            "Secret", "azure", {"metadata": {"annotations": {"reconcile.external-secrets.io/t": "1"}}}
        )
        await world.api.merge("Secret", "azure", {"stringData": {"OTHER": "b"}})

        async def read_again() -> bool:
            return len([path for _, path in world.proxy.requests if path.endswith("/secrets/azure")]) > read + 1

        await until(read_again)
        await world.quiet(controller)
        assert await rollouts(world) == 1
        assert await told(world) == before


async def test_secrets_of_others_are_neither_listed_nor_watched(world: Any, until: Any) -> None:
    async with world.operator():
        await world.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"TOKEN": "a"}})
        await world.api.agent(replicas=2, config=ECHO, credentials=REFERENCE)
        await until(in_use(world))

    lists = [query for _, path, query, _, _ in world.proxy.asked if path.endswith("/secrets")]
    assert lists
    assert all(query.get("labelSelector") == "agent-operator.dev/agent" for query in lists)

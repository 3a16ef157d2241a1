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
        assert deployment["spec"]["template"]["metadata"]["annotations"][HASH] == f"{name}={second['hash']}"
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


async def test_secrets_are_neither_listed_nor_watched(world: Any, until: Any) -> None:
    """Not even the operator's own: the right to that would be the right to all."""
    async with world.operator():
        await world.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"TOKEN": "a"}})
        await world.api.agent(replicas=2, config=ECHO, credentials=REFERENCE)
        await until(in_use(world))
        await rotate_values(world, "b")
        await world.api.until_reason("Ready", "Ready")

    asked = [(path, query) for _, path, query, _, _ in world.proxy.asked if "/secrets" in path]
    assert asked
    assert all("/secrets/" in path and "watch" not in query for path, query in asked)


async def test_the_operators_own_secret_is_set_right_read_once_in_its_time_and_removed(world: Any, until: Any) -> None:
    def reads() -> int:
        return sum((method, path[-16:]) == ("GET", "/support-secrets") for method, path in world.proxy.requests)

    async def value() -> str:
        secret = await world.api.get("Secret", "support-secrets")
        return "" if secret is None else str(secret["data"]["TOKEN"])

    async with world.operator(refs_refresh=3600, resync=1) as controller:
        await rotate_values(world, "a")
        await world.api.until_reason("Ready", "Ready")
        await world.quiet(controller)
        before, passes = reads(), controller.metrics.reconciles.labels("resync", "unchanged")._value

        async def five_passes() -> bool:
            return passes.get() >= 5

        await until(five_passes)
        assert (before, reads()) == (1, 1)
    good = await value()
    await world.api.merge("Secret", "support-secrets", {"stringData": {"TOKEN": "edited"}})
    async with world.operator():

        async def right_again() -> bool:
            return await value() == good

        await until(right_again)
        await world.api.merge("Secret", "support-secrets", {"stringData": {"TOKEN": "edited"}})
        await until(right_again)
        await world.api.agent(replicas=2, config=ECHO)

        async def removed() -> bool:
            return await value() == ""

        await until(removed)
        await world.api.until_reason("Ready", "Ready")
        assert "Secret" not in {
            c["kind"] for c in (await world.api.get("AgentDeployment", "support"))["status"]["children"]
        }


ENVIRONMENT: dict[str, Any] = {
    "env": [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "by-env", "key": "token"}}},
        {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "maybe", "key": "token", "optional": True}}},
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "colours", "key": "sky"}}},
    ],
    "podTemplate": {
        "spec": {"containers": [{"name": "log", "image": "log:1", "envFrom": [{"secretRef": {"name": "whole"}}]}]}
    },
}


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("Secret", "by-env", {"stringData": {"token": "canary-2"}}),
        ("Secret", "whole", {"stringData": {"another": "canary-2"}}),
        ("ConfigMap", "colours", {"data": {"sky": "red"}}),
    ],
)
async def test_new_data_of_what_the_environment_names_rolls_the_pods_once(
    world: Any, until: Any, kind: str, name: str, change: dict[str, Any]
) -> None:
    """An optional Secret that is not there is fine, and a key that nobody reads rolls nothing."""
    async with world.operator() as controller:
        for made in ("by-env", "whole"):
            await world.api.create("Secret", {"metadata": {"name": made}, "stringData": {"token": "canary-1"}})
        await world.api.create("ConfigMap", {"metadata": {"name": "colours"}, "data": {"sky": "blue"}})
        await world.api.agent(replicas=1, config=ECHO, **ENVIRONMENT)
        await world.api.until_reason("Ready", "Ready")
        await world.quiet(controller)
        assert await rollouts(world) == 1

        await world.api.merge("Secret", "by-env", {"stringData": {"unread": "canary-3"}})
        await world.api.merge(kind, name, change)

        async def rolled() -> bool:
            return await rollouts(world) == 2

        await until(rolled)
        await world.api.until_reason("Ready", "Ready")
        await world.quiet(controller)
        assert await rollouts(world) == 2
        agent = await world.api.get("AgentDeployment", "support")
        told = {entry["name"]: entry["inUseBy"] for entry in agent["status"]["secrets"]}
        assert told == {"by-env": "1/1 pods", "whole": "1/1 pods"}
        assert "canary" not in str(agent["status"])


async def test_an_optional_secret_that_comes_late_rolls_the_pods(world: Any, until: Any) -> None:
    async with world.operator():
        env = [ENVIRONMENT["env"][1]]
        await world.api.agent(replicas=1, config=ECHO, env=env)
        await world.api.until_reason("Ready", "Ready")
        await world.api.create("Secret", {"metadata": {"name": "maybe"}, "stringData": {"token": "canary"}})

        async def rolled() -> bool:
            return await rollouts(world) == 2

        await until(rolled)


async def test_a_secret_that_a_variable_needs_is_told_as_missing(world: Any) -> None:
    async with world.operator():
        await world.api.agent(replicas=1, config=ECHO, env=[ENVIRONMENT["env"][0]])
        missing = await world.api.until_reason("SecretsReady", "SecretMissing")
        assert missing["message"].startswith("spec.env[TOKEN].valueFrom.secretKeyRef.name: Secret ")
        await world.api.create("Secret", {"metadata": {"name": "by-env"}, "stringData": {"other": "a"}})
        lacking = await world.api.until_reason("SecretsReady", "SecretKeyMissing")
        assert "lacks token: add it to the Secret, or remove it from spec.env[TOKEN]" in lacking["message"]
        await world.api.merge("Secret", "by-env", {"stringData": {"token": "a"}})
        await world.api.until_reason("Ready", "Ready")


async def test_new_keys_of_callers_roll_nothing(world: Any, until: Any) -> None:
    keys = {"apiKeys": {"secretKeyRef": {"name": "callers", "key": "keys"}}}
    async with world.operator() as controller:
        await world.api.agent(replicas=1, config=ECHO, **keys)
        missing = await world.api.until_reason("SecretsReady", "SecretMissing")
        assert missing["message"].startswith("spec.apiKeys.secretKeyRef.name: Secret ")
        await world.api.create("Secret", {"metadata": {"name": "callers"}, "stringData": {"keys": "canary-1"}})
        await world.api.until_reason("Ready", "Ready")
        read = len([path for _, path in world.proxy.requests if path.endswith("/secrets/callers")])

        await world.api.merge("Secret", "callers", {"stringData": {"keys": "canary-2"}})

        async def read_again() -> bool:
            return len([path for _, path in world.proxy.requests if path.endswith("/secrets/callers")]) > read + 1

        await until(read_again)
        await world.quiet(controller)
        assert await rollouts(world) == 1

"""Rotated data of a Secret rolls the pods once. No other change of it does."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

HASH = "agent-operator.dev/secret-hash"
ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
REFERENCE = {"secretRef": {"name": "azure", "keys": ["TOKEN"]}}


async def rollouts(cluster: Cluster) -> int:
    """The number of pod templates so far: each one has a ReplicaSet."""
    path = f"/apis/apps/v1/namespaces/{cluster.api.namespace}/replicasets"
    return len((await cluster.api.call("GET", path))["items"])


async def status_entry(cluster: Cluster) -> dict[str, Any]:
    """The one entry of status.secrets; empty when there is none."""
    agent = await cluster.api.get("AgentDeployment", "support")
    entries = agent.get("status", {}).get("secrets") or [{}]
    return dict(entries[0])


def in_use(cluster: Cluster, other_than: str = "") -> Callable[[], Awaitable[dict[str, Any] | None]]:
    async def look() -> dict[str, Any] | None:
        found = await status_entry(cluster)
        return found if found.get("inUseBy") == "2/2 pods" and found["hash"] != other_than else None

    return look


async def rotate_values(cluster: Cluster, value: str) -> None:
    await cluster.api.apply_agent(replicas=2, config=ECHO, credentials={"values": {"TOKEN": value}})


async def rotate_reference(cluster: Cluster, value: str) -> None:
    await cluster.api.merge("Secret", "azure", {"stringData": {"TOKEN": value}})


@pytest.mark.parametrize("kind", ["created by the user", "created by the operator"])
async def test_rotated_data_rolls_the_pods_once_and_is_reported(cluster: Cluster, kind: str) -> None:
    async with cluster.operator() as controller:
        if kind == "created by the user":
            rotate, name = rotate_reference, "azure"
            await cluster.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"TOKEN": "canary-1"}})
            await cluster.api.apply_agent(replicas=2, config=ECHO, credentials=REFERENCE)
        else:
            rotate, name = rotate_values, "support-secrets"
            await rotate_values(cluster, "canary-1")
        first = await wait_until(in_use(cluster))
        assert (first["name"], await rollouts(cluster)) == (name, 1)

        await rotate(cluster, "canary-2")
        second = await wait_until(in_use(cluster, other_than=first["hash"]))
        await cluster.wait_until_idle(controller)

        assert await rollouts(cluster) == 2
        assert second["lastRotated"] >= first["lastRotated"]
        deployment = await cluster.api.get("Deployment", "support")
        assert deployment["spec"]["template"]["metadata"]["annotations"][HASH] == f"{name}={second['hash']}"
        assert "canary" not in str(await cluster.api.get("AgentDeployment", "support")).replace(
            str((await cluster.api.get("AgentDeployment", "support"))["spec"]), ""
        )


async def test_changes_outside_the_used_data_do_not_roll_the_pods(cluster: Cluster) -> None:
    """For example, External Secrets records its last sync, or another key is added."""
    async with cluster.operator() as controller:
        await cluster.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"TOKEN": "a"}})
        await cluster.api.apply_agent(replicas=2, config=ECHO, credentials=REFERENCE)
        before = await wait_until(in_use(cluster))
        read = len([path for _, path in cluster.proxy.requests if path.endswith("/secrets/azure")])

        await cluster.api.merge(
            "Secret", "azure", {"metadata": {"annotations": {"reconcile.external-secrets.io/t": "1"}}}
        )
        await cluster.api.merge("Secret", "azure", {"stringData": {"OTHER": "b"}})

        async def read_again() -> bool:
            return len([path for _, path in cluster.proxy.requests if path.endswith("/secrets/azure")]) > read + 1

        await wait_until(read_again)
        await cluster.wait_until_idle(controller)
        assert await rollouts(cluster) == 1
        assert await status_entry(cluster) == before


async def test_secrets_are_neither_listed_nor_watched(cluster: Cluster) -> None:
    """The operator does not even list its own Secrets, because that requires the permission to list all Secrets."""
    async with cluster.operator():
        await cluster.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"TOKEN": "a"}})
        await cluster.api.apply_agent(replicas=2, config=ECHO, credentials=REFERENCE)
        await wait_until(in_use(cluster))
        await rotate_values(cluster, "b")
        await cluster.api.wait_for_reason("Ready", "Ready")

    requests = [(path, query) for _, path, query, _, _ in cluster.proxy.exchanges if "/secrets" in path]
    assert requests
    assert all("/secrets/" in path and "watch" not in query for path, query in requests)


async def test_the_operators_secret_is_repaired_cached_and_deleted(cluster: Cluster) -> None:
    def reads() -> int:
        return sum((method, path[-16:]) == ("GET", "/support-secrets") for method, path in cluster.proxy.requests)

    async def value() -> str:
        secret = await cluster.api.get("Secret", "support-secrets")
        return "" if secret is None else str(secret["data"]["TOKEN"])

    async with cluster.operator(refs_refresh=3600, resync=1) as controller:
        await rotate_values(cluster, "a")
        await cluster.api.wait_for_reason("Ready", "Ready")
        await cluster.wait_until_idle(controller)
        before, passes = reads(), controller.metrics.reconciles.labels("resync", "unchanged")._value

        async def five_passes() -> bool:
            return passes.get() >= 5

        await wait_until(five_passes)
        assert (before, reads()) == (1, 1)
    good = await value()
    await cluster.api.merge("Secret", "support-secrets", {"stringData": {"TOKEN": "edited"}})
    async with cluster.operator():

        async def right_again() -> bool:
            return await value() == good

        await wait_until(right_again)
        await cluster.api.merge("Secret", "support-secrets", {"stringData": {"TOKEN": "edited"}})
        await wait_until(right_again)
        await cluster.api.apply_agent(replicas=2, config=ECHO)

        async def removed() -> bool:
            return await value() == ""

        await wait_until(removed)
        await cluster.api.wait_for_reason("Ready", "Ready")
        assert "Secret" not in {
            c["kind"] for c in (await cluster.api.get("AgentDeployment", "support"))["status"]["children"]
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
async def test_rotated_data_of_environment_references_rolls_the_pods_once(
    cluster: Cluster, kind: str, name: str, change: dict[str, Any]
) -> None:
    """A missing optional Secret is no error, and a key that no container uses rolls nothing."""
    async with cluster.operator() as controller:
        for secret in ("by-env", "whole"):
            await cluster.api.create("Secret", {"metadata": {"name": secret}, "stringData": {"token": "canary-1"}})
        await cluster.api.create("ConfigMap", {"metadata": {"name": "colours"}, "data": {"sky": "blue"}})
        await cluster.api.apply_agent(replicas=1, config=ECHO, **ENVIRONMENT)
        await cluster.api.wait_for_reason("Ready", "Ready")
        await cluster.wait_until_idle(controller)
        assert await rollouts(cluster) == 1

        await cluster.api.merge("Secret", "by-env", {"stringData": {"unread": "canary-3"}})
        await cluster.api.merge(kind, name, change)

        async def rolled() -> bool:
            return await rollouts(cluster) == 2

        await wait_until(rolled)
        await cluster.api.wait_for_reason("Ready", "Ready")
        await cluster.wait_until_idle(controller)
        assert await rollouts(cluster) == 2
        agent = await cluster.api.get("AgentDeployment", "support")
        in_use_by = {entry["name"]: entry["inUseBy"] for entry in agent["status"]["secrets"]}
        assert in_use_by == {"by-env": "1/1 pods", "whole": "1/1 pods"}
        assert "canary" not in str(agent["status"])


async def test_an_optional_secret_that_is_created_later_rolls_the_pods(cluster: Cluster) -> None:
    async with cluster.operator():
        env = [ENVIRONMENT["env"][1]]
        await cluster.api.apply_agent(replicas=1, config=ECHO, env=env)
        await cluster.api.wait_for_reason("Ready", "Ready")
        await cluster.api.create("Secret", {"metadata": {"name": "maybe"}, "stringData": {"token": "canary"}})

        async def rolled() -> bool:
            return await rollouts(cluster) == 2

        await wait_until(rolled)


async def test_a_missing_secret_of_a_variable_is_reported(cluster: Cluster) -> None:
    async with cluster.operator():
        await cluster.api.apply_agent(replicas=1, config=ECHO, env=[ENVIRONMENT["env"][0]])
        missing = await cluster.api.wait_for_reason("SecretsReady", "SecretMissing")
        assert missing["message"].startswith("spec.env[TOKEN].valueFrom.secretKeyRef.name: Secret ")
        await cluster.api.create("Secret", {"metadata": {"name": "by-env"}, "stringData": {"other": "a"}})
        lacking = await cluster.api.wait_for_reason("SecretsReady", "SecretKeyMissing")
        assert "lacks token: add it to the Secret, or remove it from spec.env[TOKEN]" in lacking["message"]
        await cluster.api.merge("Secret", "by-env", {"stringData": {"token": "a"}})
        await cluster.api.wait_for_reason("Ready", "Ready")


async def test_rotated_api_keys_do_not_roll_the_pods(cluster: Cluster) -> None:
    keys: dict[str, Any] = {"apiKeys": {"secretKeyRef": {"name": "callers", "key": "keys"}}}
    async with cluster.operator() as controller:
        await cluster.api.apply_agent(replicas=1, config=ECHO, **keys)
        missing = await cluster.api.wait_for_reason("SecretsReady", "SecretMissing")
        assert missing["message"].startswith("spec.apiKeys.secretKeyRef.name: Secret ")
        await cluster.api.create("Secret", {"metadata": {"name": "callers"}, "stringData": {"keys": "canary-1"}})
        await cluster.api.wait_for_reason("Ready", "Ready")
        read = len([path for _, path in cluster.proxy.requests if path.endswith("/secrets/callers")])

        await cluster.api.merge("Secret", "callers", {"stringData": {"keys": "canary-2"}})

        async def read_again() -> bool:
            return len([path for _, path in cluster.proxy.requests if path.endswith("/secrets/callers")]) > read + 1

        await wait_until(read_again)
        await cluster.wait_until_idle(controller)
        assert await rollouts(cluster) == 1

"""External Secrets: what it says reaches the user, and what it makes reaches the pods."""

from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

import pytest

from agent_operator.kube.resources import BY_NAME
from agent_operator.kube.transport import ApiError

ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
CREDENTIALS = {
    "externalSecret": {"secretStoreRef": {"name": "vault", "kind": "ClusterSecretStore"}, "data": {"TOKEN": "token"}}
}
KIND = BY_NAME["ExternalSecret"]
KINDS = (KIND, BY_NAME["SecretStore"])


@pytest.fixture
async def defined(world: Any) -> AsyncIterator[Callable[[], Any]]:
    """Install stand-ins for the definitions of External Secrets when called; they are gone after the test."""
    installed = []

    async def install() -> None:
        for kind in KINDS:
            await world.api.define(kind)
            installed.append(kind)

    yield install
    for kind in installed:
        await world.api.undefine(kind)


async def say(world: Any, status: str, reason: str, message: str) -> None:
    """Write the status of the ExternalSecret as External Secrets does."""
    condition = {"type": "Ready", "status": status, "reason": reason, "message": message}
    body = {"status": {"conditions": [condition]}}
    path = KIND.path(KIND.versions[0], world.api.namespace, "support-secrets")
    await world.api.call("PATCH", path, body=body, content_type="application/merge-patch+json")


async def there(world: Any) -> bool:
    try:
        await world.api.call("GET", KIND.path(KIND.versions[0], world.api.namespace, "support-secrets"))
    except ApiError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        return False
    return True


async def test_the_whole_way_from_not_installed_to_failing_later(world: Any, until: Any, defined: Any) -> None:
    async with world.operator():
        await world.api.agent(replicas=1, config=ECHO, credentials=CREDENTIALS)
        missing = await world.api.until_reason("SecretsReady", "ExternalSecretsMissing")
        assert "install External Secrets" in missing["message"]
        assert await world.api.get("Deployment", "support") is None

        await defined()
        waiting = await world.api.until_reason("SecretsReady", "SecretNotSynced")
        assert f"Secret {world.api.namespace}/support-secrets" in waiting["message"]
        await until(lambda: there(world))

        await say(world, "False", "SecretSyncedError", "key token: not found in vault")

        async def told() -> bool:
            return "not found in vault" in (await world.api.condition("SecretsReady")).get("message", "")

        await until(told)

        await world.api.create("Secret", {"metadata": {"name": "support-secrets"}, "stringData": {"TOKEN": "a"}})
        await say(world, "True", "SecretSynced", "")
        await world.api.until_reason("Ready", "Ready")

        before = (await world.api.get("AgentDeployment", "support"))["status"]["secrets"][0]
        await world.api.merge("Secret", "support-secrets", {"stringData": {"TOKEN": "b"}})

        async def rolled() -> bool:
            found = (await world.api.get("AgentDeployment", "support"))["status"]["secrets"][0]
            return found["hash"] != before["hash"] and found["inUseBy"] == "1/1 pods"

        await until(rolled)
        await say(world, "False", "SecretSyncedError", "the vault is closed")
        warning = await world.api.until_reason("Warning", "SecretNotSynced")
        assert "the vault is closed" in warning["message"]
        assert (await world.api.condition("SecretsReady"))["status"] == "True"


async def test_credentials_without_a_source_are_refused_in_words(world: Any) -> None:
    """An API server whose CRD is older lets it through."""
    async with world.operator() as controller:
        await world.api.agent(config=ECHO)
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        agent = await world.api.get("AgentDeployment", "support")
        agent["spec"]["credentials"] = {}
        agent["metadata"] |= {"generation": 99, "resourceVersion": str(10**12)}
        key = controller.store.observe_agent("MODIFIED", agent)
        result = await controller._workers._reconciler.reconcile(key)

        assert result.invalid is not None
        assert not result.invalid.retry
        condition = await world.api.get("AgentDeployment", "support")
        told = {c["type"]: c for c in condition["status"]["conditions"]}["ConfigValid"]
        assert (told["reason"], told["message"].partition(":")[0]) == ("FieldConflict", "spec.credentials")

"""External Secrets: its status reaches the user, and its Secret reaches the pods."""

from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

import pytest

from agent_operator.kube.resources import BY_NAME
from agent_operator.kube.transport import ApiError
from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
CREDENTIALS = {
    "externalSecret": {"secretStoreRef": {"name": "vault", "kind": "ClusterSecretStore"}, "data": {"TOKEN": "token"}}
}
KIND = BY_NAME["ExternalSecret"]
KINDS = (KIND, BY_NAME["SecretStore"])


@pytest.fixture
async def install_external_secrets(cluster: Cluster) -> AsyncIterator[Callable[[], Any]]:
    """Return a function that installs permissive CRDs of External Secrets; they are deleted after the test."""
    installed = []

    async def install() -> None:
        for kind in KINDS:
            await cluster.api.define(kind)
            installed.append(kind)

    yield install
    for kind in installed:
        await cluster.api.undefine(kind)


async def set_status(cluster: Cluster, status: str, reason: str, message: str) -> None:
    """Write the status of the ExternalSecret as External Secrets does."""
    condition = {"type": "Ready", "status": status, "reason": reason, "message": message}
    body = {"status": {"conditions": [condition]}}
    path = KIND.path(KIND.versions[0], cluster.api.namespace, "support-secrets")
    await cluster.api.call("PATCH", path, body=body, content_type="application/merge-patch+json")


async def is_created(cluster: Cluster) -> bool:
    try:
        await cluster.api.call("GET", KIND.path(KIND.versions[0], cluster.api.namespace, "support-secrets"))
    except ApiError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        return False
    return True


async def test_conditions_follow_an_external_secret_from_install_to_failure(
    cluster: Cluster, install_external_secrets: Any
) -> None:
    async with cluster.operator():
        await cluster.api.apply_agent(replicas=1, config=ECHO, credentials=CREDENTIALS)
        missing = await cluster.api.wait_for_reason("SecretsReady", "ExternalSecretsMissing")
        assert "install External Secrets" in missing["message"]
        assert await cluster.api.get("Deployment", "support") is None

        await install_external_secrets()
        waiting = await cluster.api.wait_for_reason("SecretsReady", "SecretNotSynced")
        assert f"Secret {cluster.api.namespace}/support-secrets" in waiting["message"]
        await wait_until(lambda: is_created(cluster))

        await set_status(cluster, "False", "SecretSyncedError", "key token: not found in vault")

        async def error_is_reported() -> bool:
            return "not found in vault" in (await cluster.api.condition("SecretsReady")).get("message", "")

        await wait_until(error_is_reported)

        await cluster.api.create("Secret", {"metadata": {"name": "support-secrets"}, "stringData": {"TOKEN": "a"}})
        await set_status(cluster, "True", "SecretSynced", "")
        await cluster.api.wait_for_reason("Ready", "Ready")

        before = (await cluster.api.get("AgentDeployment", "support"))["status"]["secrets"][0]
        await cluster.api.merge("Secret", "support-secrets", {"stringData": {"TOKEN": "b"}})

        async def rolled() -> bool:
            found = (await cluster.api.get("AgentDeployment", "support"))["status"]["secrets"][0]
            return found["hash"] != before["hash"] and found["inUseBy"] == "1/1 pods"

        await wait_until(rolled)
        await set_status(cluster, "False", "SecretSyncedError", "the vault is closed")
        warning = await cluster.api.wait_for_reason("Warning", "SecretNotSynced")
        assert "the vault is closed" in warning["message"]
        assert (await cluster.api.condition("SecretsReady"))["status"] == "True"


async def test_credentials_without_a_source_are_rejected_with_a_message(cluster: Cluster) -> None:
    """An API server with an older CRD accepts them."""
    async with cluster.operator() as controller:
        await cluster.api.apply_agent(config=ECHO)
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        agent = await cluster.api.get("AgentDeployment", "support")
        agent["spec"]["credentials"] = {}
        agent["metadata"] |= {"generation": 99, "resourceVersion": str(10**12)}
        key = controller.store.observe_agent("MODIFIED", agent)
        result = await controller._workers._reconciler.reconcile(key)

        assert result.invalid is not None
        assert not result.invalid.retry
        condition = await cluster.api.get("AgentDeployment", "support")
        config_valid = {c["type"]: c for c in condition["status"]["conditions"]}["ConfigValid"]
        assert (config_valid["reason"], config_valid["message"].partition(":")[0]) == (
            "FieldConflict",
            "spec.credentials",
        )

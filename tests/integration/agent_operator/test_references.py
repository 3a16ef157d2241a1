"""Secrets and ConfigMaps that an agent refers to, and optional APIs."""

import asyncio
from typing import Any

from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

HASH = "agent-operator.dev/secret-hash"
AZURE = {"models": [{"name": "m", "provider": "azure_openai", "deployment": "d", "endpoint": "https://x.example.com"}]}


async def _pod_hash(cluster: Cluster) -> str | None:
    deployment = await cluster.api.get("Deployment", "support")
    if deployment is None:
        return None
    return deployment["spec"]["template"]["metadata"]["annotations"].get(HASH)


async def test_an_agent_waits_for_its_missing_secret(cluster: Cluster) -> None:
    async with cluster.operator():
        await cluster.api.apply_agent(
            config=AZURE, credentials={"secretRef": {"name": "azure", "keys": ["AZURE_OPENAI_API_KEY"]}}
        )
        condition = await cluster.api.wait_for_reason("SecretsReady", "SecretMissing")
        assert "spec.credentials.secretRef.name" in condition["message"]
        assert f"{cluster.api.namespace}/azure" in condition["message"]
        assert await cluster.api.get("Deployment", "support") is None
        await cluster.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"OTHER": "x"}})
        condition = await cluster.api.wait_for_reason("SecretsReady", "SecretKeyMissing")
        assert "AZURE_OPENAI_API_KEY" in condition["message"]
        await cluster.api.merge("Secret", "azure", {"stringData": {"AZURE_OPENAI_API_KEY": "k1"}})
        await cluster.api.wait_for_reason("SecretsReady", "Found")
        first = await wait_until(lambda: _pod_hash(cluster))
        await cluster.api.merge("Secret", "azure", {"stringData": {"AZURE_OPENAI_API_KEY": "k2"}})

        async def rolled() -> bool:
            return await _pod_hash(cluster) != first

        await wait_until(rolled)


async def test_the_key_of_a_model_is_reported_and_its_rotation_replaces_the_pods(cluster: Cluster) -> None:
    own = {"name": "m", "provider": "openai", "apiKeyFrom": {"secretKeyRef": {"name": "vendor", "key": "token"}}}
    async with cluster.operator():
        await cluster.api.apply_agent(config={"models": [own]})
        condition = await cluster.api.wait_for_reason("SecretsReady", "SecretMissing")
        assert "spec.config.models[0].apiKeyFrom.secretKeyRef.name" in condition["message"]
        await cluster.api.create("Secret", {"metadata": {"name": "vendor"}, "stringData": {"token": "k1"}})
        await cluster.api.wait_for_reason("SecretsReady", "Found")
        first = await wait_until(lambda: _pod_hash(cluster))
        assert first.startswith("vendor=")
        await cluster.api.merge("Secret", "vendor", {"stringData": {"token": "k2"}})

        async def reported() -> bool:
            agent = await cluster.api.get("AgentDeployment", "support") or {}
            secrets = agent.get("status", {}).get("secrets", [])
            now = await _pod_hash(cluster)
            return now != first and [f"vendor={entry['hash']}" for entry in secrets] == [now]

        await wait_until(reported)


async def test_a_deleted_secret_does_not_change_the_running_agent(cluster: Cluster) -> None:
    await cluster.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"AZURE_OPENAI_API_KEY": "k1"}})
    async with cluster.operator() as controller:
        await cluster.api.apply_agent(config=AZURE, credentials={"secretRef": {"name": "azure"}})
        await cluster.api.wait_for_reason("SecretsReady", "Found")
        await cluster.wait_until_idle(controller)
        before = set(await cluster.api.children())
        await cluster.api.delete("Secret", "azure")
        await cluster.api.wait_for_reason("SecretsReady", "SecretMissing")
        assert set(await cluster.api.children()) == before


async def test_secrets_are_read_once_per_refresh_and_never_listed(cluster: Cluster) -> None:
    await cluster.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"AZURE_OPENAI_API_KEY": "k1"}})
    async with cluster.operator(refs_refresh=3600, resync=1) as controller:
        await cluster.api.apply_agent(config=AZURE, credentials={"secretRef": {"name": "azure"}})
        await cluster.api.wait_for_reason("SecretsReady", "Found")
        await cluster.wait_until_idle(controller)
        before = list(cluster.proxy.requests)
        await asyncio.sleep(2.5)
        assert cluster.proxy.requests == before


async def test_the_prompt_follows_its_config_map(cluster: Cluster) -> None:
    async with cluster.operator():
        await cluster.api.apply_agent(systemPrompt={"configMapKeyRef": {"name": "prompts", "key": "a.txt"}})
        condition = await cluster.api.wait_for_reason("ConfigValid", "PromptMissing")
        assert "prompts" in condition["message"]
        assert await cluster.api.children() == {}
        await cluster.api.create("ConfigMap", {"metadata": {"name": "prompts"}, "data": {"a.txt": "first"}})

        async def has(text: str) -> bool:
            children = await cluster.api.children()
            return any(
                text == c.get("data", {}).get("system_prompt.txt") for (k, _), c in children.items() if k == "ConfigMap"
            )

        await wait_until(lambda: has("first"))
        await cluster.api.merge("ConfigMap", "prompts", {"data": {"a.txt": "second"}})
        await wait_until(lambda: has("second"))


def definition(plural: str, kind: str) -> dict[str, Any]:
    """Return a CRD of the Prometheus Operator, without a schema."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "singular": kind.lower()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


async def test_a_missing_optional_api_is_a_warning_until_it_is_installed(cluster: Cluster) -> None:
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    definitions = [definition("servicemonitors", "ServiceMonitor"), definition("prometheusrules", "PrometheusRule")]
    optional = {("ServiceMonitor", "support"), ("PrometheusRule", "support")}
    dashboard = ("ConfigMap", "support-dashboard")
    async with cluster.operator():
        monitoring: dict[str, Any] = {"serviceMonitor": {"enabled": True}, "prometheusRule": {}, "dashboard": {}}
        await cluster.api.apply_agent(replicas=1, monitoring=monitoring)
        warning = await cluster.api.wait_for_reason("Warning", "ApiMissing")
        await cluster.api.apply_agent("plain", replicas=1)
        await cluster.api.wait_for_reason("Ready", "Ready", "plain")
        assert not await cluster.api.condition("Warning", "plain"), "this agent requests no ServiceMonitor"
        assert "prometheusrules.monitoring.coreos.com" in warning["message"]
        try:
            for crd in definitions:
                await cluster.api.call("POST", crds, body=crd)

            async def healed() -> bool:
                return {*optional, dashboard} <= {*await cluster.api.children()}

            await wait_until(healed)

            async def no_warning() -> bool:
                return not await cluster.api.condition("Warning")

            await wait_until(no_warning)
            await cluster.api.apply_agent(replicas=1, monitoring={"serviceMonitor": {}})

            async def has_only_the_monitor() -> bool:
                return {*await cluster.api.children()} & {*optional, dashboard} == {("ServiceMonitor", "support")}

            await wait_until(has_only_the_monitor)
        finally:
            for crd in definitions:
                await cluster.api.call("DELETE", f"{crds}/{crd['metadata']['name']}")
        await cluster.api.wait_for_reason("Warning", "ApiMissing")

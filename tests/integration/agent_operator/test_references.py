"""Secrets and ConfigMaps that an agent names, and APIs that a cluster may lack."""

import asyncio
from typing import Any

HASH = "agent-operator.dev/secret-hash"
AZURE = {"models": [{"name": "m", "provider": "azure_openai", "deployment": "d", "endpoint": "https://x.example.com"}]}


async def _pod_hash(world: Any) -> str | None:
    deployment = await world.api.get("Deployment", "support")
    if deployment is None:
        return None
    return deployment["spec"]["template"]["metadata"]["annotations"].get(HASH)


async def test_a_missing_secret_holds_the_agent_until_it_is_there(world: Any, until: Any) -> None:
    async with world.operator():
        await world.api.agent(
            config=AZURE, credentials={"secretRef": {"name": "azure", "keys": ["AZURE_OPENAI_API_KEY"]}}
        )
        condition = await world.api.until_reason("SecretsReady", "SecretMissing")
        assert "spec.credentials.secretRef.name" in condition["message"]
        assert f"{world.api.namespace}/azure" in condition["message"]
        assert await world.api.get("Deployment", "support") is None
        await world.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"OTHER": "x"}})
        condition = await world.api.until_reason("SecretsReady", "SecretKeyMissing")
        assert "AZURE_OPENAI_API_KEY" in condition["message"]
        await world.api.merge("Secret", "azure", {"stringData": {"AZURE_OPENAI_API_KEY": "k1"}})
        await world.api.until_reason("SecretsReady", "Found")
        first = await until(lambda: _pod_hash(world))
        await world.api.merge("Secret", "azure", {"stringData": {"AZURE_OPENAI_API_KEY": "k2"}})

        async def rolled() -> bool:
            return await _pod_hash(world) != first

        await until(rolled)


async def test_a_secret_that_goes_leaves_the_running_agent_alone(world: Any) -> None:
    await world.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"AZURE_OPENAI_API_KEY": "k1"}})
    async with world.operator() as controller:
        await world.api.agent(config=AZURE, credentials={"secretRef": {"name": "azure"}})
        await world.api.until_reason("SecretsReady", "Found")
        await world.quiet(controller)
        before = set(await world.api.children())
        await world.api.delete("Secret", "azure")
        await world.api.until_reason("SecretsReady", "SecretMissing")
        assert set(await world.api.children()) == before


async def test_no_secret_is_listed_or_read_twice_within_its_time(world: Any) -> None:
    await world.api.create("Secret", {"metadata": {"name": "azure"}, "stringData": {"AZURE_OPENAI_API_KEY": "k1"}})
    async with world.operator(refs_refresh=3600, resync=1) as controller:
        await world.api.agent(config=AZURE, credentials={"secretRef": {"name": "azure"}})
        await world.api.until_reason("SecretsReady", "Found")
        await world.quiet(controller)
        before = list(world.proxy.requests)
        await asyncio.sleep(2.5)
        assert world.proxy.requests == before


async def test_a_prompt_comes_from_a_config_map_and_follows_it(world: Any, until: Any) -> None:
    async with world.operator():
        await world.api.agent(systemPrompt={"configMapKeyRef": {"name": "prompts", "key": "a.txt"}})
        condition = await world.api.until_reason("ConfigValid", "PromptMissing")
        assert "prompts" in condition["message"]
        assert await world.api.children() == {}
        await world.api.create("ConfigMap", {"metadata": {"name": "prompts"}, "data": {"a.txt": "first"}})

        async def has(text: str) -> bool:
            children = await world.api.children()
            return any(
                text == c.get("data", {}).get("system_prompt.txt") for (k, _), c in children.items() if k == "ConfigMap"
            )

        await until(lambda: has("first"))
        await world.api.merge("ConfigMap", "prompts", {"data": {"a.txt": "second"}})
        await until(lambda: has("second"))


async def test_a_missing_api_is_a_warning_and_heals(world: Any, until: Any) -> None:
    crd: dict[str, Any] = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"plural": "servicemonitors", "kind": "ServiceMonitor", "singular": "servicemonitor"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    async with world.operator():
        await world.api.agent()
        warning = await world.api.until_reason("Warning", "ApiMissing")
        assert "servicemonitors.monitoring.coreos.com" in warning["message"]
        await world.api.call("POST", crds, body=crd)
        try:

            async def healed() -> bool:
                return ("ServiceMonitor", "support") in await world.api.children()

            await until(healed)

            async def no_warning() -> bool:
                return not await world.api.condition("Warning")

            await until(no_warning)
        finally:
            await world.api.call("DELETE", f"{crds}/{crd['metadata']['name']}")
        await world.api.until_reason("Warning", "ApiMissing")

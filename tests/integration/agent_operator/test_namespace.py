"""spec.namespace: made, labelled, and taken away with its agent; never somebody else's."""

from typing import Any


async def test_a_namespace_lives_and_dies_with_its_agent(world: Any, until: Any) -> None:
    name = f"{world.api.namespace}-own"
    async with world.operator() as controller:
        await world.api.agent(namespace={"name": name})
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        agent = await world.api.get("AgentDeployment", "support")
        assert agent["metadata"]["finalizers"] == ["agent-operator.dev/children"]
        namespace = await world.api.get("Namespace", name)
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        assert ("Deployment", "support") in await world.api.children(namespace=name)
        await world.api.delete("Service", "support", namespace=name)

        async def back() -> Any:
            return await world.api.get("Service", "support", namespace=name)

        await until(back)
        await world.api.delete("AgentDeployment", "support")

        async def gone() -> bool:
            both = await world.api.get("Namespace", name), await world.api.get("AgentDeployment", "support")
            return both == (None, None)

        await until(gone)


async def test_a_namespace_of_somebody_else_is_left_alone(world: Any, until: Any) -> None:
    name = f"{world.api.namespace}-other"
    await world.api.create("Namespace", {"metadata": {"name": name}})
    async with world.operator():
        await world.api.agent(namespace={"name": name})
        condition = await world.api.until_reason("Ready", "Conflict")
        assert f"Namespace {name}" in condition["message"]
        assert await world.api.children(namespace=name) == {}
        await world.api.delete("AgentDeployment", "support")

        async def gone() -> bool:
            return await world.api.get("AgentDeployment", "support") is None

        await until(gone)
        namespace = await world.api.get("Namespace", name)
        assert "deletionTimestamp" not in namespace["metadata"]
    await world.api.delete("Namespace", name)


async def test_an_agent_without_a_namespace_has_no_finalizer(world: Any, until: Any) -> None:
    async with world.operator() as controller:
        await world.api.agent()
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        agent = await world.api.get("AgentDeployment", "support")
        assert "finalizers" not in agent["metadata"]
    await world.api.delete("AgentDeployment", "support")

    async def gone() -> bool:
        return await world.api.children() == {}

    # The operator is absent: garbage collection does it.
    await until(gone)


async def test_without_managing_namespaces_the_children_go_but_the_namespace_stays(world: Any, until: Any) -> None:
    name = f"{world.api.namespace}-given"
    async with world.operator(manage_namespaces=False, namespaces=(world.api.namespace, name)) as controller:
        await world.api.agent(namespace={"name": name})
        condition = await world.api.until_reason("Ready", "NamespaceMissing")
        assert f"Namespace {name}" in condition["message"]
        await world.api.create("Namespace", {"metadata": {"name": name}})
        await world.api.until_reason("Warning", "NamespaceNotManaged")

        async def there() -> bool:
            return ("Deployment", "support") in await world.api.children(namespace=name)

        await until(there)
        await world.quiet(controller)
        await world.api.delete("AgentDeployment", "support")

        async def gone() -> bool:
            left = await world.api.children(namespace=name)
            return left == {} and await world.api.get("AgentDeployment", "support") is None

        await until(gone)
        assert "deletionTimestamp" not in (await world.api.get("Namespace", name))["metadata"]
    await world.api.delete("Namespace", name)


async def test_a_namespace_out_of_sight_is_refused(world: Any) -> None:
    async with world.operator(manage_namespaces=False):
        await world.api.agent(namespace={"name": "elsewhere"})
        condition = await world.api.until_reason("Ready", "NamespaceNotWatched")
        assert "spec.namespace.name" in condition["message"]

"""How often the operator calls: exactly as often as needed, and not at all at rest."""

from typing import Any

CHILDREN = {
    "serviceaccounts",
    "configmaps",
    "controllerrevisions",
    "networkpolicies",
    "services",
    "poddisruptionbudgets",
    "deployments",
}


async def test_creating_an_agent_costs_one_write_a_child_and_the_status(world: Any) -> None:
    async with world.operator() as controller:
        await world.api.agent(monitoring={"serviceMonitor": {"enabled": False}})
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        written = [write.split("/")[-2] for write in world.proxy.child_writes]
        assert sorted(written) == sorted(CHILDREN)
        # Once after the children, then as the Deployment's own status moves on.
        first = [write.endswith("/status") for write in world.proxy.writes].index(True)
        assert first == len(CHILDREN)
        assert 1 <= len(world.proxy.status_writes) <= 5


async def test_looking_again_at_an_unchanged_agent_calls_nothing(world: Any, until: Any) -> None:
    async with world.operator(resync=1) as controller:
        await world.api.agent()
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        before = list(world.proxy.requests)
        unchanged = controller.metrics.reconciles.labels("resync", "unchanged")._value

        async def ten_passes() -> bool:
            return unchanged.get() >= 10

        await until(ten_passes)
        assert world.proxy.requests == before


async def test_a_restart_over_unchanged_agents_writes_nothing(world: Any) -> None:
    async with world.operator() as controller:
        for name in ("support", "sales", "legal"):
            await world.api.agent(name, autoscaling={"maxReplicas": 5}, ingress={"host": f"{name}.example.com"})
        for name in ("support", "sales", "legal"):
            await world.api.until_reason("ConfigValid", "Valid", name)
            await world.quiet(controller, name)
    world.proxy.requests.clear()
    async with world.operator() as controller:
        for name in ("support", "sales", "legal"):
            await world.quiet(controller, name)
        assert controller.metrics.reconciles.labels("agent", "unchanged")._value.get() == 3
        assert world.proxy.writes == []


async def test_changing_one_field_costs_at_most_two_writes_and_the_status(world: Any, until: Any) -> None:
    async with world.operator() as controller:
        await world.api.agent(replicas=2)
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        world.proxy.requests.clear()
        await world.api.agent(replicas=2, service={"port": 8080})

        async def changed() -> bool:
            service = await world.api.get("Service", "support")
            return service["spec"]["ports"][0]["port"] == 8080

        await until(changed)
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        assert 1 <= len(world.proxy.child_writes) <= 2, world.proxy.child_writes
        assert len(world.proxy.status_writes) <= 1

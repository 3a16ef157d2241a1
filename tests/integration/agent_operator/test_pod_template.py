"""spec.podTemplate on an API server: applied, told when refused, and at rest."""

from typing import Any

ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
TEMPLATE = {
    "metadata": {"labels": {"team": "billing"}},
    "spec": {
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["proxy"]}],
        "containers": [
            {"name": "agent", "env": [{"name": "EMPTY", "value": ""}]},
            {"name": "log", "image": "log:1", "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}},
        ],
    },
}


async def test_a_template_is_merged_and_then_nothing_is_written(world: Any, until: Any) -> None:
    async with world.operator(resync=1) as controller:
        await world.api.agent(replicas=1, config=ECHO, podTemplate=TEMPLATE)
        await world.api.until_reason("Ready", "Ready")
        await world.quiet(controller)
        template = (await world.api.get("Deployment", "support"))["spec"]["template"]
        assert template["metadata"]["labels"]["team"] == "billing"
        assert {container["name"] for container in template["spec"]["containers"]} == {"agent", "log"}
        before = list(world.proxy.requests)
        unchanged = controller.metrics.reconciles.labels("resync", "unchanged")._value

        async def passes() -> bool:
            return unchanged.get() >= 3

        await until(passes)
        assert world.proxy.requests == before


async def test_a_refused_template_leaves_what_runs_as_it_is(world: Any) -> None:
    async with world.operator() as controller:
        await world.api.agent(replicas=1, config=ECHO)
        await world.api.until_reason("Ready", "Ready")
        await world.quiet(controller)
        before = await world.api.get("Deployment", "support")

        privileged = {"name": "agent", "securityContext": {"privileged": True}}
        await world.api.agent(replicas=1, config=ECHO, podTemplate={"spec": {"containers": [privileged]}})

        refused = await world.api.until_reason("ConfigValid", "PodTemplateUnsafe")
        path = "spec.podTemplate.spec.containers[agent].securityContext.privileged"
        assert refused["message"].startswith(f"{path}: ")
        assert await world.api.get("Deployment", "support") == before

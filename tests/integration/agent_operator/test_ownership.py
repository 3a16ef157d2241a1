"""What is ours is kept right; what is others' is left alone."""

from typing import Any

import pytest

from agent_operator.kube.objects import Key


async def test_a_child_edited_or_deleted_by_hand_is_soon_back(world: Any, until: Any) -> None:
    async with world.operator() as controller:
        await world.api.agent()
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)

        async def repaired() -> bool:
            service = await world.api.get("Service", "support")
            return bool(service) and service["spec"]["ports"][0]["port"] == 80

        await world.api.delete("Service", "support")
        await until(repaired)
        service = await world.api.get("Service", "support")
        broken = [{**service["spec"]["ports"][0], "port": 8081, "name": service["spec"]["ports"][0]["name"]}]
        await world.api.merge("Service", "support", {"spec": {"ports": broken + service["spec"]["ports"][1:]}})
        await until(repaired)


async def test_what_others_add_survives(world: Any, until: Any) -> None:
    """Labels and annotations of others, and the annotation that `kubectl rollout restart` sets on the pods."""
    restarted = "kubectl.kubernetes.io/restartedAt"
    async with world.operator() as controller:
        await world.api.agent(replicas=1)
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        patch = {
            "metadata": {"labels": {"team": "billing"}, "annotations": {"example.com/note": "ours"}},
            "spec": {"template": {"metadata": {"annotations": {restarted: "2026-01-01T00:00:00Z"}}}},
        }
        await world.api.merge("Deployment", "support", patch)
        await world.api.agent(replicas=2)

        async def scaled() -> Any:
            deployment = await world.api.get("Deployment", "support")
            return deployment if deployment["spec"]["replicas"] == 2 else None

        deployment = await until(scaled)
        assert deployment["metadata"]["labels"]["team"] == "billing"
        assert deployment["metadata"]["annotations"]["example.com/note"] == "ours"
        assert deployment["spec"]["template"]["metadata"]["annotations"][restarted] == "2026-01-01T00:00:00Z"


async def test_replicas_pass_to_the_autoscaler_and_back_without_a_jump(world: Any, until: Any) -> None:
    seen = []

    async def replicas_are(number: int) -> bool:
        deployment = await world.api.get("Deployment", "support")
        seen.append(deployment["spec"]["replicas"])
        return bool(deployment["spec"]["replicas"] == number)

    async with world.operator() as controller:
        await world.api.agent(replicas=4)
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        await world.api.agent(autoscaling={"minReplicas": 4, "maxReplicas": 9})

        async def released() -> bool:
            managers = (await world.api.get("Deployment", "support"))["metadata"]["managedFields"]
            held = [m["manager"] for m in managers if "f:replicas" in m["fieldsV1"].get("f:spec", {})]
            return held == ["agent-operator-scale"]

        await until(released)
        await world.api.merge("Deployment", "support", {"spec": {"replicas": 7}}, sub="scale")
        await until(lambda: replicas_are(7))
        await world.quiet(controller)
        assert await replicas_are(7), "the autoscaler's number was overwritten"
        assert 1 not in seen, "dropping the field reset it"
        await world.api.agent(replicas=5)
        await until(lambda: replicas_are(5))


@pytest.mark.parametrize("kind", ["Service", "ServiceAccount", "Deployment"])
async def test_an_object_of_somebody_else_is_never_taken_over(world: Any, until: Any, kind: str) -> None:
    foreign: dict[str, Any] = {"metadata": {"name": "support"}}
    if kind == "Service":
        foreign["spec"] = {"ports": [{"port": 1234}], "selector": {"app": "other"}}
    if kind == "Deployment":
        pod = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        foreign["spec"] = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": pod}
    before = await world.api.create(kind, foreign)
    async with world.operator():
        await world.api.agent()
        condition = await world.api.until_reason("Ready", "Conflict")
        assert f"{kind} {world.api.namespace}/support" in condition["message"]
        assert (await world.api.condition("Stalled"))["status"] == "True"
        after = await world.api.get(kind, "support")
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert not any(m["manager"] == "agent-operator" for m in after["metadata"].get("managedFields", ()))
        assert not after["metadata"].get("labels")
        await world.api.delete(kind, "support")

        async def ours() -> bool:
            found = await world.api.get(kind, "support")
            return bool(found) and "agent-operator.dev/agent" in (found["metadata"].get("labels") or {})

        await until(ours)


async def test_what_leaves_the_spec_leaves_the_cluster(world: Any, until: Any) -> None:
    async with world.operator() as controller:
        await world.api.agent(ingress={"host": "a.example.com"}, autoscaling={"maxReplicas": 5})
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        assert await world.api.get("Ingress", "support")
        await world.api.agent()

        async def gone() -> bool:
            kinds = ("Ingress", "HorizontalPodAutoscaler")
            return not any([await world.api.get(kind, "support") for kind in kinds])

        await until(gone)


async def test_the_revisions_that_are_kept_keep_their_configs(world: Any, until: Any) -> None:
    async with world.operator() as controller:
        for text in ("one", "two", "three", "four", "five"):
            await world.api.agent(systemPrompt={"text": text}, rollout={"revisionHistoryLimit": 3})

            async def written(text: str = text) -> bool:
                configs = await world.api.list("ConfigMap")
                return any(text in (config.get("data") or {}).get("system_prompt.txt", "") for config in configs)

            await until(written)
            await world.quiet(controller)

        async def three() -> bool:
            configs = {item["metadata"]["name"] for item in await world.api.list("ConfigMap")}
            kept = await world.api.list("ControllerRevision")
            numbers = sorted(item["revision"] for item in kept)
            mounted = {item["metadata"]["annotations"]["agent-operator.dev/config-map"] for item in kept}
            return numbers == [3, 4, 5] and {it for it in configs if "support-config" in it} == mounted

        if world.simulated:
            await until(three)
        else:  # without a kubelet no rollout ends, and the first config stays in use
            assert not await three()


async def test_a_suspended_agent_is_left_as_it_is(world: Any, until: Any) -> None:
    async with world.operator() as controller:
        await world.api.agent()
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        await world.api.agent(suspend=True)
        await world.api.until_reason("Ready", "Suspended")
        await world.api.delete("Service", "support")
        await world.quiet(controller)
        assert await world.api.get("Service", "support") is None
        await world.api.agent(suspend=False)

        async def back() -> Any:
            return await world.api.get("Service", "support")

        await until(back)


async def test_an_invalid_change_leaves_the_children_alone(world: Any) -> None:
    async with world.operator() as controller:
        await world.api.agent(systemPrompt={"text": "Hello {{ team }}", "variables": {"team": "billing"}})
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        before = {key: child["metadata"]["resourceVersion"] for key, child in (await world.api.children()).items()}
        await world.api.agent(systemPrompt={"text": "Hello {{ team"})
        condition = await world.api.until_reason("ConfigValid", "PromptInvalid")
        assert "spec.systemPrompt.text" in condition["message"]
        assert (await world.api.condition("Ready"))["status"] == "False"
        after = {key: child["metadata"]["resourceVersion"] for key, child in (await world.api.children()).items()}
        assert {k: v for k, v in after.items() if k[0] != "Deployment"} == {
            k: v for k, v in before.items() if k[0] != "Deployment"
        }


async def test_status_becomes_ready_and_tells_an_event_once(world: Any, until: Any) -> None:
    if not world.simulated:
        pytest.skip("no node: pods do not run")
    async with world.operator(resync=1) as controller:
        await world.api.agent(replicas=2)
        await world.api.until_reason("Ready", "Ready")
        await world.quiet(controller)
        agent = await world.api.get("AgentDeployment", "support")
        status = agent["status"]
        assert status["ready"] == "2/2"
        assert status["lastGoodRevision"] == status["revision"]
        assert all(child["ready"] for child in status["children"])
        kinds = {condition["type"] for condition in status["conditions"]}
        assert not kinds & {"Reconciling", "Stalled"}
        told = [e for e in await world.api.list("Event") if e["regarding"]["kind"] == "AgentDeployment"]
        assert [event["reason"] for event in told].count("Ready") == 1


async def test_drift_is_repaired_by_its_event_and_not_by_the_next_resync(world: Any, until: Any) -> None:
    async with world.operator() as controller:
        await world.api.agent()
        await world.api.until_reason("ConfigValid", "Valid")
        await world.quiet(controller)
        uid = (await world.api.get("NetworkPolicy", "support"))["metadata"]["uid"]
        await world.api.delete("NetworkPolicy", "support")

        async def back() -> bool:
            found = await world.api.get("NetworkPolicy", "support")
            return bool(found) and found["metadata"]["uid"] != uid

        await until(back)


async def test_what_says_in_another_namespace_that_it_is_an_agents_is_neither_believed_nor_touched(
    world: Any, until: Any
) -> None:
    """Whoever may write there could otherwise tell lies in the status of somebody else's agent."""
    elsewhere, key = f"{world.api.namespace}-other", Key(world.api.namespace, "support")
    await world.api.create("Namespace", {"metadata": {"name": elsewhere}})
    async with world.operator(namespaces=()) as controller:
        await world.api.agent(replicas=1)
        await world.api.until_reason("Ready", "Ready")
        uid = (await world.api.get("AgentDeployment", "support"))["metadata"]["uid"]
        labels = {"agent": "support", "agent-namespace": world.api.namespace, "owner-uid": uid}
        lie = {
            "metadata": {"name": "lie", "labels": {f"agent-operator.dev/{name}": text for name, text in labels.items()}}
        }
        ports = {"ports": [{"port": 80}]}
        await world.api.create("Service", lie | {"spec": ports}, elsewhere)

        async def seen() -> bool:
            return any(target.namespace == elsewhere for target in controller.store.children(key))

        await until(seen)
        await world.quiet(controller)

        assert elsewhere not in str((await world.api.get("AgentDeployment", "support"))["status"])
        assert await world.api.get("Service", "lie", elsewhere)
    await world.api.delete("Namespace", elsewhere)

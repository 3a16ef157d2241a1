"""The operator repairs its own objects and fields, and leaves those of others alone."""

from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.kube.objects import Key
from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until


async def test_an_edited_or_deleted_child_is_repaired(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        await cluster.api.apply_agent()
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)

        async def repaired() -> bool:
            service = await cluster.api.get("Service", "support")
            return bool(service) and service["spec"]["ports"][0]["port"] == 80

        await cluster.api.delete("Service", "support")
        await wait_until(repaired)
        service = await cluster.api.get("Service", "support")
        broken = [{**service["spec"]["ports"][0], "port": 8081, "name": service["spec"]["ports"][0]["name"]}]
        await cluster.api.merge("Service", "support", {"spec": {"ports": broken + service["spec"]["ports"][1:]}})
        await wait_until(repaired)


async def test_fields_of_other_managers_are_kept(cluster: Cluster) -> None:
    """Labels and annotations of others, and the annotation that `kubectl rollout restart` sets on the pods."""
    restarted = "kubectl.kubernetes.io/restartedAt"
    async with cluster.operator() as controller:
        await cluster.api.apply_agent(replicas=1)
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        patch = {
            "metadata": {"labels": {"team": "billing"}, "annotations": {"example.com/note": "ours"}},
            "spec": {"template": {"metadata": {"annotations": {restarted: "2026-01-01T00:00:00Z"}}}},
        }
        await cluster.api.merge("Deployment", "support", patch)
        await cluster.api.apply_agent(replicas=2)

        async def scaled() -> Any:
            deployment = await cluster.api.get("Deployment", "support")
            return deployment if deployment["spec"]["replicas"] == 2 else None

        deployment = await wait_until(scaled)
        assert deployment["metadata"]["labels"]["team"] == "billing"
        assert deployment["metadata"]["annotations"]["example.com/note"] == "ours"
        assert deployment["spec"]["template"]["metadata"]["annotations"][restarted] == "2026-01-01T00:00:00Z"


async def test_replicas_do_not_change_when_the_autoscaler_is_added_or_removed(cluster: Cluster) -> None:
    seen = []

    async def replicas_are(number: int) -> bool:
        deployment = await cluster.api.get("Deployment", "support")
        seen.append(deployment["spec"]["replicas"])
        return bool(deployment["spec"]["replicas"] == number)

    async with cluster.operator() as controller:
        await cluster.api.apply_agent(replicas=4)
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        await cluster.api.apply_agent(autoscaling={"minReplicas": 4, "maxReplicas": 9})

        async def released() -> bool:
            managers = (await cluster.api.get("Deployment", "support"))["metadata"]["managedFields"]
            owners = [m["manager"] for m in managers if "f:replicas" in m["fieldsV1"].get("f:spec", {})]
            return owners == ["agent-operator-scale"]

        await wait_until(released)
        await cluster.api.merge("Deployment", "support", {"spec": {"replicas": 7}}, sub="scale")
        await wait_until(lambda: replicas_are(7))
        await cluster.wait_until_idle(controller)
        assert await replicas_are(7), "the autoscaler's number was overwritten"
        assert 1 not in seen, "dropping the field reset it"
        await cluster.api.apply_agent(replicas=5)
        await wait_until(lambda: replicas_are(5))


@pytest.mark.parametrize("kind", ["Service", "ServiceAccount", "Deployment"])
async def test_an_object_of_another_owner_is_never_adopted(cluster: Cluster, kind: str) -> None:
    foreign: dict[str, Any] = {"metadata": {"name": "support"}}
    if kind == "Service":
        foreign["spec"] = {"ports": [{"port": 1234}], "selector": {"app": "other"}}
    if kind == "Deployment":
        pod = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        foreign["spec"] = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": pod}
    before = await cluster.api.create(kind, foreign)
    async with cluster.operator():
        await cluster.api.apply_agent()
        condition = await cluster.api.wait_for_reason("Ready", "Conflict")
        assert f"{kind} {cluster.api.namespace}/support" in condition["message"]
        assert (await cluster.api.condition("Stalled"))["status"] == "True"
        after = await cluster.api.get(kind, "support")
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert not any(m["manager"] == "agent-operator" for m in after["metadata"].get("managedFields", ()))
        assert not after["metadata"].get("labels")
        await cluster.api.delete(kind, "support")

        async def ours() -> bool:
            found = await cluster.api.get(kind, "support")
            return bool(found) and "agent-operator.dev/agent" in (found["metadata"].get("labels") or {})

        await wait_until(ours)


async def test_children_removed_from_the_spec_are_deleted(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        await cluster.api.apply_agent(ingress={"host": "a.example.com"}, autoscaling={"maxReplicas": 5})
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        assert await cluster.api.get("Ingress", "support")
        await cluster.api.apply_agent()

        async def gone() -> bool:
            kinds = ("Ingress", "HorizontalPodAutoscaler")
            return not any([await cluster.api.get(kind, "support") for kind in kinds])

        await wait_until(gone)


async def test_retained_revisions_keep_their_configs(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        for text in ("one", "two", "three", "four", "five"):
            await cluster.api.apply_agent(systemPrompt={"text": text}, rollout={"revisionHistoryLimit": 3})

            async def written(text: str = text) -> bool:
                configs = await cluster.api.list("ConfigMap")
                return any(text in (config.get("data") or {}).get("system_prompt.txt", "") for config in configs)

            await wait_until(written)
            await cluster.wait_until_idle(controller)

        async def three() -> bool:
            configs = {item["metadata"]["name"] for item in await cluster.api.list("ConfigMap")}
            kept = await cluster.api.list("ControllerRevision")
            numbers = sorted(item["revision"] for item in kept)
            mounted = {item["metadata"]["annotations"]["agent-operator.dev/config-map"] for item in kept}
            return numbers == [3, 4, 5] and {name for name in configs if "support-config" in name} == mounted

        if cluster.simulated:
            await wait_until(three)
        else:  # without a kubelet no rollout completes, and the first config stays in use
            assert not await three()


async def test_a_suspended_agent_is_not_reconciled(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        await cluster.api.apply_agent()
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        await cluster.api.apply_agent(suspend=True)
        await cluster.api.wait_for_reason("Ready", "Suspended")
        await cluster.api.delete("Service", "support")
        await cluster.wait_until_idle(controller)
        assert await cluster.api.get("Service", "support") is None
        await cluster.api.apply_agent(suspend=False)

        async def back() -> Any:
            return await cluster.api.get("Service", "support")

        await wait_until(back)


async def test_an_invalid_change_does_not_change_the_children(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        await cluster.api.apply_agent(systemPrompt={"text": "Hello {{ team }}", "variables": {"team": "billing"}})
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        before = {key: child["metadata"]["resourceVersion"] for key, child in (await cluster.api.children()).items()}
        await cluster.api.apply_agent(systemPrompt={"text": "Hello {{ team"})
        condition = await cluster.api.wait_for_reason("ConfigValid", "PromptInvalid")
        assert "spec.systemPrompt.text" in condition["message"]
        assert (await cluster.api.condition("Ready"))["status"] == "False"
        after = {key: child["metadata"]["resourceVersion"] for key, child in (await cluster.api.children()).items()}
        assert {k: v for k, v in after.items() if k[0] != "Deployment"} == {
            k: v for k, v in before.items() if k[0] != "Deployment"
        }


async def test_becoming_ready_emits_one_event(cluster: Cluster) -> None:
    if not cluster.simulated:
        pytest.skip("no node: pods do not run")
    async with cluster.operator(resync=1) as controller:
        await cluster.api.apply_agent(replicas=2)
        await cluster.api.wait_for_reason("Ready", "Ready")
        await cluster.wait_until_idle(controller)
        agent = await cluster.api.get("AgentDeployment", "support")
        status = agent["status"]
        assert status["ready"] == "2/2"
        assert status["lastGoodRevision"] == status["revision"]
        assert all(child["ready"] for child in status["children"])
        kinds = {condition["type"] for condition in status["conditions"]}
        assert not kinds & {"Reconciling", "Stalled"}
        events = [e for e in await cluster.api.list("Event") if e["regarding"]["kind"] == "AgentDeployment"]
        assert [event["reason"] for event in events].count("Ready") == 1


async def test_drift_is_repaired_before_the_next_resync(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        await cluster.api.apply_agent()
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        uid = (await cluster.api.get("NetworkPolicy", "support"))["metadata"]["uid"]
        await cluster.api.delete("NetworkPolicy", "support")

        async def back() -> bool:
            found = await cluster.api.get("NetworkPolicy", "support")
            return bool(found) and found["metadata"]["uid"] != uid

        await wait_until(back)


async def test_objects_of_other_namespaces_with_forged_labels_are_ignored(
    cluster: Cluster,
) -> None:
    """If such objects counted, tenants of other namespaces could forge the status of an agent."""
    elsewhere, key = f"{cluster.api.namespace}-other", Key(cluster.api.namespace, "support")
    await cluster.api.create("Namespace", {"metadata": {"name": elsewhere}})
    async with cluster.operator(namespaces=()) as controller:
        await cluster.api.apply_agent(replicas=1)
        await cluster.api.wait_for_reason("Ready", "Ready")
        uid = (await cluster.api.get("AgentDeployment", "support"))["metadata"]["uid"]
        labels = {"agent": "support", "agent-namespace": cluster.api.namespace, "owner-uid": uid}
        lie = {
            "metadata": {"name": "lie", "labels": {f"agent-operator.dev/{name}": text for name, text in labels.items()}}
        }
        ports = {"ports": [{"port": 80}]}
        await cluster.api.create("Service", lie | {"spec": ports}, elsewhere)

        async def seen() -> bool:
            return any(target.namespace == elsewhere for target in controller.store.children(key))

        await wait_until(seen)
        await cluster.wait_until_idle(controller)

        assert elsewhere not in str((await cluster.api.get("AgentDeployment", "support"))["status"])
        assert await cluster.api.get("Service", "lie", elsewhere)
    await cluster.api.delete("Namespace", elsewhere)


async def test_an_agent_that_is_deleted_and_created_at_once_raises_no_false_alarm(cluster: Cluster) -> None:
    """The garbage collector deletes the children of the former agent later. Until then the operator waits."""
    credentials = {"values": {"OPENAI_API_KEY": "x"}}
    async with cluster.operator() as controller:
        await cluster.api.apply_agent(credentials=credentials)
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        former = await cluster.api.children()
        for _ in range(3):
            await cluster.api.delete(constants.KIND, "support")
            await cluster.api.apply_agent(credentials=credentials)
            await cluster.api.wait_for_reason("Ready", "Ready")
            await cluster.wait_until_idle(controller)

        async def replaced() -> bool:
            children = await cluster.api.children()
            uids = {child["metadata"]["uid"] for child in former.values()}
            return children.keys() == former.keys() and not any(c["metadata"]["uid"] in uids for c in children.values())

        await wait_until(replaced)
        events = await cluster.api.list("Event")
        assert not [event for event in events if event["reason"] in ("Conflict", "Terminating")]

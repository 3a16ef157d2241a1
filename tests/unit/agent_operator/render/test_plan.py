"""The diff of desired and live objects."""

from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.kube.objects import Key, Live, Ref, pack, ref
from agent_operator.render.conflicts import conflict
from agent_operator.render.plan import Apply, Delete, Owner, Plan, plan

UID = "agent-uid"
AGENT = Owner(UID, Key("ns", "a"), "ns")
OWNER = {"apiVersion": constants.API_VERSION, "kind": constants.KIND, "name": "a", "uid": UID, "controller": True}


def child(kind: str = "Service", name: str = "a", **fields: Any) -> dict[str, Any]:
    meta = {
        "name": name,
        "namespace": "ns",
        "labels": {constants.LABEL_AGENT: "a", constants.LABEL_OWNER_UID: UID},
        "ownerReferences": [OWNER],
    }
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, **fields}


def live(manifest: dict[str, Any], **meta: Any) -> dict[Ref, Live]:
    there = {**manifest, "metadata": {"uid": f"uid-{manifest['metadata']['name']}", **manifest["metadata"], **meta}}
    return {ref(manifest["kind"], manifest): pack(manifest["kind"], there)}


def test_a_missing_object_is_created() -> None:
    manifest = child()
    assert plan([manifest], {}, AGENT) == Plan(applies=(Apply(manifest),))


def test_an_object_that_contains_its_manifest_is_not_written() -> None:
    manifest = child(spec={"ports": [{"port": 80}]})
    assert plan([manifest], live(manifest | {"spec": {"ports": [{"port": 80, "protocol": "TCP"}]}}), AGENT).is_empty


def test_an_update_carries_the_uid_of_the_live_object() -> None:
    manifest = child(spec={"ports": [{"port": 80}]})
    found = plan([manifest], live(child(spec={"ports": [{"port": 81}]})), AGENT)
    assert found.applies == (Apply(manifest, "uid-a"),)


def test_a_removed_field_changes_the_manifest_hash() -> None:
    manifest = child(spec={"a": 1})
    manifest["metadata"]["annotations"] = {constants.ANNOTATION_MANIFEST_HASH: "new"}
    there = live(child(spec={"a": 1, "b": 2}), annotations={constants.ANNOTATION_MANIFEST_HASH: "old"})
    assert plan([manifest], there, AGENT).applies == (Apply(manifest, "uid-a"),)


@pytest.mark.parametrize(
    "meta",
    [
        {"ownerReferences": [], "labels": {constants.LABEL_AGENT: "a"}},
        {"ownerReferences": [OWNER | {"uid": "another", "name": "b"}]},
    ],
    ids=["no owner", "another controller"],
)
def test_an_object_of_another_owner_is_a_conflict_and_ends_the_applies(meta: dict[str, Any]) -> None:
    first, second = child(), child("Ingress")
    found = plan([first, second], live(first, **meta), AGENT)
    assert found == Plan(conflict=conflict(Ref("Service", "ns", "a")))


def test_an_object_that_is_being_deleted_is_a_conflict() -> None:
    manifest = child()
    found = plan([manifest], live(manifest, deletionTimestamp="2026-01-01T00:00:00Z"), AGENT)
    assert found.conflict == conflict(Ref("Service", "ns", "a"), terminating=True)


@pytest.mark.parametrize(("owns", "expected"), [(True, 7), (False, None)])
def test_owned_replicas_are_handed_over_when_the_manifest_drops_them(owns: bool, expected: int | None) -> None:
    managed = [{"manager": constants.FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
    there = live(child("Deployment", spec={"replicas": 7}), managedFields=managed if owns else [])
    manifest = child("Deployment", spec={"paused": True})
    assert plan([manifest], there, AGENT).applies == (Apply(manifest, "uid-a", replicas=expected),)


def test_an_object_that_is_not_desired_is_deleted() -> None:
    assert plan([], live(child()), AGENT).deletes == (Delete(Ref("Service", "ns", "a"), "uid-a"),)


@pytest.mark.parametrize(
    "there",
    [
        live(child(), ownerReferences=[OWNER | {"uid": "another"}]),
        live(child(), deletionTimestamp="2026-01-01T00:00:00Z"),
        live(child("Namespace")),
        live({**child("Pod"), "spec": {}}),
        live({**child("ReplicaSet"), "spec": {}}),
    ],
    ids=["another's", "being deleted", "a namespace", "a pod", "a replica set"],
)
def test_other_objects_are_not_deleted(there: dict[Ref, Live]) -> None:
    assert plan([], there, AGENT).is_empty


def test_a_retained_object_is_neither_applied_nor_deleted() -> None:
    assert plan([], live(child()), AGENT, retained=[Ref("Service", "ns", "a")]).is_empty


def test_deletes_are_planned_despite_a_conflict() -> None:
    """A Secret of External Secrets is a conflict until the ExternalSecret is deleted, because it is not desired."""
    there = live(child("Secret"), ownerReferences=[OWNER | {"uid": "x"}]) | live(child("ExternalSecret"))
    found = plan([child("Secret")], there, AGENT)
    assert found.conflict is not None
    assert [deletion.ref.kind for deletion in found.deletes] == ["ExternalSecret"]


def _configs(*hours: int) -> dict[Ref, Live]:
    found: dict[Ref, Live] = {}
    for hour in hours:
        found |= live(child("ConfigMap", f"a-config-{hour}"), creationTimestamp=f"2026-01-01T{hour:02}:00:00Z")
    return found


def _mounting(kind: str, *names_of_configs: str, replicas: int = 1) -> dict[Ref, Live]:
    pod = {"volumes": [{"name": n, "configMap": {"name": n}} for n in names_of_configs]}
    spec = pod if kind == "Pod" else {"replicas": replicas, "template": {"spec": pod}}
    return live(child(kind, "x", spec=spec))


def test_an_unused_config_map_is_deleted() -> None:
    """The revisions that are kept hold theirs."""
    wanted = child("ConfigMap", "a-config-5")
    found = plan([wanted], _configs(1, 2, 5), AGENT, retained=[ref("ConfigMap", child("ConfigMap", "a-config-2"))])
    assert [deletion.ref.name for deletion in found.deletes] == ["a-config-1"]


@pytest.mark.parametrize("user", [_mounting("Pod", "a-config-1"), _mounting("ReplicaSet", "a-config-1")])
def test_a_mounted_config_map_is_kept(user: dict[Ref, Live]) -> None:
    found = plan([child("ConfigMap", "a-config-5")], _configs(1, 2, 5) | user, AGENT)
    assert [deletion.ref.name for deletion in found.deletes] == ["a-config-2"]


def test_a_replica_set_without_pods_keeps_no_config_map() -> None:
    there = _configs(1, 5) | _mounting("ReplicaSet", "a-config-1", replicas=0)
    assert len(plan([child("ConfigMap", "a-config-5")], there, AGENT).deletes) == 1


def test_secret_values_are_compared_by_hash() -> None:
    secret = child("Secret", data={"KEY": "c2VjcmV0"})
    there = live(secret)
    assert b"c2VjcmV0" not in next(iter(there.values())).body
    assert plan([secret], there, AGENT).is_empty
    assert not plan([secret | {"data": {"KEY": "b3RoZXI="}}], there, AGENT).is_empty


@pytest.mark.parametrize(
    ("target", "terminating", "reason", "retry"),
    [
        (Ref("Service", "ns", "a"), False, "Conflict", False),
        (Ref("Service", "ns", "a"), True, "Terminating", True),
        (Ref("Namespace", "", "n"), True, "NamespaceTerminating", True),
    ],
)
def test_only_an_object_that_is_being_deleted_solves_a_conflict_by_itself(
    target: Ref, terminating: bool, reason: str, retry: bool
) -> None:
    problem = conflict(target, terminating=terminating)
    assert (problem.reason, problem.retry) == (reason, retry)
    assert str(target) in problem.message

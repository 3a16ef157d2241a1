"""Revisions and their records."""

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Assigned, Inputs, Platform
from agent_operator.kube.objects import Key, Ref, pack
from agent_operator.render import render
from agent_operator.render.plan import Owner
from agent_operator.rollout import revisions
from agent_operator.rollout.revisions import RevisionRecord
from tests.unit.agent_operator.rollout.revision_inputs import (
    ECHO,
    NEW,
    OUTSIDE,
    Spec,
    compose_for,
    find,
    inputs_of,
    revision_of,
    rollout_status,
)


def test_history_limit_never_removes_running_revisions() -> None:
    records = tuple(RevisionRecord(f"r{n}", n, f"i{n}", f"cm{n}", "1") for n in range(15, 0, -1))

    kept = revisions.records_to_keep(records, {"r1", "r2"}, 4)

    assert {it.name for it in kept} == {"r1", "r2", "r15", "r14"}
    assert {it.name for it in revisions.records_to_keep(records, {"r1", "r2", "r3"}, 2)} == {"r1", "r2", "r3"}


def test_same_inputs_keep_the_recorded_revision() -> None:
    stored = (
        RevisionRecord("kept", 3, "same", "cm", "1"),
        RevisionRecord("older", 2, "same", "cm", "1"),
        RevisionRecord("x", 1, "other", "cm", "1"),
    )

    assert revisions.target_revision("rendered", "same", stored) == "kept"
    assert revisions.target_revision("rendered", "changed", stored) == "rendered"


@pytest.mark.parametrize(
    "spec",
    [
        {"replicas": 9},
        {"autoscaling": {"maxReplicas": 5}},
        {"service": {"port": 81}},
        {"ingress": {"host": "a.example.com"}},
        {"gateway": {"parentRefs": [{"name": "public"}]}},
        {"disruptionBudget": {"minAvailable": 1}},
        {"networkPolicy": {"enabled": False}},
        {"monitoring": {"serviceMonitor": {"enabled": False}}},
        {"monitoring": {"prometheusRule": {}, "dashboard": {}}},
        {"rollout": {"strategy": "Canary", "progressDeadlineSeconds": 30}},
        {"suspend": True},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_fields_outside_the_pods_keep_the_revision(spec: Spec) -> None:
    """Neither the hash of the spec nor the rendered revision depends on these fields."""
    assert revisions.spec_hash(inputs_of(**spec)) == revisions.spec_hash(inputs_of())
    assert revision_of(**spec).name == revision_of().name


@pytest.mark.parametrize(
    "spec",
    [
        {"systemPrompt": {"text": "Other."}},
        {"config": OUTSIDE},
        {"runtime": {"version": "9.9.9"}},
        {"env": [{"name": "A", "value": "b"}]},
        {"resources": {"limits": {"memory": "3Gi"}}},
        {"monitoring": {"tracing": {"endpoint": "http://collector:4318"}}},
        {"podTemplate": {"metadata": {"labels": {"a": "b"}}}},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_fields_of_the_pods_change_the_revision(spec: Spec) -> None:
    assert revisions.spec_hash(inputs_of(**spec)) != revisions.spec_hash(inputs_of())
    assert revision_of(**spec).name != revision_of().name


def test_revision_does_not_depend_on_owner_and_platform() -> None:
    body = {"metadata": {"name": "web", "namespace": "team", "uid": "u-2"}, "spec": {"config": ECHO}}
    other = Inputs(AgentDeployment.model_validate(body), platform=Platform(manage_namespaces=False))

    assert render(other).revision.name == render(inputs_of()).revision.name


def test_hash_depends_on_the_assigned_version_but_not_on_the_channel() -> None:
    plain = revisions.spec_hash(inputs_of())
    followed_channel = revisions.spec_hash(inputs_of(runtime={"channel": "stable"}))

    assert followed_channel == plain
    assert revisions.inputs_hash(plain, None) == plain
    assert revisions.inputs_hash(plain, Assigned("2")) != revisions.inputs_hash(plain, Assigned("3"))


def test_only_owned_records_with_a_matching_name_are_listed() -> None:
    record = find(
        compose_for(rollout_status(NEW.name, NEW.name), {NEW.name: NEW}), "ControllerRevision", f"web-{NEW.name}"
    )
    live_meta = record["metadata"] | {"uid": "x", "resourceVersion": "1"}
    other_owner = {
        "ownerReferences": [{"uid": "u-9", "kind": "X", "name": "x", "apiVersion": "v1", "controller": True}]
    }
    objects = [record | {"metadata": live_meta}, record | {"metadata": live_meta | {"name": "web-other"}}]
    objects.append(record | {"metadata": live_meta | {"name": f"web-{NEW.name}"} | other_owner})

    found = [
        revisions.list_records(
            {Ref("ControllerRevision", "team", it["metadata"]["name"]): pack("ControllerRevision", it)},
            Owner("u-1", Key("team", "web"), "team"),
        )
        for it in objects
    ]

    assert [bool(it) for it in found] == [True, False, False]
    assert found[0][0] == RevisionRecord(NEW.name, 1, "in", NEW.config_map, NEW.runtime_version)

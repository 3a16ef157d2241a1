"""What is to be there while one revision runs, or a second beside it; and what a revision is kept as."""

from collections.abc import Mapping
from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.api.v1alpha1.rollout import CanaryStatus, Rollout, RolloutStatus
from agent_operator.inputs.agent_inputs import Assigned, Inputs, Platform
from agent_operator.kube.objects import Ref, pack
from agent_operator.render import Revision, render
from agent_operator.render.plan import plan
from agent_operator.rollout import revisions
from agent_operator.rollout.manifests import RolloutManifests, compose, required_revisions
from agent_operator.rollout.revisions import RevisionRecord
from agent_operator.rollout.state import CanaryPhase, RolloutInputs
from agent_operator.status.observed import Pods

Spec = dict[str, Any]
FOUR, NONE = Pods(4, 4, 4, 4, 4, observed=True), Pods(observed=True)
NOW = "2026-11-23T08:00:00Z"
OUTSIDE = {"models": [{"name": "m", "provider": "openai", "baseUrl": "http://models.ai.svc:8000/v1"}]}
ELSEWHERE = {"models": [{"name": "m", "provider": "openai", "baseUrl": "http://others.llm.svc:9000/v1"}]}
ECHO = {"models": [{"name": "echo", "provider": "echo"}]}


def inputs_of(**spec: Any) -> Inputs:
    body = {"metadata": {"name": "web", "namespace": "team", "uid": "u-1"}, "spec": {"config": ECHO, **spec}}
    return Inputs(AgentDeployment.model_validate(body))


def revision_of(**spec: Any) -> Revision:
    inputs = inputs_of(**spec)
    return render(inputs).revision


def pods(wanted: int, available: int) -> Pods:
    return Pods(wanted, total=wanted, updated=wanted, ready=available, available=available, observed=True)


def made(
    state: RolloutStatus,
    contents: Mapping[str, Revision],
    spec: Spec | None = None,
    *,
    records: tuple[RevisionRecord, ...] = (),
    stable: Pods = FOUR,
    canary: Pods = NONE,
) -> RolloutManifests:
    inputs = inputs_of(**(spec or {}))
    rollout = inputs.spec.rollout or Rollout()
    seen = RolloutInputs(state.target or "", "in", "asks", NOW, rollout, records=records, stable=stable, canary=canary)
    return compose(inputs, render(inputs), seen, state, contents)


def find(composed: RolloutManifests, kind: str, name: str = "web") -> dict[str, Any]:
    found = [it for it in composed.rendered.manifests if (it["kind"], it["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return found[0]


def kinds(composed: RolloutManifests) -> list[str]:
    return [it["kind"] for it in composed.rendered.manifests]


def running(target: str, stable: str, phase: CanaryPhase | None = None, weight: int = 50) -> RolloutStatus:
    canary = CanaryStatus(revision=target, step=0, weight=weight, phase=phase, since=NOW) if phase else None
    return RolloutStatus(target=target, stable=stable, canary=canary)


OLD, NEW = revision_of(systemPrompt={"text": "Old."}), revision_of(systemPrompt={"text": "New."})
BOTH = {OLD.name: OLD, NEW.name: NEW}
CANARY: Spec = {"rollout": {"strategy": "Canary"}, "replicas": 4, "systemPrompt": {"text": "New."}}


def test_what_is_rendered_is_what_is_there_and_its_record() -> None:
    spec: Spec = {"systemPrompt": {"text": "New."}}
    composed = made(running(NEW.name, NEW.name), {NEW.name: NEW}, spec)

    rendered = render(inputs_of(**spec)).manifests
    assert [it for it in composed.rendered.manifests if it["kind"] != "ControllerRevision"] == list(rendered)
    record = find(composed, "ControllerRevision", f"web-{NEW.name}")
    assert record["revision"] == 1
    assert revisions.parse_record(record) == NEW
    assert kinds(composed).index("ControllerRevision") < kinds(composed).index("Deployment")


def test_an_older_revision_brings_its_pods_and_its_config_and_nothing_else() -> None:
    spec: Spec = {"systemPrompt": {"text": "New."}, "replicas": 7, "service": {"port": 81}}
    composed = made(running(NEW.name, OLD.name), BOTH, spec)

    deployment = find(composed, "Deployment")
    assert deployment["spec"]["template"]["metadata"]["labels"]["agent-operator.dev/revision"] == OLD.name
    assert deployment["spec"]["replicas"] == 7
    assert find(composed, "Service")["spec"]["ports"][0]["port"] == 81
    config = find(composed, "ConfigMap", OLD.config_map)
    assert config["data"]["system_prompt.txt"].strip() == "Old."
    assert kinds(composed).count("ConfigMap") == 1


def test_secrets_that_were_rotated_meanwhile_reach_an_older_revision() -> None:
    inputs = inputs_of(credentials={"values": {"OPENAI_API_KEY": "k"}})
    rendered = render(inputs)
    revision = rendered.revision
    annotation = "agent-operator.dev/secret-hash"
    assert annotation not in revision.template["metadata"]["annotations"]

    seen = RolloutInputs(revision.name, "in", "asks", NOW)
    state = running(revision.name, revision.name)
    composed = compose(inputs, rendered, seen, state, {revision.name: revision})

    now = next(it for it in rendered.manifests if it["kind"] == "Deployment")
    assert find(composed, "Deployment") == now
    assert now["spec"]["template"]["metadata"]["annotations"][annotation]


def test_a_revision_whose_content_is_gone_leaves_the_deployment_alone() -> None:
    composed = made(running(NEW.name, OLD.name), {NEW.name: NEW})

    assert "Deployment" not in kinds(composed)
    assert Ref("Deployment", "team", "web") in composed.retained


def test_the_policy_leaves_open_what_any_running_revision_needs() -> None:
    old, new = revision_of(config=OUTSIDE), revision_of(config=ELSEWHERE)
    contents = {old.name: old, new.name: new}
    extra = {"extraEgress": [{"ports": [{"port": 5432}]}]}
    spec: Spec = CANARY | {"config": ELSEWHERE, "networkPolicy": extra}

    both = find(made(running(new.name, old.name, CanaryPhase.WATCHING), contents, spec), "NetworkPolicy")
    one = find(made(running(new.name, new.name), contents, spec), "NetworkPolicy")

    ports = [{port["port"] for rule in it["spec"]["egress"] for port in rule["ports"]} for it in (both, one)]
    assert ports[0] == ports[1] | {8000}
    assert {9000, 5432} <= ports[1]
    assert not any(port.get("port") == 5432 for rule in new.egress or () for port in rule["ports"])


@pytest.mark.parametrize(
    ("replicas", "weight", "available", "canary", "stable"),
    [
        (4, 50, 0, 2, 4),
        (4, 50, 1, 2, 3),
        (4, 50, 2, 2, 2),
        (10, 20, 2, 2, 8),
        (1, 50, 1, 1, 1),
        (3, 1, 1, 1, 2),
        (3, 99, 3, 3, 1),
    ],
)
def test_stable_pods_make_room_as_canary_pods_become_available(
    replicas: int, weight: int, available: int, canary: int, stable: int
) -> None:
    state = running(NEW.name, OLD.name, CanaryPhase.STARTING, weight)

    composed = made(state, BOTH, CANARY | {"replicas": replicas}, canary=pods(canary, available))

    assert find(composed, "Deployment", "web-canary")["spec"]["replicas"] == canary
    assert find(composed, "Deployment")["spec"]["replicas"] == stable


def test_promoting_all_stable_pods_come_back_before_the_canary_goes() -> None:
    composed = made(running(NEW.name, NEW.name, CanaryPhase.PROMOTING), BOTH, CANARY, canary=pods(2, 2))

    assert find(composed, "Deployment")["spec"]["replicas"] == 4
    assert find(composed, "Deployment", "web-canary")["spec"]["replicas"] == 2


def test_the_canarys_pods_are_its_own_and_everybodys() -> None:
    composed = made(running(NEW.name, OLD.name, CanaryPhase.WATCHING), BOTH, CANARY)

    stable, canary = (find(composed, "Deployment", name) for name in ("web", "web-canary"))
    labels = [it["spec"]["template"]["metadata"]["labels"] for it in (stable, canary)]
    assert [it["app"] for it in labels] == ["web", "web-canary"]
    for deployment, own, other in ((stable, *labels), (canary, *reversed(labels))):
        selector = deployment["spec"]["selector"]["matchLabels"].items()
        assert selector <= own.items()
        assert not selector <= other.items()
    for kind, path in (("Service", "selector"), ("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        found = find(composed, kind)["spec"][path]
        assert all(found.get("matchLabels", found).items() <= it.items() for it in labels)
    only = find(composed, "Service", "web-canary")["spec"]["selector"].items()
    assert [only <= it.items() for it in labels] == [False, True]


def test_an_autoscaler_counts_its_own_pods_within_what_is_left() -> None:
    spec = CANARY | {"autoscaling": {"minReplicas": 3, "maxReplicas": 10}}
    state = running(NEW.name, OLD.name, CanaryPhase.WATCHING, weight=20)

    composed = made(state, BOTH, spec, stable=pods(8, 8), canary=pods(2, 2))

    scaler = find(composed, "HorizontalPodAutoscaler")["spec"]
    assert find(composed, "Deployment", "web-canary")["spec"]["replicas"] == 2
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 8)
    assert "replicas" not in find(composed, "Deployment")["spec"]
    promoting = made(running(NEW.name, NEW.name, CanaryPhase.PROMOTING, weight=20), BOTH, spec, stable=pods(8, 8))
    scaler = find(promoting, "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 10)


def test_a_gateway_weighs_the_requests_and_the_service_leads_to_the_stable_pods() -> None:
    spec = CANARY | {"gateway": {"parentRefs": [{"name": "public"}]}}

    composed = made(running(NEW.name, OLD.name, CanaryPhase.WATCHING, weight=20), BOTH, spec)

    (rule,) = find(composed, "HTTPRoute")["spec"]["rules"]
    assert [(it["name"], it["weight"]) for it in rule["backendRefs"]] == [("web", 80), ("web-canary", 20)]
    assert find(composed, "Service")["spec"]["selector"] == {"app": "web"}


def test_after_the_canary_nothing_of_it_is_wanted() -> None:
    known = (
        RevisionRecord(NEW.name, 2, "in", NEW.config_map, "1"),
        RevisionRecord(OLD.name, 1, "other", OLD.config_map, "1"),
    )
    during = made(running(NEW.name, OLD.name, CanaryPhase.WATCHING), BOTH, CANARY, records=known)
    after = made(running(NEW.name, NEW.name), BOTH, CANARY, records=known)
    live = {
        Ref(it["kind"], "team", it["metadata"]["name"]): pack(
            it["kind"], it | {"metadata": it["metadata"] | {"uid": "x", "resourceVersion": "1"}}
        )
        for it in during.rendered.manifests
    }

    todo = plan(after.rendered.manifests, live, "u-1", retained=after.retained)

    gone = {(it.ref.kind, it.ref.name) for it in todo.deletes}
    assert gone == {("Deployment", "web-canary"), ("Service", "web-canary")}


# Revisions


def test_a_target_that_is_the_latest_needs_no_record_and_another_gets_the_next_number() -> None:
    old = RevisionRecord(OLD.name, 1, "other", OLD.config_map, "1")
    new = RevisionRecord(NEW.name, 2, "in", NEW.config_map, "1")
    state = running(NEW.name, NEW.name)

    assert "ControllerRevision" not in kinds(made(state, BOTH, records=(new, old)))
    back = made(running(OLD.name, OLD.name), BOTH, records=(new, old))
    assert find(back, "ControllerRevision", f"web-{OLD.name}")["revision"] == 3
    first = RolloutInputs(OLD.name, "in", "asks", NOW, records=(new, old))
    assert required_revisions(first, running(OLD.name, OLD.name)) == {OLD.name}


def test_the_history_is_limited_but_never_what_runs() -> None:
    known = tuple(RevisionRecord(f"r{n}", n, f"i{n}", f"cm{n}", "1") for n in range(15, 0, -1))

    kept = revisions.records_to_keep(known, {"r1", "r2"}, 4)

    assert {it.name for it in kept} == {"r1", "r2", "r15", "r14"}
    assert {it.name for it in revisions.records_to_keep(known, {"r1", "r2", "r3"}, 2)} == {"r1", "r2", "r3"}


def test_whoever_renders_otherwise_keeps_what_is_there() -> None:
    stored = (
        RevisionRecord("kept", 3, "same", "cm", "1"),
        RevisionRecord("older", 2, "same", "cm", "1"),
        RevisionRecord("x", 1, "other", "cm", "1"),
    )

    assert revisions.target_revision("rendered-anew", "same", stored) == "kept"
    assert revisions.target_revision("rendered-anew", "changed", stored) == "rendered-anew"


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
        {"rollout": {"strategy": "Canary", "progressDeadlineSeconds": 30}},
        {"suspend": True},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_what_pods_are_not_made_from_changes_no_revision(spec: Spec) -> None:
    """Neither asked nor rendered: the two say the same of every such field."""
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
        {"podTemplate": {"metadata": {"labels": {"a": "b"}}}},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_what_pods_are_made_from_changes_the_revision(spec: Spec) -> None:
    assert revisions.spec_hash(inputs_of(**spec)) != revisions.spec_hash(inputs_of())
    assert revision_of(**spec).name != revision_of().name


def test_a_revision_is_the_same_whoever_owns_it_and_whatever_renders_beside_it() -> None:
    body = {"metadata": {"name": "web", "namespace": "team", "uid": "u-2"}, "spec": {"config": ECHO}}
    other = Inputs(AgentDeployment.model_validate(body), platform=Platform(manage_namespaces=False))

    assert render(other).revision.name == render(inputs_of()).revision.name


def test_following_a_channel_asks_for_nothing_but_what_it_gives_is_part_of_the_revision() -> None:
    plain = revisions.spec_hash(inputs_of())
    followed_channel = revisions.spec_hash(inputs_of(runtime={"channel": "stable"}))

    assert followed_channel == plain
    assert revisions.inputs_hash(plain, None) == plain
    assert revisions.inputs_hash(plain, Assigned("2")) != revisions.inputs_hash(plain, Assigned("3"))


def test_only_what_is_owned_and_named_as_it_says_is_history() -> None:
    like = find(made(running(NEW.name, NEW.name), {NEW.name: NEW}), "ControllerRevision", f"web-{NEW.name}")
    live_meta = like["metadata"] | {"uid": "x", "resourceVersion": "1"}
    stranger = {"ownerReferences": [{"uid": "u-9", "kind": "X", "name": "x", "apiVersion": "v1", "controller": True}]}
    objects = [like | {"metadata": live_meta}, like | {"metadata": live_meta | {"name": "web-stray"}}]
    objects.append(like | {"metadata": live_meta | {"name": f"web-{NEW.name}"} | stranger})

    found = [
        revisions.list_records(
            {Ref("ControllerRevision", "team", it["metadata"]["name"]): pack("ControllerRevision", it)}, "web", "u-1"
        )
        for it in objects
    ]

    assert [bool(it) for it in found] == [True, False, False]
    assert found[0][0] == RevisionRecord(NEW.name, 1, "in", NEW.config_map, NEW.runtime_version)

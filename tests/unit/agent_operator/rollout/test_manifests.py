"""The manifests of one running revision, or of a stable one and a canary."""

import pytest

from agent_operator.kube.objects import Key, Ref, pack
from agent_operator.render import render
from agent_operator.render.plan import Owner, plan
from agent_operator.rollout import revisions
from agent_operator.rollout.manifests import compose, required_revisions
from agent_operator.rollout.revisions import RevisionRecord
from agent_operator.rollout.rollout_inputs import CanaryPhase, RolloutInputs
from tests.unit.agent_operator.rollout.revision_inputs import (
    BOTH,
    CANARY,
    ELSEWHERE,
    NEW,
    NOW,
    OLD,
    OUTSIDE,
    Spec,
    compose_for,
    find,
    inputs_of,
    kinds,
    pods,
    revision_of,
    rollout_status,
)


def test_current_revision_is_applied_as_rendered_with_its_record() -> None:
    spec: Spec = {"systemPrompt": {"text": "New."}}
    composed = compose_for(rollout_status(NEW.name, NEW.name), {NEW.name: NEW}, spec)

    rendered = render(inputs_of(**spec)).manifests
    assert [it for it in composed.rendered.manifests if it["kind"] != "ControllerRevision"] == list(rendered)
    record = find(composed, "ControllerRevision", f"web-{NEW.name}")
    assert record["revision"] == 1
    assert revisions.parse_controller_revision(record) == NEW
    assert kinds(composed).index("ControllerRevision") < kinds(composed).index("Deployment")


def test_older_revision_replaces_only_pod_template_and_config() -> None:
    spec: Spec = {"systemPrompt": {"text": "New."}, "replicas": 7, "service": {"port": 81}}
    composed = compose_for(rollout_status(NEW.name, OLD.name), BOTH, spec)

    deployment = find(composed, "Deployment")
    assert deployment["spec"]["template"]["metadata"]["labels"]["agent-operator.dev/revision"] == OLD.name
    assert deployment["spec"]["replicas"] == 7
    assert find(composed, "Service")["spec"]["ports"][0]["port"] == 81
    config = find(composed, "ConfigMap", OLD.config_map)
    assert config["data"]["system_prompt.txt"].strip() == "Old."
    assert kinds(composed).count("ConfigMap") == 1


def test_older_revision_gets_the_hash_of_rotated_secrets() -> None:
    inputs = inputs_of(credentials={"values": {"OPENAI_API_KEY": "k"}})
    rendered = render(inputs)
    revision = rendered.revision
    annotation = "agent-operator.dev/secret-hash"
    assert annotation not in revision.template["metadata"]["annotations"]

    observed = RolloutInputs(revision.name, "in", "spec", NOW)
    status = rollout_status(revision.name, revision.name)
    composed = compose(inputs, rendered, observed, status, {revision.name: revision})

    now = next(it for it in rendered.manifests if it["kind"] == "Deployment")
    assert find(composed, "Deployment") == now
    assert now["spec"]["template"]["metadata"]["annotations"][annotation]


def test_a_restart_replaces_the_pods_of_stable_and_canary_and_keeps_the_revisions() -> None:
    status = rollout_status(NEW.name, OLD.name, CanaryPhase.WATCHING)
    before = compose_for(status, BOTH, CANARY)
    after = compose_for(status.model_copy(update={"restarted_at": NOW}), BOTH, CANARY)

    assert kinds(after) == kinds(before)
    for old, new in zip(before.rendered.manifests, after.rendered.manifests, strict=True):
        if new["kind"] != "Deployment":
            assert new == old
            continue
        assert new["metadata"]["annotations"] != old["metadata"]["annotations"]
        added = new["spec"]["template"]["metadata"]["annotations"].pop("agent-operator.dev/restarted-at")
        assert added == NOW
        assert new["spec"] == old["spec"]
    assert kinds(after).count("Deployment") == 2


def test_the_dashboard_stays_next_to_the_config_maps_of_revisions() -> None:
    """It is a ConfigMap, but not that of a revision."""
    spec: Spec = CANARY | {"monitoring": {"dashboard": {}}}
    status = rollout_status(NEW.name, OLD.name, CanaryPhase.WATCHING)

    for composed in (compose_for(status, BOTH, spec), compose_for(status, {NEW.name: NEW}, spec)):
        names = [it["metadata"]["name"] for it in composed.rendered.manifests if it["kind"] == "ConfigMap"]
        assert names.count("web-dashboard") == 1
        assert NEW.config_map in names
        assert find(composed, "ConfigMap", "web-dashboard")["data"].keys() == {"team.web.json"}


def test_revision_without_content_retains_the_deployment() -> None:
    composed = compose_for(rollout_status(NEW.name, OLD.name), {NEW.name: NEW})

    assert "Deployment" not in kinds(composed)
    assert Ref("Deployment", "team", "web") in composed.retained


def test_network_policy_allows_the_egress_of_all_running_revisions() -> None:
    old, new = revision_of(config=OUTSIDE), revision_of(config=ELSEWHERE)
    contents = {old.name: old, new.name: new}
    extra = {"extraEgress": [{"ports": [{"port": 5432}]}]}
    spec: Spec = CANARY | {"config": ELSEWHERE, "networkPolicy": extra}

    both = find(compose_for(rollout_status(new.name, old.name, CanaryPhase.WATCHING), contents, spec), "NetworkPolicy")
    one = find(compose_for(rollout_status(new.name, new.name), contents, spec), "NetworkPolicy")

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
def test_available_canary_pods_replace_stable_pods(
    replicas: int, weight: int, available: int, canary: int, stable: int
) -> None:
    status = rollout_status(NEW.name, OLD.name, CanaryPhase.STARTING, weight)

    composed = compose_for(status, BOTH, CANARY | {"replicas": replicas}, canary=pods(canary, available))

    assert find(composed, "Deployment", "web-canary")["spec"]["replicas"] == canary
    assert find(composed, "Deployment")["spec"]["replicas"] == stable


def test_promotion_scales_stable_pods_up_before_the_canary_is_removed() -> None:
    composed = compose_for(rollout_status(NEW.name, NEW.name, CanaryPhase.PROMOTING), BOTH, CANARY, canary=pods(2, 2))

    assert find(composed, "Deployment")["spec"]["replicas"] == 4
    assert find(composed, "Deployment", "web-canary")["spec"]["replicas"] == 2


def test_selectors_of_stable_and_canary_pods() -> None:
    composed = compose_for(rollout_status(NEW.name, OLD.name, CanaryPhase.WATCHING), BOTH, CANARY)

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


def test_autoscaler_bounds_leave_room_for_the_canary() -> None:
    spec = CANARY | {"autoscaling": {"minReplicas": 3, "maxReplicas": 10}}
    status = rollout_status(NEW.name, OLD.name, CanaryPhase.WATCHING, weight=20)

    composed = compose_for(status, BOTH, spec, stable=pods(8, 8), canary=pods(2, 2))

    scaler = find(composed, "HorizontalPodAutoscaler")["spec"]
    assert find(composed, "Deployment", "web-canary")["spec"]["replicas"] == 2
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 8)
    assert "replicas" not in find(composed, "Deployment")["spec"]
    promoting = compose_for(
        rollout_status(NEW.name, NEW.name, CanaryPhase.PROMOTING, weight=20), BOTH, spec, stable=pods(8, 8)
    )
    scaler = find(promoting, "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 10)


def test_gateway_splits_requests_by_weight_and_service_selects_stable_pods() -> None:
    spec = CANARY | {"gateway": {"parentRefs": [{"name": "public"}]}}

    composed = compose_for(rollout_status(NEW.name, OLD.name, CanaryPhase.WATCHING, weight=20), BOTH, spec)

    (rule,) = find(composed, "HTTPRoute")["spec"]["rules"]
    assert [(it["name"], it["weight"]) for it in rule["backendRefs"]] == [("web", 80), ("web-canary", 20)]
    assert find(composed, "Service")["spec"]["selector"] == {"app": "web"}


def test_canary_objects_are_deleted_after_the_canary() -> None:
    records = (
        RevisionRecord(NEW.name, 2, "in", NEW.config_map, "1"),
        RevisionRecord(OLD.name, 1, "other", OLD.config_map, "1"),
    )
    during = compose_for(rollout_status(NEW.name, OLD.name, CanaryPhase.WATCHING), BOTH, CANARY, records=records)
    after = compose_for(rollout_status(NEW.name, NEW.name), BOTH, CANARY, records=records)
    live = {
        Ref(it["kind"], "team", it["metadata"]["name"]): pack(
            it["kind"], it | {"metadata": it["metadata"] | {"uid": "x", "resourceVersion": "1"}}
        )
        for it in during.rendered.manifests
    }

    todo = plan(after.rendered.manifests, live, Owner("u-1", Key("team", "web"), "team"), retained=after.retained)

    deleted = {(it.ref.kind, it.ref.name) for it in todo.deletes}
    assert deleted == {("Deployment", "web-canary"), ("Service", "web-canary")}


def test_target_gets_the_next_number_unless_it_is_the_newest_record() -> None:
    old = RevisionRecord(OLD.name, 1, "other", OLD.config_map, "1")
    new = RevisionRecord(NEW.name, 2, "in", NEW.config_map, "1")
    status = rollout_status(NEW.name, NEW.name)

    assert "ControllerRevision" not in kinds(compose_for(status, BOTH, records=(new, old)))
    reverted = compose_for(rollout_status(OLD.name, OLD.name), BOTH, records=(new, old))
    assert find(reverted, "ControllerRevision", f"web-{OLD.name}")["revision"] == 3
    observed = RolloutInputs(OLD.name, "in", "spec", NOW, records=(new, old))
    assert required_revisions(observed, rollout_status(OLD.name, OLD.name)) == {OLD.name}

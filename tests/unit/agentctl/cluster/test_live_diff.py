"""What `agentctl diff` reports about each object."""

from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, render
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.live_diff import Action, Change, compare

Object = dict[str, Any]
SPEC: Object = {"config": {"models": [{"name": "echo", "provider": "echo"}]}}
META: Object = {"name": "x", "namespace": "ns"}


class FakeKubectl(Kubectl):
    """kubectl in a cluster with some objects."""

    objects: tuple[Object, ...] = ()

    def __init__(self, *objects: Object) -> None:
        object.__setattr__(self, "objects", objects)

    def get(self, *arguments: str) -> list[Object]:
        """Return the objects that the arguments name."""
        if arguments == ("services",):
            return [it for it in self.objects if it["kind"] == "Service"]
        names = {(it.split("/")[0].split(".")[0].removesuffix("s"), it.split("/")[1]) for it in arguments}
        return [it for it in self.objects if (it["kind"].lower(), it["metadata"]["name"]) in names]

    def in_namespace(self, namespace: str) -> "FakeKubectl":
        """Return itself: all objects are in one namespace."""
        del namespace
        return self


def agent(**annotations: str) -> Object:
    meta = META | (
        {"annotations": {f"agent-operator.dev/{k}": v for k, v in annotations.items()}} if annotations else {}
    )
    return {"apiVersion": "agent-operator.dev/v1alpha1", "kind": "AgentDeployment", "metadata": meta, "spec": SPEC}


def manifests(uid: str = "") -> dict[str, Object]:
    raw = agent() | {"metadata": META | {"uid": uid}}
    return {it["kind"]: dict(it) for it in render(Inputs(AgentDeployment.model_validate(raw))).manifests}


def live(obj: Object, **spec: Any) -> Object:
    return obj | {"metadata": obj["metadata"] | {"uid": "o"}, "spec": obj["spec"] | spec}


def changes(kubectl: Kubectl, wanted: Object) -> dict[str, Change]:
    found = compare(kubectl, wanted, list(manifests().values()))
    return {change.title.split("/")[0]: change for change in found}


def test_an_agent_of_a_new_name_creates_its_objects() -> None:
    found = changes(FakeKubectl(), agent())

    assert {change.action for change in found.values()} == {Action.CREATE}


@pytest.mark.parametrize(
    ("spec", "action"),
    [
        ({}, Action.NONE),
        ({"clusterIP": "10.0.0.1"}, Action.NONE),
        ({"type": "NodePort"}, Action.UPDATE),
    ],
)
def test_an_own_object_keeps_what_others_add(spec: Object, action: Action) -> None:
    current = agent() | {"metadata": META | {"uid": "u"}}
    service = live(manifests("u")["Service"], **spec)

    change = changes(FakeKubectl(current, service), agent())["Service"]

    assert change.action is action
    assert ("-  type: NodePort" in change.diff) is (action is Action.UPDATE)


def test_an_object_of_others_is_a_conflict_unless_the_annotation_names_it() -> None:
    service = live(manifests()["Service"], selector={"app": "x", "tier": "api"})
    service["metadata"]["labels"] = {"team": "a"}

    refused = changes(FakeKubectl(service), agent())["Service"]
    adopted = changes(FakeKubectl(service), agent(adopt="Service/x"))["Service"]

    assert refused.action is Action.CONFLICT
    assert "add Service/x to the annotation agent-operator.dev/adopt" in refused.note
    assert (adopted.action, adopted.note) == (Action.ADOPT, "as soon as the pods of the agent are available")
    assert "-    tier: api" in adopted.diff
    assert not [line for line in adopted.diff if "team" in line and line.startswith("-")]


def test_what_would_lose_requests_is_a_conflict() -> None:
    deployment = live(manifests()["Deployment"], selector={"matchLabels": {"run": "x"}})
    deployment["spec"]["template"] = {"metadata": {"labels": {"run": "x"}}, "spec": {"containers": []}}

    found = compare(FakeKubectl(deployment), agent(adopt="Deployment/x"), list(manifests().values()))

    (conflict,) = [change for change in found if change.action is Action.CONFLICT]
    assert "its pods lack the label app=x" in conflict.note


def test_a_new_prompt_is_compared_with_the_one_that_the_pods_mount() -> None:
    own = agent() | {"metadata": META | {"uid": "u"}}
    before = AgentDeployment.model_validate(own | {"spec": SPEC | {"systemPrompt": {"text": "Old."}}})
    current = [dict(it) for it in render(Inputs(before)).manifests if it["kind"] in ("ConfigMap", "Deployment")]
    stored = [it | {"metadata": it["metadata"] | {"uid": "o"}} for it in current]

    change = changes(FakeKubectl(own, *stored), agent())["ConfigMap"]

    assert change.action is Action.CREATE
    assert change.note.startswith("it replaces ConfigMap/x-config-")
    assert any(line.startswith("-") and "Old." in line for line in change.diff)
    assert any(line.startswith("+") and "helpful" in line for line in change.diff)


def test_a_config_map_of_others_is_not_compared() -> None:
    deployment = live(manifests()["Deployment"])
    deployment["spec"]["template"] = {"spec": {"volumes": [{"configMap": {"name": "y-config-1"}}, {"emptyDir": {}}]}}

    change = changes(FakeKubectl(deployment), agent())["ConfigMap"]

    assert (change.action, change.note, change.diff) == (Action.CREATE, "", ())

"""A ControllerRevision with other content than its name says is not used, and is reported."""

import copy
from collections.abc import Callable
from typing import Any, cast

import pytest

from agent_operator.api import constants
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Live, Ref, pack, ref
from agent_operator.render import render
from agent_operator.rollout.analysis.client import Scraper
from agent_operator.rollout.planner import RolloutPlanner
from agent_operator.rollout.revisions import controller_revision, read_controller_revision

Object = dict[str, Any]
NOW = "2026-01-01T00:00:00Z"


def make_inputs(prompt: str) -> Inputs:
    spec = {"config": {"models": [{"name": "echo", "provider": "echo"}]}, "systemPrompt": {"text": prompt}}
    metadata = {"name": "web", "namespace": "team", "uid": "u-1"}
    return Inputs(AgentDeployment.model_validate({"metadata": metadata, "spec": spec}))


def record(prompt: str, number: int) -> Object:
    rendered = render(make_inputs(prompt))
    sibling = next(it for it in rendered.manifests if it["kind"] == "ConfigMap")
    stored: Object = copy.deepcopy(controller_revision(rendered.revision, number, f"inputs-{number}", sibling))
    stored["metadata"] |= {"uid": f"record-{number}", "resourceVersion": str(number)}
    return stored


def agent_container(stored: Object) -> Object:
    containers = stored["data"]["template"]["spec"]["containers"]
    found: Object = next(it for it in containers if it["name"] == constants.CONTAINER)
    return found


def with_image(stored: Object) -> None:
    agent_container(stored)["image"] = "registry.example.com/other:1"


def with_variable(stored: Object) -> None:
    agent_container(stored)["env"].append({"name": "HTTPS_PROXY", "value": "http://other.example.com"})


def with_container(stored: Object) -> None:
    stored["data"]["template"]["spec"]["containers"].append({"name": "more", "image": "registry.example.com/other:1"})


def with_prompt(stored: Object) -> None:
    stored["data"]["config"] = {key: f"{text}\n" for key, text in stored["data"]["config"].items()}


def with_config_map(stored: Object) -> None:
    stored["metadata"]["annotations"][constants.ANNOTATION_CONFIG] = "web-config-other"


def with_revision_label(stored: Object) -> None:
    stored["data"]["template"]["metadata"]["labels"][constants.LABEL_REVISION] = "other"


def with_text(stored: Object) -> None:
    stored["data"]["template"] = "template"


FORGERIES = [
    with_image,
    with_variable,
    with_container,
    with_prompt,
    with_config_map,
    with_revision_label,
    with_text,
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_other_content_than_the_name_says_is_not_read(forge: Callable[[Object], None]) -> None:
    stored = record("Be kind.", 1)
    assert read_controller_revision(stored, "web") is not None

    forge(stored)

    assert read_controller_revision(stored, "web") is None


EVERYWHERE = {"ipBlock": {"cidr": "0.0.0.0/0"}}
HTTPS = [{"protocol": "TCP", "port": 443}]


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"ports": HTTPS},
        {"to": [], "ports": HTTPS},
        {"to": [EVERYWHERE]},
        {"to": [EVERYWHERE], "ports": HTTPS},
        {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}], "ports": HTTPS},
        {"to": [{"ipBlock": {"cidr": "169.254.0.0/16"}}], "ports": HTTPS},
        {"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}], "ports": HTTPS},
        {"to": [{"ipBlock": {"cidr": "169.254.168.0/24"}}], "ports": HTTPS},
        {"to": [{"ipBlock": {"cidr": "168.63.129.16/31"}}], "ports": HTTPS},
        {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}], "ports": HTTPS},
        {"to": [{"ipBlock": {"cidr": "::/0"}}], "ports": HTTPS},
        {"to": [{"ipBlock": {"cidr": "fd00:ec2::254/128"}}], "ports": HTTPS},
        {"to": [{"namespaceSelector": {}}], "ports": HTTPS},
        {"to": [{"podSelector": {}, "namespaceSelector": {}}], "ports": HTTPS},
        {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"protocol": "TCP"}]},
        {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 1, "endPort": 65535}]},
        {"to": [{"ipBlock": {"cidr": "nothing"}}], "ports": HTTPS},
        {"to": [{"ipBlock": {"cidr": ["10.0.0.1/32"]}}], "ports": HTTPS},
        {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}, 5], "ports": HTTPS},
        "rule",
    ],
    ids=str,
)
def test_egress_rules_that_the_operator_never_writes_are_left_out(rule: Any) -> None:
    """No hash covers them, and they would stay in the NetworkPolicy after a rollback."""
    stored = record("Be kind.", 1)
    own = stored["data"]["egress"]
    stored["data"]["egress"] = [*own, rule]

    revision = read_controller_revision(stored, "web")

    assert revision is not None
    assert revision.egress == own


class FakeCluster:
    """A Cluster with these objects."""

    def __init__(self, *objects: Object) -> None:
        self.objects = {ref("ControllerRevision", obj): obj for obj in objects}

    async def find(self, target: Ref, _version: str) -> Object | None:
        return self.objects.get(target)


@pytest.mark.parametrize("is_forged", [False, True])
async def test_a_forged_revision_is_reported_and_not_rolled_back_to(is_forged: bool) -> None:
    inputs = make_inputs("Be terse.")
    rendered = render(inputs)
    old, new = record("Be kind.", 1), record("Be terse.", 2)
    if is_forged:
        with_image(old)
    names = [it["metadata"]["labels"][constants.LABEL_REVISION] for it in (old, new)]
    live: dict[Ref, Live] = {ref("ControllerRevision", it): pack("ControllerRevision", it) for it in (old, new)}
    planner = RolloutPlanner(cast(Cluster, FakeCluster(old, new)), Scraper(), lambda: 0.0)
    agent = {
        "metadata": {
            "name": "web",
            "namespace": "team",
            "uid": "u-1",
            "annotations": {constants.ANNOTATION_ROLLOUT: f"rollback={names[0]}"},
        },
        "status": {"lastGoodRevision": names[0], "rollout": {"target": names[1], "stable": names[1]}},
    }

    plan = await planner.plan(inputs, rendered, agent, live, NOW)

    deployments = [it for it in plan.manifests.rendered.manifests if it["kind"] == "Deployment"]
    images = [it["spec"]["template"]["spec"]["containers"][0]["image"] for it in deployments]
    assert "registry.example.com/other:1" not in images
    assert [warning.reason for warning in plan.warnings] == (["RevisionForged"] if is_forged else [])
    assert (plan.after.stable == names[0]) is not is_forged

"""The watch of ControllerRevisions may be interrupted while the operator creates one."""

from typing import Any, cast

import pytest

from agent_operator.api import constants
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Inputs, Platform
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Live, Ref, pack, ref
from agent_operator.render import Rendered, render
from agent_operator.rollout import revisions
from agent_operator.rollout.analysis.client import Scraper
from agent_operator.rollout.planner import RolloutPlanner

Object = dict[str, Any]


class FakeCluster:
    """A Cluster that has these ControllerRevisions, and records which are read."""

    def __init__(self, *objects: Object) -> None:
        self._objects = {ref("ControllerRevision", obj): obj for obj in objects}
        self.read: list[Ref] = []

    async def find(self, target: Ref, _version: str) -> Object | None:
        self.read.append(target)
        return self._objects.get(target)


def rendered_by(version: str) -> tuple[Inputs, Rendered]:
    """Return what an operator with this version of the runtime renders."""
    spec = {"config": {"models": [{"name": "echo", "provider": "echo"}]}}
    metadata = {"name": "web", "namespace": "team", "uid": "u-1"}
    agent = AgentDeployment.model_validate({"metadata": metadata, "spec": spec})
    inputs = Inputs(agent, platform=Platform(runtime_version=version))
    return inputs, render(inputs)


def stored(inputs: Inputs, rendered: Rendered, number: int) -> list[Object]:
    """Return the ControllerRevision and the Deployment of a version."""
    inputs_hash = revisions.inputs_hash(revisions.spec_hash(inputs), inputs.assigned)
    sibling = next(it for it in rendered.manifests if it["kind"] == "ConfigMap")
    record = revisions.controller_revision(rendered.revision, number, inputs_hash, sibling)
    metadata = {key: sibling["metadata"][key] for key in ("namespace", "labels", "ownerReferences")}
    deployment: Object = {
        "kind": "Deployment",
        "metadata": metadata | {"name": "web"},
        "spec": {"replicas": 1, "template": rendered.revision.template},
    }
    for it in (found := [dict(record), deployment]):
        it["metadata"] = {**it["metadata"], "uid": f"{number}-{it['kind']}", "resourceVersion": str(number)}
    return found


@pytest.mark.parametrize("is_shown", [True, False])
async def test_a_running_revision_stays_the_target_before_the_watch_shows_it(is_shown: bool) -> None:
    """Otherwise, an upgrade whose command has been carried out would return to the version before."""
    old_record, _ = stored(*rendered_by("1.0.0"), 1)
    inputs, rendered = rendered_by("2.0.0")
    record, deployment = stored(inputs, rendered, 2)
    shown = [old_record, deployment, *([record] if is_shown else [])]
    live: dict[Ref, Live] = {ref(it["kind"], it): pack(it["kind"], it) for it in shown}
    cluster = FakeCluster(old_record, record)
    planner = RolloutPlanner(cast(Cluster, cluster), Scraper(), lambda: 0.0)
    agent = {"metadata": {"name": "web", "namespace": "team", "uid": "u-1"}, "status": {}}

    plan = await planner.plan(inputs, rendered, agent, live, "2026-01-01T00:00:00Z")

    assert plan.after.target == record["metadata"]["labels"][constants.LABEL_REVISION]
    assert (ref("ControllerRevision", record) in cluster.read) is not is_shown

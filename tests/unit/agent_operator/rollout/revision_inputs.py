"""An agent with the revisions `OLD` and `NEW`, and the manifests that are composed for it."""

from collections.abc import Mapping
from typing import Any

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.api.v1alpha1.rollout import CanaryStatus, Rollout, RolloutStatus
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render import Revision, render
from agent_operator.rollout.manifests import RolloutManifests, compose
from agent_operator.rollout.revisions import RevisionRecord
from agent_operator.rollout.rollout_inputs import CanaryPhase, RolloutInputs
from agent_operator.status.observed import Pods

Spec = dict[str, Any]
FOUR_PODS, NO_PODS = Pods(4, 4, 4, 4, 4, observed=True), Pods(observed=True)
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


def compose_for(
    status: RolloutStatus,
    contents: Mapping[str, Revision],
    spec: Spec | None = None,
    *,
    records: tuple[RevisionRecord, ...] = (),
    stable: Pods = FOUR_PODS,
    canary: Pods = NO_PODS,
) -> RolloutManifests:
    inputs = inputs_of(**(spec or {}))
    rollout = inputs.spec.rollout or Rollout()
    observed = RolloutInputs(
        status.target or "", "in", "spec", NOW, rollout, records=records, stable=stable, canary=canary
    )
    return compose(inputs, render(inputs), observed, status, contents)


def find(composed: RolloutManifests, kind: str, name: str = "web") -> dict[str, Any]:
    found = [it for it in composed.rendered.manifests if (it["kind"], it["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return found[0]


def kinds(composed: RolloutManifests) -> list[str]:
    return [it["kind"] for it in composed.rendered.manifests]


def rollout_status(target: str, stable: str, phase: CanaryPhase | None = None, weight: int = 50) -> RolloutStatus:
    canary = CanaryStatus(revision=target, step=0, weight=weight, phase=phase, since=NOW) if phase else None
    return RolloutStatus(target=target, stable=stable, canary=canary)


OLD, NEW = revision_of(systemPrompt={"text": "Old."}), revision_of(systemPrompt={"text": "New."})
BOTH = {OLD.name: OLD, NEW.name: NEW}
CANARY: Spec = {"rollout": {"strategy": "Canary"}, "replicas": 4, "systemPrompt": {"text": "New."}}

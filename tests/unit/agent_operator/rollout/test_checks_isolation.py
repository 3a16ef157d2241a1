"""The pod of the checks next to the other objects of an agent with a canary."""

from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.api.v1alpha1.rollout import CanaryStatus, Rollout, RolloutStatus
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render import render
from agent_operator.rollout import checks_job
from agent_operator.rollout.manifests import compose
from agent_operator.rollout.rollout_inputs import CanaryPhase, RolloutInputs

CHECK = {"name": "greets", "prompt": "Say hello", "contains": ["hello"]}
GATEWAY = {"parentRefs": [{"name": "public"}]}


def compose_checking(**spec: Any) -> tuple[Inputs, tuple[dict[str, Any], ...]]:
    """Return the manifests while the checks run."""
    rollout = {"strategy": "Canary", "canary": {"checks": [CHECK]}}
    config = {"models": [{"name": "echo", "provider": "echo"}]}
    body = {
        "metadata": {"name": "web", "namespace": "team", "uid": "u-1"},
        "spec": {"config": config, "rollout": rollout, **spec},
    }
    inputs = Inputs(AgentDeployment.model_validate(body))
    rendered = render(inputs)
    revision = rendered.revision
    canary = CanaryStatus(
        revision=revision.name, step=0, weight=20, phase=CanaryPhase.CHECKING, since="2026-01-01T00:00:00Z"
    )
    status = RolloutStatus(target=revision.name, stable=revision.name, canary=canary)
    observed = RolloutInputs(
        target=revision.name, inputs_hash="i", spec_hash="a", now=canary.since, rollout=Rollout.model_validate(rollout)
    )
    job = checks_job.manifests(inputs, revision)
    return inputs, compose(inputs, rendered, observed, status, {revision.name: revision}, checks=job).rendered.manifests


def selector_of(manifest: dict[str, Any]) -> dict[str, str] | None:
    spec = manifest.get("spec", {})
    if manifest["kind"] == "Service":
        found: dict[str, str] = spec["selector"]
        return found
    matched: dict[str, str] | None = (spec.get("selector") or {}).get("matchLabels")
    return matched


@pytest.mark.parametrize("spec", [{}, {"gateway": GATEWAY}, {"autoscaling": {"minReplicas": 2}}])
def test_only_the_job_selects_the_pod(spec: dict[str, Any]) -> None:
    _, manifests = compose_checking(**spec)
    job = next(manifest for manifest in manifests if manifest["kind"] == "Job")
    labels = job["spec"]["template"]["metadata"]["labels"]
    selecting = [it for it in manifests if it["kind"] in ("Deployment", "Service", "PodDisruptionBudget")]
    assert len(selecting) == 5
    for manifest in selecting:
        selector = selector_of(manifest)
        assert selector
        assert not selector.items() <= labels.items(), manifest["kind"]


def test_network_policy_applies_to_the_pod() -> None:
    """The pod of the checks has the credentials of the agent, so it needs the same limits on egress."""
    _, manifests = compose_checking()
    job = next(manifest for manifest in manifests if manifest["kind"] == "Job")
    policy = next(manifest for manifest in manifests if manifest["kind"] == "NetworkPolicy")
    chosen = policy["spec"]["podSelector"]["matchLabels"]
    assert chosen.items() <= job["spec"]["template"]["metadata"]["labels"].items()


def test_checks_call_the_service_of_the_canary() -> None:
    inputs, manifests = compose_checking(service={"port": 8080})
    job = next(manifest for manifest in manifests if manifest["kind"] == "Job")
    service = next(
        it for it in manifests if it["kind"] == "Service" and it["metadata"]["name"] == constants.canary("web")
    )
    args = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[args.index("--url") + 1] == f"http://{service['metadata']['name']}.{inputs.namespace}.svc:8080"
    assert 8080 in [port["port"] for port in service["spec"]["ports"]]
    canary = next(
        it for it in manifests if it["kind"] == "Deployment" and it["metadata"]["name"] == constants.canary("web")
    )
    pods = canary["spec"]["template"]["metadata"]["labels"]
    stable = next(it for it in manifests if it["kind"] == "Deployment" and it["metadata"]["name"] == "web")
    assert service["spec"]["selector"].items() <= pods.items()
    assert not service["spec"]["selector"].items() <= stable["spec"]["template"]["metadata"]["labels"].items()


def test_job_comes_after_what_it_needs() -> None:
    _, manifests = compose_checking()
    kinds = [(it["kind"], it["metadata"]["name"]) for it in manifests]
    (job,) = (pair for pair in kinds if pair[0] == "Job")
    assert kinds.index(("ConfigMap", job[1])) < kinds.index(job)
    assert kinds.index(("Service", "web-canary")) < kinds.index(job)

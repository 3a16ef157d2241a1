"""The Deployments of an agent: one of the stable revision, and one of the canary next to it."""

from enum import StrEnum

from agent_operator.api import constants
from agent_operator.inputs import disruption, references
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render.canonical import Manifest, with_spec
from agent_operator.render.credentials import secret_hash
from agent_operator.render.revision import Revision, with_secret_hash
from agent_operator.render.templates import manifest


class Role(StrEnum):
    """The role of a Deployment. The label `app` distinguishes the pods of the two roles."""

    STABLE = "stable"
    CANARY = "canary"


def deployment(inputs: Inputs, revision: Revision, replicas: int | None, role: Role) -> Manifest:
    """Return the Deployment that runs a revision.

    Args:
        inputs: the agent with its current spec; the revision may be older.
        revision: the pod template and config.
        replicas: number of pods; None if an autoscaler sets it.
        role: stable or canary.
    """
    name = inputs.name if role is Role.STABLE else constants.canary(inputs.name)
    selector = {constants.LABEL_APP: name}
    rollout = inputs.spec.rollout
    return manifest(
        "deployment",
        inputs,
        {
            "name": name,
            "labels": {constants.LABEL_COMPONENT: constants.COMPONENT_AGENT},
            "replicas": replicas,
            "progress_deadline": rollout.progress_deadline_seconds if rollout else None,
            "history_limit": rollout.revision_history_limit if rollout else None,
            "strategy": disruption.strategy(rollout),
            "selector": selector,
            "pod_template": _pod_template(inputs, revision, selector),
        },
    )


def with_restart(manifest: Manifest, time: str) -> Manifest:
    """Return a Deployment whose pods are not older than the last restart; other manifests unchanged.

    The time is not a part of the revision, because it cannot break a pod.
    """
    if manifest["kind"] != "Deployment":
        return manifest
    template = manifest["spec"]["template"]
    meta = template["metadata"]
    annotations = (meta.get("annotations") or {}) | {constants.ANNOTATION_RESTARTED_AT: time}
    return with_spec(manifest, template=template | {"metadata": meta | {"annotations": annotations}})


def _pod_template(inputs: Inputs, revision: Revision, selector: dict[str, str]) -> Manifest:
    """Return the pod template of a revision, with the hash of the current data of its Secrets."""
    hashes = references.hashes_of_template(secret_hash(inputs), revision.template)
    template = with_secret_hash(revision.template, hashes)
    metadata = template["metadata"]
    return template | {"metadata": metadata | {"labels": metadata["labels"] | selector}}

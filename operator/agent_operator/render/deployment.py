"""The Deployments of an agent: one of the stable revision, and one of the canary next to it."""

from enum import StrEnum

from agent_operator.api import constants
from agent_operator.inputs import disruption, references
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render.canonical import Manifest
from agent_operator.render.credentials import secret_hash
from agent_operator.render.revision import Revision, with_secret_hash
from agent_operator.render.templates import manifest


class Role(StrEnum):
    """The role of a Deployment. The label `app` distinguishes the pods of the two roles."""

    STABLE = "stable"
    CANARY = "canary"


def deployment(
    inputs: Inputs, revision: Revision, replicas: int | None, role: Role, restarted_at: str | None = None
) -> Manifest:
    """Return the Deployment that runs a revision.

    Args:
        inputs: the agent with its current spec; the revision may be older.
        revision: the pod template and config.
        replicas: number of pods; None if an autoscaler sets it.
        role: stable or canary.
        restarted_at: time of the last restart that a user requested; another time replaces the pods.
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
            "pod_template": _pod_template(inputs, revision, selector, restarted_at),
        },
    )


def _pod_template(inputs: Inputs, revision: Revision, selector: dict[str, str], restarted_at: str | None) -> Manifest:
    """Return the pod template of a revision, with the hash of its Secrets' current data and the time of a restart."""
    hashes = references.hashes_of_template(secret_hash(inputs), revision.template)
    template = with_secret_hash(revision.template, hashes)
    metadata = template["metadata"] | {"labels": template["metadata"]["labels"] | selector}
    if restarted_at:
        metadata |= {"annotations": metadata["annotations"] | {constants.ANNOTATION_RESTARTED_AT: restarted_at}}
    return template | {"metadata": metadata}

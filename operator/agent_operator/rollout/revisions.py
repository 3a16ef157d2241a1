"""Revisions: what pods were made from, kept as ControllerRevisions so that one can return to it, or stay with it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.api import constants
from agent_operator.inputs.agent_inputs import Assigned, Inputs
from agent_operator.kube.objects import Live, Object, Ref
from agent_operator.render import Revision
from agent_operator.render.canonical import Manifest, digest, with_manifest_hash
from agent_operator.render.plan import owned

# What the pods are not made from: a change of these makes no revision, whatever operator renders it.
_NOT_OF_PODS = frozenset(
    {
        "autoscaling",
        "disruptionBudget",
        "gateway",
        "ingress",
        "monitoring",
        "networkPolicy",
        "replicas",
        "rollout",
        "service",
        "suspend",
    }
)
KEPT = 10


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """A revision that the cluster keeps, without its content.

    Attributes:
        name: of the revision.
        number: the higher, the later it was wanted.
        inputs_hash: hash of what the user asked of the pods.
        config_map: name of its ConfigMap.
        runtime_version: tag or digest of its image.
    """

    name: str
    number: int
    inputs_hash: str
    config_map: str
    runtime_version: str


def spec_hash(inputs: Inputs) -> str:
    """Return the hash of what the user asks of the pods, however it is rendered."""
    spec = inputs.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    asked = {field: value for field, value in spec.items() if field not in _NOT_OF_PODS}
    # The channel itself is not asked for; what it gives is.
    asked |= {"runtime": {key: value for key, value in (asked.get("runtime") or {}).items() if key != "channel"}}
    return digest({"spec": asked, "prompt": inputs.prompt_template})


def inputs_hash(asked: str, assigned: Assigned | None) -> str:
    """Return the hash of what the user asks of the pods together with what a channel has given."""
    return digest([asked, assigned.image, assigned.version]) if assigned else asked


def list_records(live: Mapping[Ref, Live], agent: str, uid: str) -> tuple[RevisionRecord, ...]:
    """Return the revisions that the cluster keeps for the agent with this UID, the latest first."""
    objects = (it.object for target, it in live.items() if target.kind == "ControllerRevision")
    found = [_stored(obj) for obj in objects if owned(obj, uid) and _consistent(obj, agent)]
    return tuple(sorted(found, key=lambda it: (-it.number, it.name)))


def _consistent(obj: Object, agent: str) -> bool:
    meta = obj["metadata"]
    name = (meta.get("labels") or {}).get(constants.LABEL_REVISION, "")
    return bool(meta["name"] == constants.revision(agent, name)) and "deletionTimestamp" not in meta


def _stored(obj: Object) -> RevisionRecord:
    annotations = obj["metadata"].get("annotations") or {}
    return RevisionRecord(
        name=obj["metadata"]["labels"][constants.LABEL_REVISION],
        number=obj.get("revision", 0),
        inputs_hash=annotations.get(constants.ANNOTATION_INPUTS, ""),
        config_map=annotations.get(constants.ANNOTATION_CONFIG, ""),
        runtime_version=annotations.get(constants.ANNOTATION_RUNTIME_VERSION, ""),
    )


def target_revision(fresh_name: str, inputs: str, known: Iterable[RevisionRecord]) -> str:
    """Return the revision that the spec asks for.

    What the user has not changed keeps the revision it got: another operator may render it in another way, and must
    not restart every agent for it.
    """
    return next((it.name for it in known if it.inputs_hash == inputs), fresh_name)


def manifest(revision: Revision, number: int, inputs: str, like: Manifest) -> Manifest:
    """Return the ControllerRevision that keeps a revision. `like`: a child of the same agent, for labels and owner."""
    meta = like["metadata"]
    return with_manifest_hash(
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": constants.revision(meta["labels"][constants.LABEL_AGENT], revision.name),
                "namespace": meta["namespace"],
                "labels": dict(sorted((_labels(meta) | {constants.LABEL_REVISION: revision.name}).items())),
                "annotations": {
                    constants.ANNOTATION_CONFIG: revision.config_map,
                    constants.ANNOTATION_INPUTS: inputs,
                    constants.ANNOTATION_RUNTIME_VERSION: revision.runtime_version,
                },
                **({"ownerReferences": meta["ownerReferences"]} if meta.get("ownerReferences") else {}),
            },
            "revision": number,
            "data": {
                "template": revision.template,
                "config": dict(revision.config),
                "egress": revision.egress,
                "model": revision.model,
            },
        }
    )


def parse_record(obj: Mapping[str, Any]) -> Revision:
    """Read a ControllerRevision as the API server has it.

    Raises:
        KeyError, TypeError: it is none of ours.
    """
    annotations, data = obj["metadata"]["annotations"], obj["data"]
    return Revision(
        name=obj["metadata"]["labels"][constants.LABEL_REVISION],
        template=data["template"],
        config=data["config"],
        config_map=annotations[constants.ANNOTATION_CONFIG],
        egress=data.get("egress"),
        model=data["model"],
        runtime_version=annotations[constants.ANNOTATION_RUNTIME_VERSION],
    )


def records_to_keep(known: Iterable[RevisionRecord], in_use: Iterable[str], limit: int) -> tuple[RevisionRecord, ...]:
    """Return the revisions to keep: those in use, and then the latest."""
    ordered = sorted(known, key=lambda it: (it.name not in set(in_use), -it.number))
    used = sum(it.name in set(in_use) for it in ordered)
    return tuple(ordered[: max(limit, used)])


def _labels(meta: Mapping[str, Any]) -> dict[str, str]:
    return {key: value for key, value in meta["labels"].items() if key != constants.LABEL_COMPONENT}

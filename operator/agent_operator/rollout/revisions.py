"""Revisions that the cluster stores as ControllerRevisions. A rollback restores pods and config from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.inputs.agent_inputs import Assigned, Inputs
from agent_operator.inputs.size_limits import measure
from agent_operator.kube.objects import Live, Object, Ref
from agent_operator.render import Revision
from agent_operator.render.canonical import Manifest, digest, with_manifest_hash
from agent_operator.render.network import is_bounded
from agent_operator.render.plan import Owner
from agent_operator.render.revision import is_authentic

# Fields of the spec that do not change the pod template, and so do not make a new revision.
_FIELDS_OUTSIDE_PODS = frozenset(
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
DEFAULT_HISTORY_LIMIT = 10


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """The metadata of a ControllerRevision, without the content of the revision.

    Attributes:
        name: of the revision.
        number: grows with each revision that becomes the target.
        inputs_hash: hash of what the revision was rendered from.
        config_map: name of its ConfigMap.
        runtime_version: tag or digest of its image.
    """

    name: str
    number: int
    inputs_hash: str
    config_map: str
    runtime_version: str


def spec_hash(inputs: Inputs) -> str:
    """Return the hash of the fields of the spec that affect pods. It does not depend on the version of the operator."""
    spec = inputs.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    hashed = {field: value for field, value in spec.items() if field not in _FIELDS_OUTSIDE_PODS}
    if traces := (spec.get("monitoring") or {}).get("tracing"):
        hashed["monitoring"] = {"tracing": traces}
    # Following another channel changes the pods only when that channel assigns another version.
    hashed["runtime"] = {key: value for key, value in (hashed.get("runtime") or {}).items() if key != "channel"}
    return digest({"spec": hashed, "prompt": inputs.prompt_template})


def inputs_hash(spec: str, assigned: Assigned | None) -> str:
    """Return the hash of the spec and of the version that a channel assigned. `spec`: from spec_hash."""
    return digest([spec, assigned.image, assigned.version]) if assigned else spec


def list_records(live: Mapping[Ref, Live], owner: Owner) -> tuple[RevisionRecord, ...]:
    """Return the revisions that the cluster keeps of an agent, newest first."""
    objects = ((target, it.object, it.uid) for target, it in live.items() if target.kind == "ControllerRevision")
    found = [_record(it[1]) for it in objects if owner.owns(*it) and _is_consistent(it[1], owner.key.name)]
    return tuple(sorted(found, key=lambda record: (-record.number, record.name)))


def _is_consistent(obj: Object, agent: str) -> bool:
    """Return whether the object's name matches its revision label, and it is not being deleted."""
    meta = obj["metadata"]
    revision = (meta.get("labels") or {}).get(constants.LABEL_REVISION, "")
    return bool(meta["name"] == constants.revision(agent, revision)) and "deletionTimestamp" not in meta


def _record(obj: Object) -> RevisionRecord:
    annotations = obj["metadata"].get("annotations") or {}
    return RevisionRecord(
        name=obj["metadata"]["labels"][constants.LABEL_REVISION],
        number=obj.get("revision", 0),
        inputs_hash=annotations.get(constants.ANNOTATION_INPUTS, ""),
        config_map=annotations.get(constants.ANNOTATION_CONFIG, ""),
        runtime_version=annotations.get(constants.ANNOTATION_RUNTIME_VERSION, ""),
    )


def target_revision(rendered: str, inputs: str, records: Iterable[RevisionRecord]) -> str:
    """Return the revision that the spec requests.

    A revision that was rendered from the same inputs stays the target, even if this operator renders the inputs
    differently. Otherwise a new version of the operator would restart every agent.

    Args:
        rendered: name of the revision that this operator renders.
        inputs: from inputs_hash.
        records: newest first.
    """
    return next((record.name for record in records if record.inputs_hash == inputs), rendered)


def controller_revision(revision: Revision, number: int, inputs: str, sibling: Manifest) -> Manifest:
    """Return the ControllerRevision of a revision. It takes labels and owner from `sibling`, another child."""
    return with_manifest_hash(
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": _metadata(revision, inputs, sibling["metadata"]),
            "revision": number,
            "data": {
                "template": revision.template,
                "config": dict(revision.config),
                "egress": revision.egress,
                "model": revision.model,
            },
        }
    )


def _metadata(revision: Revision, inputs: str, sibling: Mapping[str, Any]) -> dict[str, Any]:
    labels = {key: value for key, value in sibling["labels"].items() if key != constants.LABEL_COMPONENT}
    metadata = {
        "name": constants.revision(labels[constants.LABEL_AGENT], revision.name),
        "namespace": sibling["namespace"],
        "labels": dict(sorted((labels | {constants.LABEL_REVISION: revision.name}).items())),
        "annotations": {
            constants.ANNOTATION_CONFIG: revision.config_map,
            constants.ANNOTATION_INPUTS: inputs,
            constants.ANNOTATION_RUNTIME_VERSION: revision.runtime_version,
        },
    }
    owners = sibling.get("ownerReferences")
    return metadata | ({"ownerReferences": owners} if owners else {})


def parse_controller_revision(obj: Mapping[str, Any]) -> Revision:
    """Read a revision from its ControllerRevision.

    Raises:
        KeyError, TypeError, AttributeError: the operator did not write this object.
    """
    _, excess = measure(obj["data"])
    if excess:
        raise TypeError(excess)
    annotations, data = obj["metadata"]["annotations"], obj["data"]
    # No hash covers the egress rules, so leave out those that the operator never writes.
    egress = data.get("egress")
    # The name of the revision is also a hash of its config.
    link_local = any("allow_link_local = true" in text for text in data["config"].values())
    return Revision(
        name=obj["metadata"]["labels"][constants.LABEL_REVISION],
        template=data["template"],
        config=data["config"],
        config_map=annotations[constants.ANNOTATION_CONFIG],
        egress=[rule for rule in egress if is_bounded(rule, allow_link_local=link_local)]
        if isinstance(egress, list)
        else None,
        model=data["model"],
        runtime_version=annotations[constants.ANNOTATION_RUNTIME_VERSION],
    )


def read_controller_revision(obj: Mapping[str, Any], agent: str) -> Revision | None:
    """Read a revision; None if the operator did not write this content."""
    try:
        revision = parse_controller_revision(obj)
        return revision if is_authentic(revision, agent) else None
    except (KeyError, TypeError, AttributeError):
        return None


def forged(target: Ref) -> Problem:
    """Describe a ControllerRevision whose content is not that of the revision."""
    message = (
        f"the content of {target} does not match the hash in its name, so it is not used: delete it, and find out who "
        "has the right to change ControllerRevisions"
    )
    return Problem(Reason.REVISION_FORGED, "", message)


def records_to_keep(records: Iterable[RevisionRecord], in_use: Iterable[str], limit: int) -> tuple[RevisionRecord, ...]:
    """Return the records of the revisions in use, and of the newest others up to the limit of the history."""
    used = set(in_use)
    ordered = sorted(records, key=lambda record: (record.name not in used, -record.number))
    in_history = sum(record.name in used for record in ordered)
    return tuple(ordered[: max(limit, in_history)])

"""Revisions of a Deployment: its new ReplicaSet, the pod-template-hash, and the annotations. Pure."""

import hashlib
import json
from collections.abc import Iterable

from localkube.meta.objects import annotations_of, labels_of, owner_reference
from localkube.meta.status import Object

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NOT_COPIED = {_LAST_APPLIED, REVISION, HISTORY, DESIRED, MAXIMUM, "deprecated.deployment.rollback.to"}
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # as in apimachinery: without vowels, to avoid words


def template_hash(template: Object, collisions: int | None) -> str:
    """The hash of a pod template and the collisionCount."""
    text = json.dumps([template, collisions], sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.blake2s(text.encode(), digest_size=4).digest(), "big")
    return "".join(_ALPHABET[ord(c) % len(_ALPHABET)] for c in str(number))


def same_template(one: Object, other: Object) -> bool:
    """Whether two pod templates are equal, except for the hash label."""
    return _comparable(one) == _comparable(other)


def _comparable(template: Object) -> tuple[Object, Object, Object]:
    labels = {k: v for k, v in labels_of(template).items() if k != HASH_LABEL} if "metadata" in template else {}
    annotations = annotations_of(template) if "metadata" in template else {}
    return labels, annotations, template["spec"]


def find_new(deployment: Object, replicasets: Iterable[Object]) -> Object | None:
    """The oldest ReplicaSet that has the Deployment's template; None if there is none."""
    template = deployment["spec"]["template"]
    same = [rs for rs in replicasets if same_template(rs["spec"]["template"], template)]
    return min(same, key=creation, default=None)


def creation(obj: Object) -> tuple[str, str]:
    """Sort key: oldest first."""
    return obj["metadata"]["creationTimestamp"], obj["metadata"]["name"]


def revision_of(obj: Object) -> int:
    """The revision in the annotation; 0 if it is missing or not a number."""
    text = annotations_of(obj).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def next_revision(old: Iterable[Object]) -> int:
    """The highest revision of the old ReplicaSets plus one."""
    return max((revision_of(rs) for rs in old), default=0) + 1


def new_replicaset(deployment: Object, revision: int, replicas: int) -> Object:
    """Build the ReplicaSet for a Deployment's template."""
    spec = deployment["spec"]
    name = template_hash(spec["template"], deployment.get("status", {}).get("collisionCount"))
    template = dict(spec["template"])
    template["metadata"] = {**template.get("metadata", {}), "labels": {**labels_of(template), HASH_LABEL: name}}
    selector = spec["selector"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{name}",
            "labels": template["metadata"]["labels"],
            "annotations": {**_copied(deployment), REVISION: str(revision)},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.get("minReadySeconds", 0),
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: name}},
            "template": template,
        },
    }


def revised_annotations(deployment: Object, replicaset: Object, revision: int) -> dict[str, str]:
    """The annotations of the new ReplicaSet: the Deployment's, its revision, and its earlier revisions."""
    found = {**annotations_of(replicaset), **_copied(deployment)}
    before = revision_of(replicaset)
    if before >= revision:
        return found
    found[REVISION] = str(revision)
    if before:
        history = [h for h in found.get(HISTORY, "").split(",") if h]
        found[HISTORY] = ",".join([*history, str(before)])
    return found


def _copied(deployment: Object) -> dict[str, str]:
    return {k: v for k, v in annotations_of(deployment).items() if k not in _NOT_COPIED}

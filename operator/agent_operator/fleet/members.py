"""The agents that follow a channel, as the plan of the channel needs them."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from agent_operator.api import constants
from agent_operator.api.reasons import Reason
from agent_operator.kube.objects import Key
from agent_operator.kube.shapes import mapping, mappings, text
from agent_operator.status.conditions import is_true

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Release:
    """What a channel assigns: a tag of the runtime image, and its repository; empty for the operator's default."""

    version: str
    image: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """An agent that follows a channel.

    Attributes:
        key: namespace and name.
        uid: metadata.uid.
        rank: sort key within the channel. It does not depend on the other agents.
        labels: metadata.labels.
        channel: name of the channel that it follows.
        assigned: the release that this channel assigned to it; None before the first assignment.
        running_version: status.runtimeVersion; empty when the agent has never run.
        requested_revision: status.rollout.target, the revision that its spec requested at the last reconcile.
        skipped: whether it cannot take another release now: it is suspended or rolled back by a user, or its spec or
            Secret is invalid.
        updated: whether it runs the assigned release and is healthy.
        failed: whether its rollout of the assigned release failed.
        was_healthy: whether it has ever been healthy.
    """

    key: Key
    uid: str
    rank: str
    labels: Mapping[str, str]
    channel: str
    assigned: Release | None = None
    running_version: str = ""
    requested_revision: str = ""
    skipped: bool = False
    updated: bool = False
    failed: bool = False
    was_healthy: bool = False

    def __str__(self) -> str:
        """Return namespace/name, as messages show it."""
        return str(self.key)


def followed_channel(raw: Object) -> str:
    """Return the name of the channel that an agent follows; empty without a channel, or with a pinned version."""
    spec = mapping(raw.get("spec"))
    runtime = mapping(spec.get("runtime"))
    is_pinned = runtime.get("version") or runtime.get("image") or _template_sets_image(spec)
    if is_pinned or raw["metadata"].get("deletionTimestamp"):
        return ""
    return text(runtime.get("channel"))


def _template_sets_image(spec: Object) -> bool:
    """Return whether spec.podTemplate sets the image, so that the version of a channel would have no effect."""
    pod = mapping(mapping(spec.get("podTemplate")).get("spec"))
    return any(it.get("name") == constants.CONTAINER and it.get("image") for it in mappings(pod.get("containers")))


def read_member(raw: Object) -> Member | None:
    """Read an AgentDeployment; None when it follows no channel."""
    channel = followed_channel(raw)
    if not channel:
        return None
    meta, status = raw["metadata"], raw.get("status") or {}
    use = status.get("channel") or {}
    assigned = Release(use["version"], use.get("image") or "") if use.get("name") == channel else None
    is_current = assigned is not None and _reflects_assignment(status, use)
    # An agent that a user suspended or rolled back is neither updated nor failed.
    held_by_user = bool(raw["spec"].get("suspend")) or _is_rolled_back_by_user(status)
    return Member(
        key=Key(meta["namespace"], meta["name"]),
        uid=meta["uid"],
        rank=blake2b(meta["uid"].encode(), digest_size=8).hexdigest(),
        labels=meta.get("labels") or {},
        channel=channel,
        assigned=assigned,
        running_version=status.get("runtimeVersion") or "",
        requested_revision=_requested_revision(status),
        skipped=held_by_user or (not is_current and _is_blocked(status)),
        updated=is_current and not held_by_user and _is_updated(raw, use),
        failed=is_current and not held_by_user and _has_failed(status),
        was_healthy=bool(status.get("lastGoodRevision")),
    )


def _is_rolled_back_by_user(status: Object) -> bool:
    return bool(((status.get("rollout") or {}).get("rolledBack") or {}).get("manual"))


def _requested_revision(status: Object) -> str:
    return (status.get("rollout") or {}).get("target") or ""


def _reflects_assignment(status: Object, use: Object) -> bool:
    """Return whether the status describes the assigned release: the agent was reconciled since the assignment."""
    return bool(_requested_revision(status)) and _requested_revision(status) != use.get("after")


def _is_blocked(status: Object) -> bool:
    """Return whether the agent cannot roll out any release."""
    conditions = status.get("conditions") or ()
    return any(it["type"] in ("ConfigValid", "SecretsReady") and it["status"] == "False" for it in conditions)


def _is_updated(raw: Object, use: Object) -> bool:
    status = raw["status"]
    rollout = status.get("rollout") or {}
    if status.get("observedGeneration") != raw["metadata"].get("generation"):
        return False
    if status.get("runtimeVersion") != use["version"] or rollout.get("rolledBack") or rollout.get("canary"):
        return False
    conditions = status.get("conditions") or ()
    # An autoscaler that adds pods makes a good revision unready for a while. That must not restart a soak.
    is_good = bool(status.get("revision")) and status.get("revision") == status.get("lastGoodRevision")
    return is_true(conditions, "Ready") or (is_good and is_true(conditions, "Available"))


def _has_failed(status: Object) -> bool:
    rolled_back = (status.get("rollout") or {}).get("rolledBack") or {}
    if rolled_back.get("revision") == _requested_revision(status):
        return True
    return any(
        (it["type"] == "Stalled" and it["status"] == "True")
        or (it["type"] == "Progressing" and it["status"] == "False" and it["reason"] == Reason.DEADLINE_EXCEEDED)
        for it in status.get("conditions") or ()
    )


def channel_use(member: Member, release: Release) -> dict[str, Any]:
    """Return status.channel for an assignment. It has all keys, because a merge patch keeps the ones it lacks."""
    assigned_image = member.assigned.image if member.assigned else ""
    changes = (member.running_version, assigned_image) != (release.version, release.image)
    return {
        "name": member.channel,
        "version": release.version,
        "image": release.image or None,
        "after": (member.requested_revision or None) if changes else None,
    }

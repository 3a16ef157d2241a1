"""What a fleet needs to know of an agent, and how an agent's pass reads what the fleet has given to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from agent_operator.api import constants
from agent_operator.api.reasons import Reason
from agent_operator.kube.objects import Key
from agent_operator.status.conditions import is_true

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Release:
    """What a channel gives: the tag of an image, and its repository; empty for the operator's own."""

    version: str
    image: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """An agent that follows a channel.

    Attributes:
        key: namespace and name.
        uid: metadata.uid.
        rank: its place among all agents, which others that come and go do not change.
        labels: metadata.labels.
        channel: name of the channel that it follows.
        assigned: what that channel has given to it; None while that is nothing.
        running_version: tag of the image that it was last seen to run; empty when it never ran.
        requested_revision: the revision that its spec asked for when it was last looked at.
        skipped: whether it cannot take another version now: suspended, or rolled back by a
            person, or its spec or Secret is at fault.
        updated: whether it runs what it was given, and is well.
        failed: whether it failed with what it was given.
        was_healthy: whether it was ever well.
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
        """As messages name it."""
        return f"{self.key.namespace}/{self.key.name}"


def followed_channel(raw: Object) -> str:
    """Return the name of the channel that an agent follows; empty when it follows none, or pins its image itself."""
    spec = raw.get("spec") or {}
    runtime = spec.get("runtime") or {}
    if runtime.get("version") or runtime.get("image") or _own_image(spec) or raw["metadata"].get("deletionTimestamp"):
        return ""
    return runtime.get("channel") or ""


def _own_image(spec: Object) -> bool:
    """Tell whether the pod template replaces the image: then no version that a channel gives changes a thing."""
    pod = (spec.get("podTemplate") or {}).get("spec") or {}
    return any(it.get("name") == constants.CONTAINER and it.get("image") for it in pod.get("containers") or ())


def read_member(raw: Object) -> Member | None:
    """Read an AgentDeployment; None when it follows no channel."""
    channel = followed_channel(raw)
    if not channel:
        return None
    meta, status = raw["metadata"], raw.get("status") or {}
    use = status.get("channel") or {}
    given = Release(use["version"], use.get("image") or "") if use.get("name") == channel else None
    acted_on = given is not None and _acted_on(status, use)
    # Whom a person holds where it is, by either means, neither follows nor fails.
    suspended = bool(raw["spec"].get("suspend")) or _pinned(status)
    return Member(
        key=Key(meta["namespace"], meta["name"]),
        uid=meta["uid"],
        rank=blake2b(meta["uid"].encode(), digest_size=8).hexdigest(),
        labels=meta.get("labels") or {},
        channel=channel,
        assigned=given,
        running_version=status.get("runtimeVersion") or "",
        requested_revision=_requested_revision(status),
        skipped=suspended or (not acted_on and _is_blocked(status)),
        updated=acted_on and not suspended and _updated(raw, use),
        failed=acted_on and not suspended and _failed(status),
        was_healthy=bool(status.get("lastGoodRevision")),
    )


def _pinned(status: Object) -> bool:
    return bool(((status.get("rollout") or {}).get("rolledBack") or {}).get("manual"))


def _requested_revision(status: Object) -> str:
    return (status.get("rollout") or {}).get("target") or ""


def _acted_on(status: Object, use: Object) -> bool:
    """Tell whether the status is about what the channel has given, and not still about what was before."""
    return bool(_requested_revision(status)) and _requested_revision(status) != use.get("after")


def _is_blocked(status: Object) -> bool:
    """Tell whether nothing can be rolled, whatever the version."""
    conditions = status.get("conditions") or ()
    return any(it["type"] in ("ConfigValid", "SecretsReady") and it["status"] == "False" for it in conditions)


def _updated(raw: Object, use: Object) -> bool:
    status = raw["status"]
    rollout = status.get("rollout") or {}
    if status.get("observedGeneration") != raw["metadata"].get("generation"):
        return False
    if status.get("runtimeVersion") != use["version"] or rollout.get("rolledBack") or rollout.get("canary"):
        return False
    conditions = status.get("conditions") or ()
    # What was wholly ready once, and still answers, is well: an autoscaler at work is no reason to begin a soak anew.
    settled = bool(status.get("revision")) and status.get("revision") == status.get("lastGoodRevision")
    return is_true(conditions, "Ready") or (settled and is_true(conditions, "Available"))


def _failed(status: Object) -> bool:
    rolled_back = (status.get("rollout") or {}).get("rolledBack") or {}
    if rolled_back.get("revision") == _requested_revision(status):
        return True
    return any(
        (it["type"] == "Stalled" and it["status"] == "True")
        or (it["type"] == "Progressing" and it["status"] == "False" and it["reason"] == Reason.DEADLINE_EXCEEDED)
        for it in status.get("conditions") or ()
    )


def channel_use(agent: Member, release: Release) -> dict[str, Any]:
    """Return status.channel for an agent that is given this. Every key is there, for it is merged: None removes."""
    former = agent.assigned.image if agent.assigned else ""
    changes = (agent.running_version, former) != (release.version, release.image)
    return {
        "name": agent.channel,
        "version": release.version,
        "image": release.image or None,
        "after": (agent.requested_revision or None) if changes else None,
    }

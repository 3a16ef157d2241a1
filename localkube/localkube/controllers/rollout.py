"""Compute the next replicas of each ReplicaSet of a Deployment. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor

from localkube.controllers.revisions import DESIRED, MAXIMUM, creation
from localkube.meta.objects import annotations_of
from localkube.meta.status import Object


@dataclass(frozen=True, slots=True)
class Resize:
    """A ReplicaSet and its next replicas."""

    replicaset: Object
    replicas: int


def resolve(value: int | str | None, total: int, *, up: bool) -> int:
    """Resolve an int-or-percent of `total`, rounded up or down."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * total / 100
    return ceil(share) if up else floor(share)


def fenceposts(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods. They are never both 0, so that a rollout can progress."""
    strategy = deployment["spec"].get("strategy", {})
    if strategy.get("type") == "Recreate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    total = replicas_of(deployment)
    surge = resolve(rolling.get("maxSurge", "25%"), total, up=True)
    unavailable = resolve(rolling.get("maxUnavailable", "25%"), total, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, total)


def replicas_of(obj: Object) -> int:
    """`spec.replicas`; 1 if absent."""
    return int(obj["spec"].get("replicas", 1))


def total_of(replicasets: Iterable[Object]) -> int:
    """The sum of the desired replicas."""
    return sum(replicas_of(rs) for rs in replicasets)


def available_of(replicasets: Iterable[Object]) -> int:
    """The sum of the available replicas."""
    return sum(rs.get("status", {}).get("availableReplicas", 0) for rs in replicasets)


def new_replicas(deployment: Object, new: Object | None, old: list[Object]) -> int:
    """The replicas of the new ReplicaSet: as many as maxSurge allows."""
    wanted = replicas_of(deployment)
    if deployment["spec"].get("strategy", {}).get("type") == "Recreate":
        return wanted
    present = replicas_of(new) if new else 0
    room = wanted + fenceposts(deployment)[0] - present - total_of(old)
    return present if room <= 0 else present + max(min(room, wanted - present), 0)


def sizes(deployment: Object) -> dict[str, str]:
    """The annotations that record for which size of the Deployment a ReplicaSet was scaled."""
    wanted = replicas_of(deployment)
    return {DESIRED: str(wanted), MAXIMUM: str(wanted + fenceposts(deployment)[0])}


def is_scaling(deployment: Object, replicasets: Iterable[Object]) -> bool:
    """Whether the Deployment's replicas changed since its ReplicaSets were scaled."""
    wanted = str(replicas_of(deployment))
    return any(replicas_of(rs) > 0 and annotations_of(rs).get(DESIRED, wanted) != wanted for rs in replicasets)


def roll(deployment: Object, new: Object, old: list[Object]) -> list[Resize]:
    """The next step of a rolling update: scale up the new ReplicaSet, or else scale down the old ones."""
    wanted = replicas_of(deployment)
    if replicas_of(new) > wanted:
        return [Resize(new, wanted)]
    grown = new_replicas(deployment, new, old)
    if grown != replicas_of(new):
        return [Resize(new, grown)]
    return _shrink(deployment, new, sorted((rs for rs in old if replicas_of(rs)), key=creation))


def _shrink(deployment: Object, new: Object, old: list[Object]) -> list[Resize]:
    minimum = replicas_of(deployment) - fenceposts(deployment)[1]
    missing = replicas_of(new) - available_of([new])
    allowed = total_of([new, *old]) - minimum - missing
    if allowed <= 0:
        return []
    left = _drop_unhealthy(old, allowed)
    # The pods that were just removed were not available, so the number of available pods is unchanged.
    spare = available_of([new, *old]) - minimum
    for rs in old:
        drop = min(left[rs["metadata"]["name"]], max(spare, 0))
        left[rs["metadata"]["name"]] -= drop
        spare -= drop
    return [Resize(rs, left[rs["metadata"]["name"]]) for rs in old if left[rs["metadata"]["name"]] != replicas_of(rs)]


def _drop_unhealthy(old: list[Object], allowed: int) -> dict[str, int]:
    left = {}
    for rs in old:
        drop = min(max(replicas_of(rs) - available_of([rs]), 0), allowed)
        allowed -= drop
        left[rs["metadata"]["name"]] = replicas_of(rs) - drop
    return left


def scale(deployment: Object, new: Object | None, old: list[Object]) -> list[Resize]:
    """Scale the ReplicaSets to a changed `spec.replicas`, in proportion, without progressing the rollout."""
    active = [rs for rs in [*old, *([new] if new else [])] if replicas_of(rs) > 0]
    wanted = replicas_of(deployment)
    if len(active) <= 1:
        latest = active[0] if active else new or max(old, key=creation, default=None)
        return [Resize(latest, wanted)] if latest else []
    if new and _is_saturated(deployment, new):
        return [Resize(rs, 0) for rs in old if replicas_of(rs) > 0]
    if deployment["spec"].get("strategy", {}).get("type") == "Recreate":
        return []
    return _proportional(deployment, active)


def _is_saturated(deployment: Object, replicaset: Object) -> bool:
    wanted = replicas_of(deployment)
    desired = annotations_of(replicaset).get(DESIRED)
    return replicas_of(replicaset) == wanted == available_of([replicaset]) and desired == str(wanted)


def _proportional(deployment: Object, active: list[Object]) -> list[Resize]:
    allowed = replicas_of(deployment) + fenceposts(deployment)[0] if replicas_of(deployment) else 0
    add = allowed - total_of(active)
    # Largest first; of equals the newest when scaling up, the oldest when scaling down.
    by_age = sorted(active, key=creation, reverse=add > 0)
    ordered = sorted(by_age, key=replicas_of, reverse=True)
    sizes_now: list[int] = []
    added = 0
    for rs in ordered:
        share = _share(rs, allowed, add - added) if add else 0
        sizes_now.append(replicas_of(rs) + share)
        added += share
    sizes_now[0] = max(sizes_now[0] + add - added, 0)
    return [Resize(rs, size) for rs, size in zip(ordered, sizes_now, strict=True)]


def _share(replicaset: Object, allowed: int, remaining: int) -> int:
    present = replicas_of(replicaset)
    annotated = annotations_of(replicaset).get(MAXIMUM, "")
    before = int(annotated) if annotated.isdigit() and int(annotated) else allowed
    grown = round(present * allowed / before) - present
    return min(grown, remaining) if remaining > 0 else max(grown, remaining)

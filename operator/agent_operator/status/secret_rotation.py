"""Reports which data of each Secret the pods use. This proves that a rotation has reached all pods. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Object = dict[str, Any]


def proof(
    current: Mapping[str, str | None],
    before: Iterable[Mapping[str, Any]],
    pods: Iterable[Mapping[str, Any]],
    now: str,
) -> list[Object]:
    """Return status.secrets.

    Args:
        current: Secret -> salted hash of the data that new pods get; None while the Secret cannot be read.
        before: the current status.secrets. An entry whose data has not changed keeps its time.
        pods: live pods, trimmed.
        now: RFC 3339 in UTC.
    """
    known = {entry["name"]: entry for entry in before}
    running = [frozenset(pod.get("secretHash", "").split(",")) for pod in pods if not pod.get("ended")]
    found = []
    for name, digest in current.items():
        old = known.get(name, {})
        known_digest = digest or old.get("hash")
        if known_digest is None:
            continue
        since = old.get("lastRotated", now) if old.get("hash") == known_digest else now
        in_use = f"{sum(f'{name}={known_digest}' in hashes for hashes in running)}/{len(running)} pods"
        found.append({"name": name, "hash": known_digest, "lastRotated": since, "inUseBy": in_use})
    return found

"""Which data of which Secret the pods run with: the proof that a rotation has reached them. Pure."""

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
        current: Secret -> salted hash of the data that pods should start with; None when it cannot be known now.
        before: status.secrets as it is; of data that has not changed, the time is taken over.
        pods: live pods, trimmed.
        now: RFC 3339 in UTC.
    """
    known = {entry["name"]: entry for entry in before}
    running = [pod.get("secretHash", "").split(",") for pod in pods if not pod.get("ended")]
    found = []
    for name, digest in current.items():
        old = known.get(name, {})
        told = digest or old.get("hash")
        if told is None:
            continue
        since = old.get("lastRotated", now) if old.get("hash") == told else now
        in_use = f"{sum(f'{name}={told}' in hashes for hashes in running)}/{len(running)} pods"
        found.append({"name": name, "hash": told, "lastRotated": since, "inUseBy": in_use})
    return found

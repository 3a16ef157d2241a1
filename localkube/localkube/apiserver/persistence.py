"""The cluster's objects in one file, so that a laptop's cluster survives a restart."""

import os
from pathlib import Path
from typing import Any

import orjson

from localkube.apiserver.registry import Registry

_FORMAT = 1


def save(registry: Registry, path: Path) -> None:
    """Write every object to `path`, which only its owner may read: Secrets are in it. OSError."""
    store = registry.store
    found = {key: [record.object for record in store.bucket(key).ordered()] for key in store.resources()}
    content = {"format": _FORMAT, "resourceVersion": store.version, "objects": {k: v for k, v in found.items() if v}}
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content))
    temporary.replace(path)


def load(registry: Registry, path: Path) -> bool:
    """Put back what `save` wrote into a fresh registry; whether there was a file. ValueError when it is not ours."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    try:
        found: dict[str, Any] = orjson.loads(content)
        known, version, objects = found["format"], int(found["resourceVersion"]), found["objects"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a state file of the local cluster; remove it to start afresh") from error
    if known != _FORMAT:
        raise ValueError(f"{path} has format {known}, this version reads {_FORMAT}; remove it to start afresh")
    store = registry.store
    for resource, listed in objects.items():
        for obj in listed:
            meta = obj["metadata"]
            store.restore(resource, (meta.get("namespace", ""), meta["name"]), obj)
    store.resume(version)
    registry.crds.restore()
    return True

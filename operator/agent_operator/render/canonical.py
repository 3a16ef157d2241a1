"""The canonical JSON of a manifest, and hashes of it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from agent_operator.api import constants

Manifest = dict[str, Any]

_FIRST = ("apiVersion", "kind", "metadata", "name")
# A tuple, because isinstance() would build a union again for each value.
_CONTAINERS = (dict, list, tuple)
_DIGEST_LENGTH = 10


def canonical(value: Any) -> Any:
    """Return JSON with sorted keys. Lists keep their order, because it has a meaning.

    Nulls and empty lists are left out: the API server does not store them, so live objects would always differ.
    """
    if not isinstance(value, dict):
        return list(map(canonical, value)) if isinstance(value, _CONTAINERS) else value
    result: Manifest = {}
    keys = sorted(value)
    for key in keys if value.keys().isdisjoint(_FIRST) else (*_FIRST, *keys):
        item = value.get(key)
        # A manifest has hundreds of scalars, and a function call for each of them would be slow.
        if item and isinstance(item, _CONTAINERS):
            item = canonical(item)
        if item is not None and item not in ([], ()):
            result[key] = item
    return result


def digest(value: Any) -> str:
    """Return a short hash of JSON that does not depend on the order of keys. It can be part of a name."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def with_manifest_hash(manifest: Manifest) -> Manifest:
    """Return a manifest with an annotation that is its hash. The hash changes even if a field is removed."""
    meta = manifest["metadata"]
    bare = {key: text for key, text in meta.get("annotations", {}).items() if key != constants.ANNOTATION_MANIFEST_HASH}
    plain = manifest | {"metadata": meta | {"annotations": bare}}
    annotations = dict(sorted((bare | {constants.ANNOTATION_MANIFEST_HASH: digest(plain)}).items()))
    return manifest | {"metadata": meta | {"annotations": annotations}}


def with_spec(manifest: Manifest, **fields: Any) -> Manifest:
    """Return a manifest with other fields of its spec."""
    return with_manifest_hash(manifest | {"spec": canonical(manifest["spec"] | fields)})


def data_hash(data: Mapping[str, str], salt: str = "") -> str:
    """Return the hash of a Secret's `data` (base64, as in the API) for the annotation of the pods.

    The salt is the agent's UID, so that two agents with the same Secret have different hashes.
    """
    return digest({"data": dict(data), "salt": salt})

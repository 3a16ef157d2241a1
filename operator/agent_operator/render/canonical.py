"""The one spelling of a manifest, and hashes of it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from agent_operator.api import constants

Manifest = dict[str, Any]

_FIRST = ("apiVersion", "kind", "metadata", "name")
# Not a union: isinstance would build it for each value.
_CONTAINERS = (dict, list, tuple)
_DIGEST_LENGTH = 10


def canonical(value: Any) -> Any:
    """Return JSON with the keys of objects in one order; lists keep theirs, which has a meaning.

    Nulls and empty lists are left out: the API server does not store them, so the live object would always differ.
    """
    if not isinstance(value, dict):
        return list(map(canonical, value)) if isinstance(value, _CONTAINERS) else value
    result: Manifest = {}
    keys = sorted(value)
    for key in keys if value.keys().isdisjoint(_FIRST) else (*_FIRST, *keys):
        item = value.get(key)
        # A manifest has some hundred scalars: do not call a function for each of them.
        if isinstance(item, _CONTAINERS):
            item = canonical(item)
        if item is not None and item != []:
            result[key] = item
    return result


def digest(value: Any) -> str:
    """Return a short hash of JSON, the same for every order of keys. Fit for a name."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def with_manifest_hash(manifest: Manifest) -> Manifest:
    """Return a manifest with the hash of the rest of it as an annotation, which changes when a field is removed."""
    meta = manifest["metadata"]
    bare = {key: text for key, text in meta.get("annotations", {}).items() if key != constants.ANNOTATION_MANIFEST_HASH}
    plain = manifest | {"metadata": meta | {"annotations": bare}}
    annotations = dict(sorted((bare | {constants.ANNOTATION_MANIFEST_HASH: digest(plain)}).items()))
    return manifest | {"metadata": meta | {"annotations": annotations}}


def data_hash(data: Mapping[str, str], salt: str = "") -> str:
    """Return the hash of a Secret's `data` (base64, as the API has it), for the annotation of the pods.

    The salt is the agent's UID: two agents with the same Secret have different hashes.
    """
    return digest({"data": dict(data), "salt": salt})

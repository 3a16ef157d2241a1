"""The one spelling of a manifest, and hashes of it."""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from agent_operator.api import constants

Manifest = dict[str, Any]

_FIRST = ("apiVersion", "kind", "metadata", "name")
_DIGEST_LENGTH = 10


def canonical(value: Any) -> Any:
    """Return JSON with its keys in one order; lists keep theirs, for it has a meaning.

    Nulls and empty lists are left out: the API server keeps neither, and would look different for ever.
    """
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if item is not None and item not in ([], ())}
        return {key: canonical(kept[key]) for key in sorted(kept, key=_rank)}
    return [canonical(item) for item in value] if isinstance(value, list | tuple) else value


@lru_cache(maxsize=1024)
def _rank(key: str) -> tuple[int, str]:
    return (_FIRST.index(key) if key in _FIRST else len(_FIRST), key)


def digest(value: Any) -> str:
    """Return a short hash of JSON, the same for every order of keys. Fit for a name."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def marked(manifest: Manifest) -> Manifest:
    """Return a manifest with the hash of all the rest of it as an annotation: so what leaves it shows."""
    meta = manifest["metadata"]
    bare = {key: text for key, text in meta.get("annotations", {}).items() if key != constants.ANNOTATION_MANIFEST_HASH}
    plain = manifest | {"metadata": meta | {"annotations": bare}}
    annotations = dict(sorted((bare | {constants.ANNOTATION_MANIFEST_HASH: digest(plain)}).items()))
    return manifest | {"metadata": meta | {"annotations": annotations}}


def data_hash(data: Mapping[str, str], salt: str = "") -> str:
    """Return the hash of a Secret's `data` (base64, as the API has it), for the pods' annotation.

    Salted by the agent's uid, equal secrets of two agents do not show.
    """
    return digest({"data": dict(data), "salt": salt})

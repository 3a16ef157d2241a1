"""Warnings about objects that `kubectl apply` cannot store without --server-side."""

import json
from collections.abc import Iterable

from agentctl.offline.diagnostics import Diagnostic
from agentctl.offline.documents import Document

# The API server refuses more bytes of annotations.
_LIMIT = 256 * 1024
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def check(documents: Iterable[Document]) -> list[Diagnostic]:
    """Return a warning for each object whose JSON does not fit into the annotation of a client-side apply."""
    return [
        Diagnostic.of(
            document,
            "",
            f"{document.kind} {document.metadata.get('name')} has {size // 1024} KiB, and kubectl apply copies it into "
            "an annotation of at most 256 KiB: use kubectl apply --server-side",
        )
        for document in documents
        if (size := _size(document)) > _LIMIT
    ]


def _size(document: Document) -> int:
    """Return the bytes of all annotations after a client-side apply."""
    annotations = document.metadata.get("annotations")
    own = annotations if isinstance(annotations, dict) else {}
    others = sum(len(str(key).encode()) + len(str(value).encode()) for key, value in own.items())
    text = json.dumps(document.body, separators=(",", ":"), ensure_ascii=False)
    return others + len(_LAST_APPLIED) + len(text.encode("utf-8", "replace"))

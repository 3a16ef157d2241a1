"""Stubs take the place of objects that cannot be read. Pure."""

from typing import Any

from agent_operator.api import constants

Object = dict[str, Any]
# Field of a stub that says why the object cannot be read. No Kubernetes kind has it.
UNREADABLE = "unreadable"
TOO_LARGE = "the object is too large"
IDENTITY_TEXTS = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_OWN_LABELS = (constants.LABEL_AGENT, constants.LABEL_AGENT_NAMESPACE, constants.LABEL_OWNER_UID)
_OWNER_FIELDS = ("apiVersion", "kind", "name", "uid", "controller")


def stub(metadata: Any, reason: str) -> Object:
    """Return what identifies an object, and why it cannot be read."""
    given = metadata if isinstance(metadata, dict) else {}
    kept: Object = {key: value for key in IDENTITY_TEXTS if isinstance(value := given.get(key), str)}
    if isinstance(generation := given.get("generation"), int):
        kept["generation"] = generation
    if isinstance(labels := given.get("labels"), dict):
        kept["labels"] = {key: value for key in _OWN_LABELS if isinstance(value := labels.get(key), str)}
    if isinstance(owners := given.get("ownerReferences"), list):
        kept["ownerReferences"] = [_owner(it) for it in owners if isinstance(it, dict) and it.get("controller") is True]
    if isinstance(finalizers := given.get("finalizers"), list) and constants.FINALIZER in finalizers:
        kept["finalizers"] = [constants.FINALIZER]
    return {"metadata": kept, UNREADABLE: reason}


def unexpected_content(error: Exception) -> str:
    """Return the reason for an object whose content cannot be processed. The text of the error may quote the object."""
    return f"the object has unexpected content ({type(error).__name__})"


def _owner(reference: Object) -> Object:
    fields = {key: value for key in _OWNER_FIELDS if isinstance(value := reference.get(key), str | bool)}
    return {"uid": "", "kind": "", **fields}

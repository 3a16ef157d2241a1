"""Which live objects disappear by themselves, so that they are no conflict. Pure."""

from collections.abc import Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.kube.objects import Key


def goes_away(obj: Mapping[str, Any], uid: str, key: Key) -> bool:
    """Return whether an object is being deleted, or belongs to a deleted agent of the same name.

    The garbage collector deletes the children of a deleted AgentDeployment some time later, and a user may have created
    the AgentDeployment again in the meantime.

    Args:
        obj: the live object.
        uid: metadata.uid of the agent that needs the name.
        key: its namespace and name. There is only one agent of this name, so another UID is that of a deleted one.
    """
    meta = obj["metadata"]
    if "deletionTimestamp" in meta:
        return True
    owner = agent_owner(obj)
    if owner is not None:
        return (owner.get("name"), meta.get("namespace")) == (key.name, key.namespace) and owner.get("uid") != uid
    labels = meta.get("labels") or {}
    named = (labels.get(constants.LABEL_AGENT_NAMESPACE), labels.get(constants.LABEL_AGENT))
    # In the namespace of spec.namespace, labels name the agent. The finalizer of the deleted agent deletes the object.
    is_elsewhere = meta.get("namespace") != key.namespace and not meta.get("ownerReferences")
    return is_elsewhere and named == key and labels.get(constants.LABEL_OWNER_UID, uid) != uid


def agent_owner(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the owner reference of the AgentDeployment that controls an object; None without one."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((it for it in owners if it.get("controller") and it.get("kind") == constants.KIND), None)

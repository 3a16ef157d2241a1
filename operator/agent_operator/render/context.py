"""What every template is given: names, labels and who owns the object."""

from typing import Any

from agent_operator.api import constants
from agent_operator.inputs.agent_inputs import Inputs

View = dict[str, Any]


def complete(inputs: Inputs, view: View) -> View:
    """Return a child's view together with what every template may use."""
    return {"name": inputs.name, "selector": {constants.LABEL_APP: inputs.name}} | view


def metadata(inputs: Inputs, view: View) -> View:
    """Return a child's metadata. Its view may choose name, namespace and annotations, and add labels."""
    return {
        "name": view.get("name", inputs.name),
        "namespace": view.get("namespace", inputs.namespace),
        "labels": view.get("labels", {}) | labels(inputs),
        "annotations": view.get("annotations", {}),
        "ownerReferences": owners(inputs),
    }


def labels(inputs: Inputs) -> dict[str, str]:
    """Return the labels of every child. Offline there is no uid, and so no label of it."""
    made = {
        constants.LABEL_NAME: constants.APPLICATION,
        constants.LABEL_INSTANCE: inputs.name,
        constants.LABEL_MANAGED_BY: constants.MANAGER,
        constants.LABEL_AGENT: inputs.name,
    }
    if inputs.agent.metadata.uid:
        made[constants.LABEL_OWNER_UID] = inputs.agent.metadata.uid
    if inputs.namespace != inputs.own_namespace:
        made[constants.LABEL_AGENT_NAMESPACE] = inputs.own_namespace
    return made


def owners(inputs: Inputs) -> list[View]:
    """Return the owner references: they cannot cross namespaces, and need a uid."""
    metadata = inputs.agent.metadata
    if not metadata.uid or inputs.namespace != metadata.namespace:
        return []
    return [
        {
            "apiVersion": constants.API_VERSION,
            "kind": constants.KIND,
            "name": metadata.name,
            "uid": metadata.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]

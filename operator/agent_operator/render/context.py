"""What all manifests have in common: name, labels, owner references and the manifest hash."""

from typing import Any

from agent_operator.api import constants
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render.canonical import Manifest, with_manifest_hash
from agent_operator.render.templates import fill

View = dict[str, Any]


def manifest(template: str, inputs: Inputs, view: View) -> Manifest:
    """Return the manifest of a child: its template filled with its view, and metadata."""
    given = {"name": inputs.name, "selector": {constants.LABEL_APP: inputs.name}} | view
    return with_manifest_hash(fill(template, given, metadata(inputs, view)))


def metadata(inputs: Inputs, view: View) -> View:
    """Return the metadata of a child. Its view may set name, namespace and annotations, and may add labels."""
    return {
        "name": view.get("name", inputs.name),
        "namespace": view.get("namespace", inputs.namespace),
        "labels": view.get("labels", {}) | labels(inputs),
        "annotations": view.get("annotations", {}),
        "ownerReferences": owners(inputs),
    }


def labels(inputs: Inputs) -> dict[str, str]:
    """Return the labels of every child. Offline there is no UID, and so no label with it."""
    found = {
        constants.LABEL_NAME: constants.APPLICATION,
        constants.LABEL_INSTANCE: inputs.name,
        constants.LABEL_MANAGED_BY: constants.MANAGER,
        constants.LABEL_AGENT: inputs.name,
    }
    if inputs.agent.metadata.uid:
        found[constants.LABEL_OWNER_UID] = inputs.agent.metadata.uid
    if inputs.namespace != inputs.own_namespace:
        found[constants.LABEL_AGENT_NAMESPACE] = inputs.own_namespace
    return found


def owners(inputs: Inputs) -> list[View]:
    """Return the owner reference. Offline, or for a child in another namespace, there is none."""
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

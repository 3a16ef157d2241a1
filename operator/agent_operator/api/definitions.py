"""The CustomResourceDefinitions around their schemas, which come from the models or from `openapi.schemas()`."""

from collections.abc import Mapping
from typing import Any

from agent_operator.api import constants

Schema = dict[str, Any]

# Deleting a CRD deletes every object of its kind. These annotations keep tools from pruning the CRD.
KEEP = {
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "helm.sh/resource-policy": "keep",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}


def files(schemas: Mapping[str, Schema]) -> Mapping[str, Schema]:
    """Return every CustomResourceDefinition by its file name, from the schemas by kind."""
    made = (agents(schemas[constants.KIND]), channels(schemas[constants.CHANNEL_KIND]))
    return {f"{definition['metadata']['name']}.yaml": definition for definition in made}


def _column(name: str, path: str, description: str, kind: str = "string", **more: int) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path, "description": description, **more}


_AGE = _column("Age", ".metadata.creationTimestamp", "Time since creation.", kind="date")
_READY_REASON = '.status.conditions[?(@.type=="Ready")].reason'


def agents(openapi: Schema) -> Schema:
    """Return the CustomResourceDefinition of the AgentDeployment with a schema."""
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    columns = [
        _column("Ready", ".status.ready", "Ready pods of all desired pods."),
        _column("Status", _READY_REASON, "Reason of the condition Ready."),
        _column("Model", ".status.model", "Name of the default model."),
        _column("Version", ".status.runtimeVersion", "Version of the runtime image."),
        _column("URL", ".status.url", "URL of the agent.", priority=1),
        _AGE,
    ]
    spelled = _names(constants.KIND, constants.PLURAL, constants.SINGULAR, constants.SHORT_NAME)
    return _definition("Namespaced", spelled, {"status": {}, "scale": scale}, columns, openapi)


def channels(openapi: Schema) -> Schema:
    """Return the CustomResourceDefinition of the AgentRuntimeChannel with a schema."""
    columns = [
        _column("Version", ".spec.version", "Version for the agents."),
        _column("Updated", ".status.progress", "Updated agents of all agents."),
        _column("Wave", ".status.wave", "Current wave of all waves."),
        _column("Status", _READY_REASON, "Reason of the condition Ready."),
        _column("Summary", ".status.summary", "Summary of the status.", priority=1),
        _AGE,
    ]
    names = _names(
        constants.CHANNEL_KIND, constants.CHANNEL_PLURAL, constants.CHANNEL_SINGULAR, constants.CHANNEL_SHORT_NAME
    )
    return _definition("Cluster", names, {"status": {}}, columns, openapi)


def _names(kind: str, plural: str, singular: str, short: str) -> Schema:
    return {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": singular,
        "shortNames": [short],
        "categories": [constants.CATEGORY],
    }


def _definition(scope: str, names: Schema, subresources: Schema, columns: list[Schema], openapi: Schema) -> Schema:
    version = {
        "name": constants.VERSION,
        "served": True,
        "storage": True,
        "subresources": subresources,
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": openapi},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{constants.GROUP}", "annotations": dict(KEEP)},
        "spec": {"group": constants.GROUP, "scope": scope, "names": names, "versions": [version]},
    }

"""Trims pods and ReplicaSets to what the operator reads of them. Pure.

Others write these objects, so a null counts as an empty list or map.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.kube import pod_failures
from agent_operator.kube.shapes import mapping, mappings, number, text

Object = dict[str, Any]

# Audience of a token for Microsoft Entra ID.
AZURE_AUDIENCE = "api://AzureADTokenExchange"
_TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105  (name of a variable)
_TOKEN_VOLUME = "azure-identity-token"  # noqa: S105  (name of a volume)

# The second is the label before Kubernetes 1.27.
_LABELS_JOB = ("batch.kubernetes.io/job-name", "job-name")
# Phases of a terminated pod.
_TERMINATED_PHASES = ("Succeeded", "Failed")
# Longest text of a trimmed pod, such as the termination message that contains the report of the checks.
_LONGEST_TEXT = 16 << 10
# ConfigMaps of one pod that count as in use.
_MOST_USES = 64


def trim_pod(pod: Mapping[str, Any]) -> Object:
    """Return what a pass needs of a pod."""
    meta, status, spec = pod["metadata"], mapping(pod.get("status")), mapping(pod.get("spec"))
    labels = mapping(meta.get("labels"))
    trimmed: Object = {"metadata": {"name": meta["name"]}, "uses": _config_maps(spec)}
    containers = mappings(status.get("containerStatuses"))
    fields = {
        "revision": labels.get(constants.LABEL_REVISION),
        "app": labels.get(constants.LABEL_APP),
        "ip": status.get("podIP"),
        "restarts": max((number(container.get("restartCount")) for container in containers), default=0),
        "failure": pod_failures.of_pod(pod),
        "unreadySidecars": pod_failures.unready_sidecars(pod)[:_MOST_USES],
        "secretHash": _short(mapping(meta.get("annotations")).get(constants.ANNOTATION_SECRET_HASH)),
        "ended": "deletionTimestamp" in meta or status.get("phase") in _TERMINATED_PHASES,
    }
    if job := next((labels[label] for label in _LABELS_JOB if label in labels), None):
        fields |= {"job": job, "report": _short(_termination_message(containers))}
    if labels.get(constants.LABEL_WORKLOAD_IDENTITY):
        fields |= _token(spec)
    return trimmed | {key: value for key, value in fields.items() if value}


def _short(value: Any) -> str:
    return text(value)[:_LONGEST_TEXT]


def _termination_message(containers: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the termination message of the first container that has one; None if no container has one."""
    ended = (mapping(mapping(container.get("state")).get("terminated")) for container in containers)
    return next((state["message"] for state in ended if state.get("message")), None)


def _token(pod_spec: Mapping[str, Any]) -> Object:
    """Return whether a pod has a token of Azure workload identity, and the audiences of its projected tokens."""
    volumes = mappings(pod_spec.get("volumes"))
    containers = mappings(pod_spec.get("containers"))
    variables = [variable.get("name") for container in containers for variable in mappings(container.get("env"))]
    tokens = [mapping(source.get("serviceAccountToken")) for volume in volumes for source in _sources(volume)]
    audiences = [token["audience"] for token in tokens if token.get("audience")][:_MOST_USES]
    federated = _TOKEN_FILE in variables or any(volume.get("name") == _TOKEN_VOLUME for volume in volumes)
    return {"federated": federated, "audiences": audiences}


def _sources(volume: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Return the sources of a projected volume. The API server stores `projected: {}` with `sources: null`."""
    return mappings(mapping(volume.get("projected")).get("sources"))


def autoscaler_failures(conditions: Iterable[Mapping[str, Any]]) -> list[Object]:
    """Return the conditions of a HorizontalPodAutoscaler that say why it cannot scale. Others change all the time."""
    fields = ("type", "status", "reason", "message", "lastTransitionTime")
    return [
        {field: _short(condition.get(field)) for field in fields}
        for condition in conditions
        if condition["type"] in ("ScalingActive", "AbleToScale")
        and condition["status"] == "False"
        # An autoscaler does not scale zero replicas.
        and condition.get("reason") != "ScalingDisabled"
    ]


def trim_replica_set(obj: Mapping[str, Any]) -> Object:
    """Return the ConfigMaps that a ReplicaSet uses."""
    spec, status = mapping(obj.get("spec")), mapping(obj.get("status"))
    in_use = spec.get("replicas", 1) or status.get("replicas")
    uses = _config_maps(mapping(mapping(spec.get("template")).get("spec"))) if in_use else []
    return {"metadata": {"name": obj["metadata"]["name"]}, "uses": uses}


def _config_maps(pod_spec: Mapping[str, Any]) -> list[str]:
    """Return the names of the ConfigMaps of agents that a pod mounts."""
    volumes = mappings(pod_spec.get("volumes"))
    sources = (source for volume in volumes for source in (volume, *_sources(volume)))
    names = (text(mapping(source.get("configMap")).get("name")) for source in sources)
    return [name for name in names if any(infix in name for infix in constants.CONFIG_MAP_INFIXES)][:_MOST_USES]

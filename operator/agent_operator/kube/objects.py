"""Live objects in the cache: trimmed to the fields that the operator reads, and packed as JSON.

A Deployment takes 20 KiB as Python dicts, and 3 KiB trimmed and packed. An agent has about twelve children.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from agent_operator.api import constants
from agent_operator.kube import pod_failures

Object = dict[str, Any]
# Watch event type of an object of the initial list, in addition to ADDED, MODIFIED and DELETED.
LISTED = "LISTED"

# Audience of a token for Microsoft Entra ID.
AZURE_AUDIENCE = "api://AzureADTokenExchange"
_TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105  (name of a variable)
_TOKEN_VOLUME = "azure-identity-token"  # noqa: S105  (name of a volume)

_DROPPED_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision")
_KEPT_METADATA = ("name", "namespace", "labels", "ownerReferences", "creationTimestamp", "deletionTimestamp")
_AGENT_METADATA = ("name", "namespace", "uid", "generation", "labels", "deletionTimestamp", "finalizers")
# Fields of status that the operator reads, by kind.
_KEPT_STATUS: Mapping[str, tuple[str, ...]] = {
    "Deployment": (
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "conditions",
    ),
    "Namespace": ("phase",),
    "ExternalSecret": ("conditions", "refreshTime"),
    "SecretStore": ("conditions",),
    "Job": ("conditions",),
}
_HASHED_KINDS = frozenset({"Secret", "ConfigMap"})
# The second is the label before Kubernetes 1.27.
_LABELS_JOB = ("batch.kubernetes.io/job-name", "job-name")
# Phases of a terminated pod.
_TERMINATED_PHASES = ("Succeeded", "Failed")
_NOT_BODY = frozenset({"apiVersion", "kind", "metadata", "status"})


class Key(NamedTuple):
    """Namespace and name of an AgentDeployment."""

    namespace: str
    name: str


class Ref(NamedTuple):
    """Kind, namespace and name of an object. The namespace of a cluster-scoped object is empty."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """Return the text for messages, such as `Service support/web`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Live:
    """A live object, packed.

    Attributes:
        uid: metadata.uid.
        version: metadata.resourceVersion.
        body: the trimmed object as JSON.
        generation: metadata.generation.
        owns_replicas: whether the field manager of the operator owns spec.replicas. Trimming drops managedFields.
    """

    uid: str
    version: int
    body: bytes
    generation: int = 0
    owns_replicas: bool = False

    @property
    def object(self) -> Object:
        """The trimmed object. Every access unpacks a new copy."""
        value: Object = from_json(self.body)
        return value


def ref(kind: str, obj: Mapping[str, Any]) -> Ref:
    """Return the reference of an object. List items have no kind, so the caller passes it."""
    meta = obj["metadata"]
    return Ref(kind, meta.get("namespace", ""), meta["name"])


def agent_key(obj: Mapping[str, Any]) -> Key | None:
    """Return the agent that the labels of an object name; None if it lacks these labels."""
    meta = obj["metadata"]
    labels = meta.get("labels") or {}
    namespace = labels.get(constants.LABEL_AGENT_NAMESPACE) or meta.get("namespace", "")
    name = labels.get(constants.LABEL_AGENT)
    return Key(namespace, name) if name and namespace else None


def version(obj: Mapping[str, Any]) -> int:
    """Return metadata.resourceVersion as a number, which Kubernetes guarantees since 1.35; 0 if it is none."""
    text = obj["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdecimal() else 0


def pack(kind: str, obj: Mapping[str, Any]) -> Live:
    """Trim an object from the API server, hash its data if it is a Secret or ConfigMap, and pack it."""
    meta = obj["metadata"]
    return Live(
        uid=meta.get("uid", ""),
        version=version(obj),
        body=to_json(_TRIM.get(kind, _trim)(kind, obj)),
        generation=meta.get("generation", 0),
        owns_replicas=kind == "Deployment" and _owns_replicas(meta),
    )


def pack_agent(agent: Mapping[str, Any]) -> Live:
    """Pack the fields of an AgentDeployment that the operator reads."""
    meta = {key: agent["metadata"][key] for key in _AGENT_METADATA if key in agent["metadata"]}
    command = (agent["metadata"].get("annotations") or {}).get(constants.ANNOTATION_ROLLOUT)
    if command:
        meta["annotations"] = {constants.ANNOTATION_ROLLOUT: command}
    trimmed = {"metadata": meta, "spec": agent.get("spec") or {}, "status": agent.get("status") or {}}
    return Live(meta.get("uid", ""), version(agent), to_json(trimmed), meta.get("generation", 0))


def with_hashed_data(kind: str, obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace the values of a Secret or ConfigMap with their hashes. Return other kinds unchanged."""
    if kind not in _HASHED_KINDS:
        return obj
    data = {key: _digest(value) for key, value in (obj.get("data") or {}).items()}
    rest = {key: value for key, value in obj.items() if key != "data"}
    return {**rest, "data": data} if data else rest


def _digest(value: str) -> str:
    return blake2b(value.encode(), digest_size=12).hexdigest()


def _trim(kind: str, obj: Mapping[str, Any]) -> Object:
    trimmed: Object = {"metadata": _trim_metadata(obj["metadata"])}
    trimmed |= {key: value for key, value in with_hashed_data(kind, obj).items() if key not in _NOT_BODY}
    status = obj.get("status") or {}
    kept_status = {key: status[key] for key in _KEPT_STATUS.get(kind, ()) if key in status}
    if kept_status:
        trimmed["status"] = kept_status
    if kind == "Deployment":
        trimmed["metadata"]["generation"] = obj["metadata"].get("generation", 0)
    return trimmed


def _trim_metadata(meta: Mapping[str, Any]) -> Object:
    kept = {key: meta[key] for key in _KEPT_METADATA if key in meta}
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in _DROPPED_ANNOTATIONS}
    return kept | ({"annotations": annotations} if annotations else {})


def _trim_pod(_kind: str, pod: Mapping[str, Any]) -> Object:
    meta, status = pod["metadata"], pod.get("status") or {}
    labels = meta.get("labels") or {}
    trimmed: Object = {"metadata": {"name": meta["name"]}, "uses": _config_maps(pod["spec"])}
    containers = status.get("containerStatuses") or ()
    fields = {
        "revision": labels.get(constants.LABEL_REVISION),
        "app": labels.get(constants.LABEL_APP),
        "ip": status.get("podIP"),
        "restarts": max((container.get("restartCount", 0) for container in containers), default=0),
        "failure": pod_failures.of_pod(pod),
        "secretHash": (meta.get("annotations") or {}).get(constants.ANNOTATION_SECRET_HASH),
        "ended": "deletionTimestamp" in meta or status.get("phase") in _TERMINATED_PHASES,
    }
    if job := next((labels[label] for label in _LABELS_JOB if label in labels), None):
        fields |= {"job": job, "report": _termination_message(containers)}
    if labels.get(constants.LABEL_WORKLOAD_IDENTITY):
        fields |= _token(pod["spec"])
    return trimmed | {key: value for key, value in fields.items() if value}


def _termination_message(containers: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the termination message of the first container that has one; None if no container has one."""
    ended = ((container.get("state") or {}).get("terminated") or {} for container in containers)
    return next((state["message"] for state in ended if state.get("message")), None)


def _trim_revision(_kind: str, obj: Mapping[str, Any]) -> Object:
    """Keep the metadata. The operator reads the content when it needs it."""
    return {"metadata": _trim_metadata(obj["metadata"]), "revision": obj.get("revision", 0)}


def _token(pod_spec: Mapping[str, Any]) -> Object:
    """Return whether a pod has a token of Azure workload identity, and the audiences of its projected tokens."""
    volumes = pod_spec.get("volumes") or ()
    variables = [v["name"] for container in pod_spec["containers"] for v in container.get("env") or ()]
    audiences = [
        source["serviceAccountToken"]["audience"]
        for volume in volumes
        for source in (volume.get("projected") or {}).get("sources") or ()
        if (source.get("serviceAccountToken") or {}).get("audience")
    ]
    federated = _TOKEN_FILE in variables or any(volume["name"] == _TOKEN_VOLUME for volume in volumes)
    return {"federated": federated, "audiences": audiences}


def _trim_replica_set(_kind: str, obj: Mapping[str, Any]) -> Object:
    in_use = obj["spec"].get("replicas", 1) or (obj.get("status") or {}).get("replicas")
    uses = _config_maps(obj["spec"].get("template", {}).get("spec", {})) if in_use else []
    return {"metadata": {"name": obj["metadata"]["name"]}, "uses": uses}


_TRIM = {"Pod": _trim_pod, "ReplicaSet": _trim_replica_set, "ControllerRevision": _trim_revision}


def _config_maps(pod_spec: Mapping[str, Any]) -> list[str]:
    """Return the names of the ConfigMaps that a pod mounts."""
    found = []
    for volume in pod_spec.get("volumes") or ():
        sources = [volume, *(volume.get("projected") or {}).get("sources", ())]
        found += [source["configMap"]["name"] for source in sources if "name" in (source.get("configMap") or {})]
    return found


def _owns_replicas(meta: Mapping[str, Any]) -> bool:
    return any(
        "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in meta.get("managedFields") or ()
        if entry.get("manager") == constants.FIELD_MANAGER and entry.get("operation") == "Apply"
    )

"""Live objects as the operator keeps them: trimmed, sealed and packed, for there are twelve an agent.

A Deployment of the API server takes 20 KiB as Python dicts; packed as JSON without what nobody reads, 3 KiB.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from agent_operator.api import constants
from agent_operator.kube import pod_failures

Object = dict[str, Any]
# The type of an event that is none: the object stood in a list.
LISTED = "LISTED"

# What a token must be for so that Microsoft Entra ID takes it.
AZURE_AUDIENCE = "api://AzureADTokenExchange"
_TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105  (a variable's name)
_TOKEN_VOLUME = "azure-identity-token"  # noqa: S105  (a volume's name)

_DROPPED_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision")
_KEPT_METADATA = ("name", "namespace", "labels", "ownerReferences", "creationTimestamp", "deletionTimestamp")
_AGENT_METADATA = ("name", "namespace", "uid", "generation", "labels", "deletionTimestamp", "finalizers")
# Kinds whose status decides something, and which of its fields do; nobody reads the others'.
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
_SEALED = frozenset({"Secret", "ConfigMap"})
# The second is all that pods had before Kubernetes 1.27.
_LABELS_JOB = ("batch.kubernetes.io/job-name", "job-name")
# A pod in one of these phases runs nothing any more.
_ENDED = ("Succeeded", "Failed")
_NOT_BODY = frozenset({"apiVersion", "kind", "metadata", "status"})


class Key(NamedTuple):
    """An AgentDeployment."""

    namespace: str
    name: str


class Ref(NamedTuple):
    """An object of a kind. The namespace of a cluster-scoped one is empty."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """As a message names it: `Service support/web`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Live:
    """An object that the API server has, packed.

    Attributes:
        uid: metadata.uid.
        version: metadata.resourceVersion.
        body: the trimmed object as JSON.
        generation: metadata.generation.
        owns_replicas: whether our field manager owns spec.replicas; known only before managedFields are dropped.
    """

    uid: str
    version: int
    body: bytes
    generation: int = 0
    owns_replicas: bool = False

    @property
    def object(self) -> Object:
        """The trimmed object, unpacked anew with each call."""
        value: Object = from_json(self.body)
        return value


def ref(kind: str, obj: Mapping[str, Any]) -> Ref:
    """Tell which object this is. List items do not say their kind, so the caller does."""
    meta = obj["metadata"]
    return Ref(kind, meta.get("namespace", ""), meta["name"])


def agent_key(obj: Mapping[str, Any]) -> Key | None:
    """Tell which agent an object belongs to, by its labels; None when it says none."""
    meta = obj["metadata"]
    labels = meta.get("labels") or {}
    namespace = labels.get(constants.LABEL_AGENT_NAMESPACE) or meta.get("namespace", "")
    name = labels.get(constants.LABEL_AGENT)
    return Key(namespace, name) if name and namespace else None


def version(obj: Mapping[str, Any]) -> int:
    """Return metadata.resourceVersion as the number that Kubernetes (from 1.35 by contract) makes it."""
    text = obj["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdecimal() else 0


def pack(kind: str, obj: Mapping[str, Any]) -> Live:
    """Trim, seal and pack what the API server sent."""
    meta = obj["metadata"]
    return Live(
        uid=meta.get("uid", ""),
        version=version(obj),
        body=to_json(_TRIM.get(kind, _trim)(kind, obj)),
        generation=meta.get("generation", 0),
        owns_replicas=kind == "Deployment" and _owns_replicas(meta),
    )


def pack_agent(agent: Mapping[str, Any]) -> Live:
    """Pack an AgentDeployment: all that the operator reads of it."""
    meta = {key: agent["metadata"][key] for key in _AGENT_METADATA if key in agent["metadata"]}
    command = (agent["metadata"].get("annotations") or {}).get(constants.ANNOTATION_ROLLOUT)
    if command:
        meta["annotations"] = {constants.ANNOTATION_ROLLOUT: command}
    kept = {"metadata": meta, "spec": agent.get("spec") or {}, "status": agent.get("status") or {}}
    return Live(meta.get("uid", ""), version(agent), to_json(kept), meta.get("generation", 0))


def sealed(kind: str, obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace the values of a Secret or ConfigMap by their hashes; other kinds stay as they are."""
    if kind not in _SEALED:
        return obj
    data = {key: _digest(value) for key, value in (obj.get("data") or {}).items()}
    rest = {key: value for key, value in obj.items() if key != "data"}
    return {**rest, "data": data} if data else rest


def _digest(value: str) -> str:
    return blake2b(value.encode(), digest_size=12).hexdigest()


def _trim(kind: str, obj: Mapping[str, Any]) -> Object:
    trimmed: Object = {"metadata": _trim_metadata(obj["metadata"])}
    trimmed |= {key: value for key, value in sealed(kind, obj).items() if key not in _NOT_BODY}
    status = obj.get("status") or {}
    kept = {key: status[key] for key in _KEPT_STATUS.get(kind, ()) if key in status}
    if kept:
        trimmed["status"] = kept
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
    told = {
        "revision": labels.get(constants.LABEL_REVISION),
        "app": labels.get(constants.LABEL_APP),
        "ip": status.get("podIP"),
        "restarts": max((container.get("restartCount", 0) for container in containers), default=0),
        "failure": pod_failures.of_pod(pod),
        "secretHash": (meta.get("annotations") or {}).get(constants.ANNOTATION_SECRET_HASH),
        "ended": "deletionTimestamp" in meta or status.get("phase") in _ENDED,
    }
    if job := next((labels[label] for label in _LABELS_JOB if label in labels), None):
        told |= {"job": job, "report": _last_words(containers)}
    if labels.get(constants.LABEL_WORKLOAD_IDENTITY):
        told |= _token(pod["spec"])
    return trimmed | {key: value for key, value in told.items() if value}


def _last_words(containers: Iterable[Mapping[str, Any]]) -> str | None:
    """Return what a container that has ended left as its termination message."""
    ended = ((container.get("state") or {}).get("terminated") or {} for container in containers)
    return next((state["message"] for state in ended if state.get("message")), None)


def _trim_revision(_kind: str, obj: Mapping[str, Any]) -> Object:
    """Keep who it is; its content is read when it is needed."""
    return {"metadata": _trim_metadata(obj["metadata"]), "revision": obj.get("revision", 0)}


def _token(pod_spec: Mapping[str, Any]) -> Object:
    """Tell whether a pod has a token for Azure, and for whom the tokens are that are made for it."""
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
    wanted = obj["spec"].get("replicas", 1) or (obj.get("status") or {}).get("replicas")
    uses = _config_maps(obj["spec"].get("template", {}).get("spec", {})) if wanted else []
    return {"metadata": {"name": obj["metadata"]["name"]}, "uses": uses}


_TRIM = {"Pod": _trim_pod, "ReplicaSet": _trim_replica_set, "ControllerRevision": _trim_revision}


def _config_maps(pod_spec: Mapping[str, Any]) -> list[str]:
    """Names of the ConfigMaps that a pod mounts."""
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

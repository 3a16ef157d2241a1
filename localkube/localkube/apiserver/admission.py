"""Admission plugins and allocators: NamespaceLifecycle, Priority, DefaultTolerationSeconds, cluster IPs, node ports."""

import ipaddress
from typing import Any

from localkube.apiserver.resources import Resource
from localkube.apiserver.storage.store import Event, Store
from localkube.meta import status
from localkube.meta.status import Object

_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
SERVICE_NETWORK = "10.96.0.0/16"
_FIRST_NODE_PORT = 30000
_LAST_NODE_PORT = 32767


def check_namespace(store: Store, resource: Resource, namespace: str, obj: Object) -> None:
    """Raise ApiError 404 if the namespace does not exist, 403 if it is terminating."""
    if not resource.namespaced:
        return
    record = store.bucket("namespaces").get(("", namespace))
    if record is None:
        raise status.not_found("", "namespaces", namespace)
    if "deletionTimestamp" not in record.object["metadata"]:
        return
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    cause = {"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated"}
    extra = {"causes": [{**cause, "field": "metadata.namespace"}]}
    raise status.forbidden(resource.group, resource.plural, obj["metadata"].get("name", ""), why, extra)


def admit(resource: Resource, obj: Object) -> Object:
    """Apply the mutating admission plugins of a default cluster to an object."""
    return _admit_pod(obj) if resource.key == "pods" else obj


def _admit_pod(obj: Object) -> Object:
    spec = dict(obj["spec"])
    spec.setdefault("priority", _PRIORITIES.get(spec.get("priorityClassName", ""), 0))
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    tolerations = list(spec.get("tolerations") or ())
    for key in _TOLERATED:
        if not any(t.get("key") in (key, None) and t.get("effect") in ("NoExecute", None) for t in tolerations):
            found = {"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300}
            tolerations.append(found)
    spec["tolerations"] = tolerations
    return {**obj, "spec": spec}


def waits_for_removal(resource: Resource, obj: Object) -> bool:
    """Whether an object without finalizers must wait: a pod until it is stopped, a namespace until it is empty."""
    if resource.key == "namespaces":
        return bool((obj.get("spec") or {}).get("finalizers"))
    return resource.key == "pods" and obj["metadata"].get("deletionGracePeriodSeconds", 0) > 0


class ServiceAddresses:
    """Allocates cluster IPs and node ports of Services."""

    def __init__(self, store: Store, network: str = SERVICE_NETWORK) -> None:
        self._store = store
        self._network = ipaddress.ip_network(network)
        self._next = 10  # the first addresses are reserved for the Services of the cluster
        self._port = _FIRST_NODE_PORT - 1
        self._used: set[str] = set()
        store.listen("services", "", self._observe)

    def _observe(self, event: Event) -> None:
        address = event.record.object["spec"].get("clusterIP", "")
        if event.type == "DELETED":
            self._used.discard(address)
        else:
            self._used.add(address)

    def allocate(self, resource: Resource, obj: Object) -> Object:
        """Allocate the addresses of a Service. Other objects are not changed."""
        if resource.key != "services" or obj["spec"].get("type") == "ExternalName":
            return obj
        spec = dict(obj["spec"])
        address = spec.get("clusterIP") or self._free_address()
        spec["clusterIP"] = address
        spec.setdefault("clusterIPs", [address])
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            spec["ports"] = [p if p.get("nodePort") else {**p, "nodePort": self._free_port()} for p in spec["ports"]]
        return {**obj, "spec": spec}

    def _services(self) -> list[dict[str, Any]]:
        return [r.object["spec"] for r in self._store.bucket("services").ordered()]

    def _free_address(self) -> str:
        size = self._network.num_addresses - 2
        for _ in range(size):
            self._next = self._next % size + 1
            address = str(self._network[self._next])
            if address not in self._used:
                return address
        raise status.internal("failed to allocate IP: range is full")

    def _free_port(self) -> int:
        used = {p.get("nodePort") for spec in self._services() for p in spec.get("ports") or ()}
        for _ in range(_FIRST_NODE_PORT, _LAST_NODE_PORT + 1):
            self._port = _FIRST_NODE_PORT + (self._port + 1 - _FIRST_NODE_PORT) % (
                _LAST_NODE_PORT - _FIRST_NODE_PORT + 1
            )
            if self._port not in used:
                return self._port
        raise status.internal("failed to allocate a nodePort: range is full")

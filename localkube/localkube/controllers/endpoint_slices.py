"""Compute the EndpointSlices of a Service: addresses, ports and readiness of its pods. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from localkube.meta.objects import SERVICE_NAME_LABEL, is_deleting, labels_of
from localkube.meta.pods import is_finished, is_ready
from localkube.meta.status import Object

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SLICE_MANAGER = "endpointslice-controller.k8s.io"
TRIGGERED = "endpoints.kubernetes.io/last-change-trigger-time"
HEADLESS = "service.kubernetes.io/headless"

# (pod, containerPort) → the port on which the pod's process listens.
PortLookup = Callable[[Object, int], int]
EMPTY_SLICE: Object = {"ports": None, "endpoints": None}
Ports = tuple[tuple[str, int, str], ...]  # name, port, protocol


@dataclass(frozen=True, slots=True)
class Backend:
    """A pod that a Service selects."""

    pod: Object
    ports: Ports

    @property
    def is_ready(self) -> bool:
        """Whether the pod is ready."""
        return is_ready(self.pod)

    @property
    def is_terminating(self) -> bool:
        """Whether the pod is being deleted."""
        return is_deleting(self.pod)


def backends(service: Object, pods: Iterable[Object], lookup: PortLookup) -> list[Backend]:
    """The pods that have an address, sorted by name."""
    found = [
        Backend(pod, _ports(service, pod, lookup))
        for pod in pods
        if pod.get("status", {}).get("podIP") and not is_finished(pod)
    ]
    return sorted(found, key=lambda b: b.pod["metadata"]["name"])


def _ports(service: Object, pod: Object, lookup: PortLookup) -> Ports:
    found = []
    for port in service["spec"].get("ports") or ():
        number = target_port(port, pod)
        if number is not None:
            found.append((port.get("name", ""), lookup(pod, number), port.get("protocol", "TCP")))
    return tuple(sorted(found))


def target_port(port: Object, pod: Object) -> int | None:
    """The containerPort of a pod that a ServicePort targets; None if the pod has no port of the name."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target or int(port["port"])
    for container in pod["spec"]["containers"]:
        for declared in container.get("ports") or ():
            if declared.get("name") == target:
                return int(declared["containerPort"])
    return None


def _grouped(found: list[Backend]) -> dict[Ports, list[Backend]]:
    groups: dict[Ports, list[Backend]] = {}
    for backend in found:
        if backend.ports:
            groups.setdefault(backend.ports, []).append(backend)
    return groups


def _port_objects(ports: Ports) -> list[Object]:
    return [{**({"name": name} if name else {}), "port": port, "protocol": protocol} for name, port, protocol in ports]


def _node(pod: Object) -> Object:
    name = pod["spec"].get("nodeName")
    return {"nodeName": name} if name else {}


def _reference(pod: Object) -> Object:
    metadata = pod["metadata"]
    return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}


def slices(service: Object, found: list[Backend]) -> list[Object]:
    """`ports` and `endpoints` of the EndpointSlices. Terminating pods are marked as such."""
    every = service["spec"].get("publishNotReadyAddresses", False)
    result: list[Object] = []
    for ports, group in sorted(_grouped(found).items()):
        endpoints = [
            {
                "addresses": [b.pod["status"]["podIP"]],
                "conditions": {
                    "ready": every or (b.is_ready and not b.is_terminating),
                    "serving": b.is_ready,
                    "terminating": b.is_terminating,
                },
                **_node(b.pod),
                "targetRef": _reference(b.pod),
            }
            for b in group
        ]
        result.append({"ports": _port_objects(ports), "endpoints": endpoints})
    return result or [EMPTY_SLICE]


def labels(service: Object) -> dict[str, str]:
    """The labels of the EndpointSlices of a Service."""
    headless = {HEADLESS: ""} if service["spec"].get("clusterIP") == "None" else {}
    name = service["metadata"]["name"]
    return {**labels_of(service), SERVICE_NAME_LABEL: name, MANAGED_BY: SLICE_MANAGER, **headless}

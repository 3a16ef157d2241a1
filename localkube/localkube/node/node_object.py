"""The Node object of this machine."""

import platform

from localkube.apiserver.registry import Registry
from localkube.meta.objects import timestamp
from localkube.meta.status import Object
from localkube.node.machine import Machine

MANAGER = "kubelet"
# For the scheduler. Processes have no limits, so the capacity is large.
CAPACITY = {"cpu": "1000", "memory": "4Ti", "pods": "1100"}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


def register(registry: Registry, machine: Machine) -> None:
    """Create or update the Node."""
    name = machine.name
    if registry.find("nodes", "", name) is None:
        registry.create("nodes", "", _node(name), manager=MANAGER)
    changed = {**registry.get("nodes", "", name), "status": _status(machine)}
    registry.update("nodes", "", changed, manager=MANAGER, subresource="status")


def _architecture() -> str:
    machine = platform.machine().lower()
    return _MACHINES.get(machine, machine)


def _node(name: str) -> Object:
    described = {"arch": _architecture(), "os": platform.system().lower()}
    labels = {f"{prefix}kubernetes.io/{k}": v for prefix in ("", "beta.") for k, v in described.items()}
    labels["kubernetes.io/hostname"] = name
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}


def _conditions(stamp: str) -> list[Object]:
    reported = [(kind, "False", reason, message) for kind, reason, message in _PRESSURES]
    reported.append(("Ready", "True", "KubeletReady", "pods run as local processes"))
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": stamp,
            "lastTransitionTime": stamp,
        }
        for kind, status, reason, message in reported
    ]


def _status(machine: Machine) -> Object:
    return {
        "capacity": CAPACITY,
        "allocatable": CAPACITY,
        "conditions": _conditions(timestamp(machine.clock())),
        "addresses": [
            {"type": "InternalIP", "address": machine.addresses.node},
            {"type": "Hostname", "address": machine.name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": {
            "architecture": _architecture(),
            "operatingSystem": platform.system().lower(),
            "kernelVersion": platform.release(),
            "osImage": platform.platform(),
            "containerRuntimeVersion": f"local://{platform.python_version()}",
            "kubeletVersion": "v1.36.0",
            "kubeProxyVersion": "v1.36.0",
            "bootID": "",
            "machineID": "",
            "systemUUID": "",
        },
    }

"""The Node object: what `kubectl get nodes` shows of this machine."""

import os
import platform

from local_cluster.controllers.objects import timestamp
from local_cluster.registry import Registry
from local_cluster.status import Object

MANAGER = "kubelet"
MAX_PODS = 1100
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


def register(registry: Registry, name: str, address: str, now: float) -> None:
    """Create the Node or bring it up to date."""
    if registry.find("nodes", "", name) is None:
        registry.create("nodes", "", _node(name), manager=MANAGER)
    live = registry.get("nodes", "", name)
    changed = {**live, "status": _status(name, address, now)}
    registry.update("nodes", "", changed, manager=MANAGER, subresource="status")


def _architecture() -> str:
    machine = platform.machine().lower()
    return _MACHINES.get(machine, machine)


def _node(name: str) -> Object:
    described = {"arch": _architecture(), "os": platform.system().lower()}
    labels = {f"{prefix}kubernetes.io/{k}": v for prefix in ("", "beta.") for k, v in described.items()}
    labels["kubernetes.io/hostname"] = name
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}


def _memory() -> int:
    """Bytes of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _status(name: str, address: str, now: float) -> Object:
    stamp = timestamp(now)
    resources = {"cpu": str(os.cpu_count() or 1), "memory": f"{_memory() // 1024}Ki", "pods": str(MAX_PODS)}
    said = [(kind, "False", reason, message) for kind, reason, message in _PRESSURES]
    said.append(("Ready", "True", "KubeletReady", "pods run as local processes"))
    conditions = [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": stamp,
            "lastTransitionTime": stamp,
        }
        for kind, status, reason, message in said
    ]
    return {
        "capacity": resources,
        "allocatable": resources,
        "conditions": conditions,
        "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
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

"""Pods that the standard `restricted` forbids, one for each field that a check reads, and some that it allows."""

from typing import Any

from tests.pod_security import APPARMOR, CONTAINERS

Object = dict[str, Any]


def security(where: str, **context: Any) -> Object:
    """A compliant pod except for the security context of the pod or of one container."""
    fine: Object = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    whole = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    containers = {kind: [{"name": kind.lower(), "image": "i", "securityContext": fine}] for kind in CONTAINERS}
    if where == "pod":
        return {"spec": containers | {"securityContext": whole | context}}
    containers[where][0]["securityContext"] = fine | context
    return {"spec": containers | {"securityContext": whole}}


def pod(**fields: Any) -> Object:
    return {"spec": security("pod")["spec"] | fields}


def container(**fields: Any) -> Object:
    found = security("containers")
    found["spec"]["containers"][0] |= fields
    return found


UNCONFINED = {"type": "Unconfined"}
# Violations by check; the cases are those of the standard's own tests.
FORBIDDEN: list[tuple[str, Object]] = [
    ("host_namespaces", pod(hostNetwork=True)),
    ("host_namespaces", pod(hostPID=True)),
    ("host_namespaces", pod(hostIPC=True)),
    ("windows_host_process", security("pod", windowsOptions={"hostProcess": True})),
    ("windows_host_process", security("containers", windowsOptions={"hostProcess": True})),
    ("privileged", security("initContainers", privileged=True)),
    ("privileged", security("ephemeralContainers", privileged=True)),
    ("host_ports", container(ports=[{"containerPort": 1, "hostPort": 1}])),
    ("host_probes_and_hooks", container(livenessProbe={"httpGet": {"port": 1, "host": "a"}})),
    ("host_probes_and_hooks", container(lifecycle={"preStop": {"tcpSocket": {"port": 1, "host": "a"}}})),
    ("app_armor", {**pod(), "metadata": {"annotations": {f"{APPARMOR}containers": "unconfined"}}}),
    ("app_armor", security("pod", appArmorProfile=UNCONFINED)),
    ("app_armor", security("containers", appArmorProfile=UNCONFINED)),
    ("selinux", security("pod", seLinuxOptions={"type": "spc_t"})),
    ("selinux", security("initContainers", seLinuxOptions={"user": "system_u"})),
    ("selinux", security("containers", seLinuxOptions={"role": "system_r"})),
    ("proc_mount", security("containers", procMount="Unmasked")),
    ("sysctls", security("pod", sysctls=[{"name": "kernel.msgmax", "value": "1"}])),
    ("volume_types", pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}])),
    ("volume_types", pod(volumes=[{"name": "v", "nfs": {"server": "s", "path": "/"}}])),
    ("volume_types", pod(volumes=[{"name": "v", "gcePersistentDisk": {"pdName": "p"}}])),
    ("allow_privilege_escalation", security("containers", allowPrivilegeEscalation=None)),
    ("allow_privilege_escalation", security("initContainers", allowPrivilegeEscalation=True)),
    ("capabilities", security("ephemeralContainers", capabilities={})),
    ("capabilities", security("containers", capabilities={"drop": ["KILL"]})),
    ("capabilities", security("containers", capabilities={"drop": ["ALL"], "add": ["CHOWN"]})),
    ("run_as_non_root", security("pod", runAsNonRoot=False)),
    ("run_as_non_root", security("pod", runAsNonRoot=None)),
    ("run_as_non_root", security("containers", runAsNonRoot=False)),
    ("run_as_user", security("pod", runAsUser=0)),
    ("run_as_user", security("initContainers", runAsUser=0)),
    ("seccomp", security("pod", seccompProfile=UNCONFINED)),
    ("seccomp", security("pod", seccompProfile=None)),
    ("seccomp", security("ephemeralContainers", seccompProfile=UNCONFINED)),
]
ALLOWED = [
    security("pod", sysctls=[{"name": "net.ipv4.tcp_syncookies", "value": "1"}]),
    security("pod", seLinuxOptions={"type": "container_kvm_t", "level": "s0"}),
    security("containers", capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}, procMount="Default"),
    {**pod(), "metadata": {"annotations": {f"{APPARMOR}containers": "localhost/mine"}}},
    pod(volumes=[{"name": "v", "emptyDir": {}}, {"name": "none"}]),
]

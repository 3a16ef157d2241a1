"""The Pod Security Standard `restricted`, with one function for each check of Kubernetes' admission controller.

Written after the published standard and the checks of k8s.io/pod-security-admission (the newest version of each), apart
from the operator's rules, which it verifies.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]
Check = Callable[[Object], Iterable[str]]

CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
# Newer API servers (since 1.36) allow `image`, too.
VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
SELINUX = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)


def violations(template: Object) -> list[str]:
    """Return the violations of `restricted` in a pod or a pod template: the check, and the path."""
    return [f"{check.__name__}: {where}" for check in CHECKS for where in check(template)]


def _containers(template: Object) -> Iterator[tuple[str, Object]]:
    for kind in CONTAINERS:
        for container in template["spec"].get(kind) or ():
            yield f"{kind}/{container['name']}", container


def _contexts(template: Object) -> Iterator[tuple[str, Object]]:
    """Yield the security contexts of the pod and its containers."""
    yield "pod", template["spec"].get("securityContext") or {}
    yield from _own_contexts(template)


def _own_contexts(template: Object) -> Iterator[tuple[str, Object]]:
    for where, container in _containers(template):
        yield where, container.get("securityContext") or {}


def host_namespaces(template: Object) -> Iterable[str]:
    return [field for field in ("hostNetwork", "hostPID", "hostIPC") if template["spec"].get(field)]


def windows_host_process(template: Object) -> Iterable[str]:
    return [at for at, own in _contexts(template) if (own.get("windowsOptions") or {}).get("hostProcess")]


def privileged(template: Object) -> Iterable[str]:
    return [at for at, own in _own_contexts(template) if own.get("privileged")]


def host_ports(template: Object) -> Iterable[str]:
    return [at for at, one in _containers(template) if any(port.get("hostPort") for port in one.get("ports") or ())]


def host_probes_and_hooks(template: Object) -> Iterator[str]:
    """Probes and hooks with a host; forbidden since 1.34."""
    for where, container in _containers(template):
        hooks = container.get("lifecycle") or {}
        named = [container.get(field) for field in ("livenessProbe", "readinessProbe", "startupProbe")]
        for handler in (*named, hooks.get("postStart"), hooks.get("preStop")):
            for kind in ("httpGet", "tcpSocket"):
                if ((handler or {}).get(kind) or {}).get("host"):
                    yield where


def app_armor(template: Object) -> Iterator[str]:
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    for key, value in annotations.items():
        if key.startswith(APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/"):
            yield key
    for where, own in _contexts(template):
        profile = own.get("appArmorProfile")
        if profile and profile.get("type") not in ("RuntimeDefault", "Localhost"):
            yield where


def selinux(template: Object) -> Iterator[str]:
    for where, own in _contexts(template):
        options = own.get("seLinuxOptions") or {}
        if (options.get("type") or "") not in SELINUX or options.get("user") or options.get("role"):
            yield where


def proc_mount(template: Object) -> Iterable[str]:
    return [at for at, own in _own_contexts(template) if own.get("procMount") not in (None, "Default")]


def sysctls(template: Object) -> Iterable[str]:
    given = (template["spec"].get("securityContext") or {}).get("sysctls") or ()
    return [sysctl["name"] for sysctl in given if sysctl["name"] not in SYSCTLS]


def volume_types(template: Object) -> Iterable[str]:
    """A volume has one source; without one it is an emptyDir."""
    return [volume["name"] for volume in template["spec"].get("volumes") or () if not set(volume) - {"name"} <= VOLUMES]


def allow_privilege_escalation(template: Object) -> Iterable[str]:
    return [at for at, own in _own_contexts(template) if own.get("allowPrivilegeEscalation") is not False]


def capabilities(template: Object) -> Iterator[str]:
    for where, own in _own_contexts(template):
        found = own.get("capabilities") or {}
        if "ALL" not in (found.get("drop") or ()) or not set(found.get("add") or ()) <= {"NET_BIND_SERVICE"}:
            yield where


def run_as_non_root(template: Object) -> Iterator[str]:
    """True for the pod or for every container, and nowhere false, not even where it is overridden."""
    whole = (template["spec"].get("securityContext") or {}).get("runAsNonRoot")
    if whole is False:
        yield "pod"
    for where, own in _own_contexts(template):
        given = own.get("runAsNonRoot")
        if not (whole if given is None else given):
            yield where


def run_as_user(template: Object) -> Iterable[str]:
    return [at for at, own in _contexts(template) if own.get("runAsUser") == 0]


def seccomp(template: Object) -> Iterator[str]:
    """One of two types for the pod or for every container, and nowhere another, not even where it is overridden."""
    whole = (template["spec"].get("securityContext") or {}).get("seccompProfile")
    if whole and whole.get("type") not in SECCOMP:
        yield "pod"
    for where, own in _own_contexts(template):
        if ((own.get("seccompProfile") or whole) or {}).get("type") not in SECCOMP:
            yield where


CHECKS: tuple[Check, ...] = (
    host_namespaces,
    windows_host_process,
    privileged,
    host_ports,
    host_probes_and_hooks,
    app_armor,
    selinux,
    proc_mount,
    sysctls,
    volume_types,
    allow_privilege_escalation,
    capabilities,
    run_as_non_root,
    run_as_user,
    seccomp,
)

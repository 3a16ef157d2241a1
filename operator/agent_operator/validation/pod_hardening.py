"""Hardening of pods: the Pod Security Standard `restricted`, and rules that this operator adds.

The rules check a complete pod template, so they hold for every field that can change it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason

Object = Mapping[str, Any]

_VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
# The other sources are credentials of the ServiceAccount: tokens, and certificates since Kubernetes 1.34.
_PROJECTED = frozenset({"clusterTrustBundle", "configMap", "downwardAPI", "secret"})
_SECCOMP = ("RuntimeDefault", "Localhost")
_SELINUX = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


# Volumes of the operator with tokens of the ServiceAccount. Only the agent reads them.
_TOKEN_VOLUMES = frozenset({constants.TOKENS_VOLUME, str(constants.API_SERVER_VOLUME["name"])})


def violations(template: Object, *, rendered_volumes: Iterable[Object] = ()) -> Iterator[Problem]:
    """Yield everything that violates the hardening.

    A field is a path in the template, with names of containers and volumes instead of indexes.

    Args:
        template: a complete pod template.
        rendered_volumes: volumes that the operator renders for this agent. Others may not have their content.
    """
    spec, annotations = template["spec"], template.get("metadata", {}).get("annotations") or {}
    context = spec.get("securityContext") or {}
    node = "gives the pod access to the node: remove it"
    rules = (
        ("hostNetwork", not spec.get("hostNetwork"), node),
        ("hostPID", not spec.get("hostPID"), node),
        ("hostIPC", not spec.get("hostIPC"), node),
        (
            "automountServiceAccountToken",
            spec.get("automountServiceAccountToken") is False,
            "must not be true, because agents do not use the Kubernetes API: remove it (the operator sets it to false)",
        ),
        ("securityContext.sysctls", not context.get("sysctls"), "not allowed: remove it"),
        ("ephemeralContainers", not spec.get("ephemeralContainers"), "not allowed in a template: use kubectl debug"),
    )
    yield from (_unsafe(f"spec.{path}", message) for path, valid, message in rules if not valid)
    for key in sorted(key for key in annotations if key.startswith(_APPARMOR) and not _confined(annotations[key])):
        yield _unsafe(f"metadata.annotations[{key}]", "must be runtime/default or localhost/PROFILE: correct it")
    own = list(rendered_volumes)
    yield from _of_volumes([volume for volume in spec.get("volumes") or () if volume not in own])
    yield from _of_pod_context(context)
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            yield from _of_container(container, context, f"spec.{kind}[{container['name']}]")


def _confined(profile: str) -> bool:
    return profile in ("", "runtime/default") or profile.startswith("localhost/")


def _of_pod_context(context: Object) -> Iterator[Problem]:
    """Check the security context of the pod, even if every container overrides it."""
    seccomp = context.get("seccompProfile") or {"type": _SECCOMP[0]}
    rules = (
        ("runAsNonRoot", context.get("runAsNonRoot") is not False, "must be true: remove the override"),
        ("runAsUser", context.get("runAsUser") != 0, "must not be 0 (root): choose another user, or remove it"),
        ("seccompProfile", seccomp.get("type") in _SECCOMP, "must be of type RuntimeDefault or Localhost: remove it"),
    )
    yield from (_unsafe(f"spec.securityContext.{field}", message) for field, valid, message in rules if not valid)
    yield from _of_context(context, "spec.securityContext")


def _of_volumes(volumes: Iterable[Object]) -> Iterator[Problem]:
    for volume in volumes:
        for source in sorted(set(volume) - {"name"} - _VOLUMES):
            message = f"not allowed: use one of {', '.join(sorted(_VOLUMES))}"
            yield _unsafe(f"spec.volumes[{volume['name']}].{source}", message)
        for projection in (volume.get("projected") or {}).get("sources") or ():
            for source in sorted(set(projection) - _PROJECTED):
                message = "gives the pod credentials of its ServiceAccount: remove it, or use spec.identity"
                yield _unsafe(f"spec.volumes[{volume['name']}].projected.{source}", message)


def _of_container(container: Object, pod: Object, path: str) -> Iterator[Problem]:
    own, where = container.get("securityContext") or {}, f"{path}.securityContext"
    capabilities = own.get("capabilities") or {}
    added = set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}
    user, non_root = own.get("runAsUser", pod.get("runAsUser")), own.get("runAsNonRoot", pod.get("runAsNonRoot"))
    seccomp = own.get("seccompProfile") or pod.get("seccompProfile") or {}
    rules = (
        ("privileged", not own.get("privileged"), "gives the container full access to the node: remove it"),
        (
            "allowPrivilegeEscalation",
            own.get("allowPrivilegeEscalation") is False,
            "must be false: remove the override",
        ),
        ("capabilities.drop", "ALL" in (capabilities.get("drop") or ()), "must contain ALL: add it"),
        ("capabilities.add", not added, "only NET_BIND_SERVICE is allowed: remove the others"),
        ("runAsNonRoot", non_root is True, "must be true: remove the override"),
        ("runAsUser", user != 0, "must not be 0 (root): choose another user, or remove it"),
        ("seccompProfile", seccomp.get("type") in _SECCOMP, "must be of type RuntimeDefault or Localhost: remove it"),
        ("procMount", own.get("procMount", "Default") == "Default", "must be Default: remove it"),
    )
    yield from (_unsafe(f"{where}.{field}", message) for field, valid, message in rules if not valid)
    yield from _of_context(own, where)
    mounted = {str(mount.get("name")) for mount in container.get("volumeMounts") or ()}
    if container["name"] != constants.CONTAINER:
        for name in sorted(mounted & _TOKEN_VOLUMES):
            message = "gives the container a token of the ServiceAccount, which only the agent may read: remove it"
            yield _unsafe(f"{path}.volumeMounts[{name}]", message)
    for port in container.get("ports") or ():
        if port.get("hostPort"):
            yield _unsafe(f"{path}.ports[{port['containerPort']}].hostPort", "binds a port of the node: remove it")
    yield from _of_handlers(container, path)


def _of_context(context: Object, path: str) -> Iterator[Problem]:
    """Check the fields that the security contexts of pods and containers share."""
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in _SELINUX or selinux.get("user") or selinux.get("role"):
        yield _unsafe(f"{path}.seLinuxOptions", f"only types of {', '.join(_SELINUX[1:])} are allowed: correct it")
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield _unsafe(f"{path}.appArmorProfile", "must not be Unconfined: remove it")
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield _unsafe(f"{path}.windowsOptions.hostProcess", "gives the container full access to the node: remove it")


def _of_handlers(container: Object, path: str) -> Iterator[Problem]:
    """Check that probes and lifecycle hooks do not make the kubelet call other hosts."""
    lifecycle = container.get("lifecycle") or {}
    named = {field: container.get(field) for field in ("livenessProbe", "readinessProbe", "startupProbe")}
    named |= {f"lifecycle.{hook}": lifecycle.get(hook) for hook in ("postStart", "preStop")}
    for field, handler in named.items():
        for kind in ("httpGet", "tcpSocket"):
            if ((handler or {}).get(kind) or {}).get("host"):
                yield _unsafe(f"{path}.{field}.{kind}.host", "makes the node call another host: remove it")


def _unsafe(field: str, message: str) -> Problem:
    return Problem(SpecReason.POD_TEMPLATE_UNSAFE, field, message)

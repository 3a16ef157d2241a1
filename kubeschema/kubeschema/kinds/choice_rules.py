"""Fields of pods, Services and budgets with fixed values, and references to resources of containers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kubeschema import names, quantity
from kubeschema.errors import Cause, forbidden, invalid, not_supported, required

Object = dict[str, Any]
Choices = Mapping[str, Sequence[str]]

_PROFILES: Final = ("Localhost", "RuntimeDefault", "Unconfined")
POD: Final[Choices] = {
    "os.name": ("linux", "windows"),
    "preemptionPolicy": ("Never", "PreemptLowerPriority"),
    "securityContext.appArmorProfile.type": _PROFILES,
    "securityContext.seLinuxChangePolicy": ("MountOption", "Recursive"),
    "securityContext.seccompProfile.type": _PROFILES,
    "securityContext.supplementalGroupsPolicy": ("Merge", "Strict"),
    "topologySpreadConstraints[].nodeAffinityPolicy": ("Honor", "Ignore"),
    "topologySpreadConstraints[].nodeTaintsPolicy": ("Honor", "Ignore"),
    "volumes[].azureDisk.cachingMode": ("None", "ReadOnly", "ReadWrite"),
    "volumes[].azureDisk.kind": ("Dedicated", "Managed", "Shared"),
    "volumes[].ephemeral.volumeClaimTemplate.spec.accessModes[]": (
        *("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"),
    ),
    "volumes[].ephemeral.volumeClaimTemplate.spec.volumeMode": ("Block", "Filesystem"),
    "volumes[].hostPath.type": (
        *("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"),
    ),
    "volumes[].image.pullPolicy": ("Always", "IfNotPresent", "Never"),
}
CONTAINER: Final[Choices] = {
    "resizePolicy[].resourceName": ("cpu", "memory"),
    "resizePolicy[].restartPolicy": ("NotRequired", "RestartContainer"),
    "securityContext.appArmorProfile.type": _PROFILES,
    "securityContext.procMount": ("Default", "Unmasked"),
    "securityContext.seccompProfile.type": _PROFILES,
    "volumeMounts[].mountPropagation": ("Bidirectional", "HostToContainer", "None"),
    "volumeMounts[].recursiveReadOnly": ("Disabled", "Enabled", "IfPossible"),
}
SERVICE: Final[Choices] = {
    "externalTrafficPolicy": ("Cluster", "Local"),
    "ipFamilies[]": ("IPv4", "IPv6"),
    "ipFamilyPolicy": ("PreferDualStack", "RequireDualStack", "SingleStack"),
    "trafficDistribution": ("PreferClose", "PreferSameNode", "PreferSameZone"),
}
BUDGET: Final[Choices] = {"unhealthyPodEvictionPolicy": ("AlwaysAllow", "IfHealthyBudget")}
# An unset field of these is an error, if its parent is set.
_NEEDED: Final = frozenset({"os.name", "securityContext.seccompProfile.type", "securityContext.appArmorProfile.type"})

_RESOURCES: Final = tuple(
    f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
_HUGE_PAGES: Final = re.compile(r"(limits|requests)\.hugepages-.+")
_CPU_DIVISORS: Final = ("1m", "1")
_OTHER_DIVISORS: Final = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_FIELDS: Final = frozenset(f"metadata.{name}" for name in ("annotations", "labels", "name", "namespace", "uid"))
_MAP: Final = re.compile(r"metadata\.(labels|annotations)\['[^']+'\]")
_OF_LINUX: Final = (
    *("appArmorProfile", "fsGroup", "fsGroupChangePolicy", "runAsGroup", "runAsUser", "seLinuxOptions"),
    *("seccompProfile", "supplementalGroups", "sysctls"),
)
_OF_LINUX_CONTAINERS: Final = (
    *("allowPrivilegeEscalation", "appArmorProfile", "capabilities", "privileged", "procMount"),
    *("readOnlyRootFilesystem", "runAsGroup", "runAsUser", "seLinuxOptions", "seccompProfile"),
)


def choices(obj: Object, table: Choices, path: str) -> Iterator[Cause]:
    """Validate the fields of an object that have fixed values."""
    for field, supported in table.items():
        for here, value in _values(obj, field.split("."), path):
            if value is None and field in _NEEDED:
                yield required(here)
            elif value is not None and value not in supported:
                yield not_supported(here, value, supported)


def _values(value: Any, steps: Sequence[str], path: str) -> Iterator[tuple[str, Any]]:
    """Yield the values of a field, and None where only its parent is set."""
    if not steps:
        yield path, value
        return
    name, is_list = steps[0].removesuffix("[]"), steps[0].endswith("[]")
    below = value.get(name) if isinstance(value, dict) else None
    here = f"{path}.{name}"
    if below is None:
        yield from ((here, None) for _ in range(len(steps) == 1 and isinstance(value, dict)))
    elif is_list:
        for at, item in enumerate(below):
            yield from _values(item, steps[1:], f"{here}[{at}]")
    else:
        yield from _values(below, steps[1:], here)


def pod_choices(spec: Object, path: str) -> Iterator[Cause]:
    """Validate the fields of a pod with fixed values, what its operating system lacks, and downward APIs."""
    yield from choices(spec, POD, path)
    system = (spec.get("os") or {}).get("name")
    if system == "windows":
        yield from _not_on_windows(spec, path)
    elif system == "linux" and (spec.get("securityContext") or {}).get("windowsOptions") is not None:
        message = "windows options cannot be set for a linux pod"
        yield forbidden(f"{path}.securityContext.windowsOptions", message)
    for at, volume in enumerate(spec.get("volumes") or ()):
        yield from _downward(volume.get("downwardAPI") or {}, f"{path}.volumes[{at}].downwardAPI")
        for number, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            here = f"{path}.volumes[{at}].projected.sources[{number}].downwardAPI"
            yield from _downward(source.get("downwardAPI") or {}, here)


def _not_on_windows(spec: Object, path: str) -> Iterator[Cause]:
    message = "cannot be set for a windows pod"
    for name in ("hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"):
        if spec.get(name) is not None and (name == "hostUsers" or spec[name]):
            yield forbidden(f"{path}.{name}", message)
    contexts: list[tuple[Object, str, Sequence[str]]] = [
        (spec.get("securityContext") or {}, f"{path}.securityContext", _OF_LINUX)
    ]
    for kind in ("initContainers", "containers"):
        for at, container in enumerate(spec.get(kind) or ()):
            context = container.get("securityContext") or {}
            contexts.append((context, f"{path}.{kind}[{at}].securityContext", _OF_LINUX_CONTAINERS))
    for context, here, names_ in contexts:
        yield from (forbidden(f"{here}.{name}", message) for name in names_ if context.get(name) is not None)


def _downward(source: Object, path: str) -> Iterator[Cause]:
    for at, item in enumerate(source.get("items") or ()):
        here, field, resource = f"{path}.items[{at}]", item.get("fieldRef"), item.get("resourceFieldRef")
        if field is not None and resource is not None:
            yield invalid(here, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
        elif field is not None:
            yield from _field(field.get("fieldPath", ""), f"{here}.fieldRef.fieldPath")
        elif resource is not None:
            yield from resource_reference(resource, f"{here}.resourceFieldRef", in_volume=True)
        else:
            yield required(here, "one of fieldRef and resourceFieldRef is required")


def _field(field: str, path: str) -> Iterator[Cause]:
    if not field:
        yield required(path)
    elif field not in _FIELDS and not _MAP.fullmatch(field):
        yield not_supported(path, field, _FIELDS)


def resource_reference(reference: Object, path: str, *, in_volume: bool = False) -> Iterator[Cause]:
    """Validate a reference to a resource of a container, in a variable or a volume."""
    resource, divisor = reference.get("resource", ""), reference.get("divisor")
    if in_volume and not reference.get("containerName"):
        yield required(f"{path}.containerName")
    elif not resource:
        yield required(f"{path}.resource")
    elif resource not in _RESOURCES and not _HUGE_PAGES.fullmatch(resource):
        yield not_supported(f"{path}.resource", resource, _RESOURCES)
    elif divisor is not None and quantity.compare(divisor, 0) != 0:
        kind = resource.partition(".")[2]
        allowed = _CPU_DIVISORS if kind == "cpu" else _OTHER_DIVISORS
        if not any(quantity.compare(divisor, known) == 0 for known in allowed):
            message = f"only divisor's values {', '.join(allowed)} are supported with the {kind} resource"
            yield invalid(f"{path}.divisor", divisor, message)


def runtime_class(spec: Object, path: str) -> Iterator[Cause]:
    """Validate the name of a RuntimeClass."""
    name = spec.get("runtimeClassName")
    if name is not None:
        yield from (invalid(f"{path}.runtimeClassName", name, text) for text in names.subdomain(name))

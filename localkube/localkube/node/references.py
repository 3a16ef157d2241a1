"""The ConfigMaps and Secrets to which a pod refers."""

from collections.abc import Iterator

from localkube.meta.status import Object

_ENVIRONMENTS = {"configMapRef": "configmaps", "secretRef": "secrets"}
_VARIABLES = {"configMapKeyRef": "configmaps", "secretKeyRef": "secrets"}
_VOLUMES = {"configMap": "configmaps", "secret": "secrets"}

Reference = tuple[str, str]  # resource, name


def references(pod: Object) -> set[Reference]:
    """The references in volumes and environment variables, including init containers."""
    spec = pod["spec"]
    found = set(_in_volumes(spec))
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        for source in container.get("envFrom") or ():
            found.update(_named(source, _ENVIRONMENTS))
        for entry in container.get("env") or ():
            found.update(_named(entry.get("valueFrom") or {}, _VARIABLES))
    return found


def _in_volumes(spec: Object) -> Iterator[Reference]:
    for volume in spec.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            yield from _named(source, _VOLUMES)


def _named(source: Object, fields: dict[str, str]) -> Iterator[Reference]:
    for field, resource in fields.items():
        if field in source:
            yield resource, source[field].get("secretName") or source[field].get("name", "")

"""Routing: from a path to a resource, an object or a subresource."""

from dataclasses import dataclass

from localkube.apiserver.resources import Resource, ResourceTable
from localkube.meta import status


class PageNotFoundError(Exception):
    """The path has no handler. The answer is plain text, like the real server's."""


@dataclass(frozen=True, slots=True)
class Target:
    """A collection, an object or a subresource."""

    resource: Resource
    version: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def storage(self) -> str:
        """The key of the bucket with the objects."""
        return self.resource.stored_as or self.resource.key


def resolve(resources: ResourceTable, path: str) -> Target:
    """Resolve `/api/v1/…` or `/apis/group/version/…`. Raises PageNotFoundError, or ApiError 404."""
    parts = [p for p in path.split("/") if p]
    match parts:
        case ["api", "v1", _, *_]:
            return _resolve(resources, "", "v1", parts[2:])
        case ["apis", group, version, _, *_]:
            return _resolve(resources, group, version, parts[3:])
    raise PageNotFoundError(path)


def _resolve(resources: ResourceTable, group: str, version: str, parts: list[str]) -> Target:
    known = resources.groups().get(group)
    if not known or all(version not in r.versions for r in known.values()):
        raise PageNotFoundError(group)
    namespace = ""
    match parts:
        case ["namespaces", of, plural, *_] if group or plural not in ("status", "finalize"):
            namespace, parts = of, parts[2:]
    resource = known.get(parts[0])
    if resource is None or version not in resource.versions or bool(namespace) > resource.namespaced:
        raise status.no_resource()
    if resource.namespaced and not namespace and len(parts) > 1:
        raise status.no_resource()
    _, name, subresource, *_ = [*parts, "", ""]
    return Target(resource, version, namespace, name, subresource)

"""The permissions that requests need, as the authorizer of the API server maps them, and those that RBAC grants."""

from collections.abc import Iterable

from agent_operator.codegen import rbac

# Method, path, query, body and status of a request.
Exchange = tuple[str, str, dict[str, str], bytes, int]
# Verb, group and resource.
Permission = tuple[str, str, str]


def used_permissions(exchanges: Iterable[Exchange]) -> dict[Permission, set[str]]:
    """Return (verb, group, resource) of each request with the requested names; "" is a request without a name."""
    found: dict[Permission, set[str]] = {}
    for method, path, query, body, status in exchanges:
        group, resource, name = parse(path)
        if not resource:
            continue  # discovery, which every user is allowed
        selected = name or query.get("fieldSelector", "").removeprefix("metadata.name=")
        for verb in verbs(method, query, status, named=bool(name)):
            found.setdefault((verb, group, resource), set()).add(selected)
        if b'"blockOwnerDeletion":true' in body:
            found.setdefault(("update", "agent-operator.dev", "agentdeployments/finalizers"), set()).add("")
    return found


def parse(path: str) -> tuple[str, str, str]:
    """Split a path into group, resource with its subresource, and name."""
    _, root, *parts = path.split("/")
    group = parts.pop(0) if root == "apis" and parts else ""
    parts = parts[1:]  # the version
    if len(parts) > 2 and parts[0] == "namespaces":
        parts = parts[2:]
    resource, name, subresource, *_ = [*parts, "", "", ""]
    return group, f"{resource}/{subresource}" if subresource else resource, name


def verbs(method: str, query: dict[str, str], status: int, *, named: bool) -> tuple[str, ...]:
    """Return the verbs of a request in the terms of the authorizer."""
    if method == "GET":
        return ("get",) if named else ("watch",) if "watch" in query else ("list",)
    if method == "PATCH":
        # Server-side apply that creates an object is authorized as a create, too.
        return ("patch", "create") if status == 201 else ("patch",)
    return ({"POST": "create", "PUT": "update", "DELETE": "delete"}[method],)


def granted_permissions(permissions: Iterable[rbac.Permission]) -> dict[Permission, set[str]]:
    """Return permissions in the form of `used_permissions`."""
    found: dict[Permission, set[str]] = {}
    for permission in permissions:
        for verb in permission.verbs:
            found.setdefault((verb, permission.group, permission.resource), set()).update(permission.names or {""})
    return found

"""Discovery: versions, groups and resources, in the legacy and in the aggregated format."""

import hashlib

from aiohttp import web

from localkube.apiserver.crds.definition import precedence
from localkube.apiserver.http import encode
from localkube.apiserver.http.negotiate import discovery_version, representation
from localkube.apiserver.http.route import PageNotFoundError
from localkube.apiserver.registry import Registry
from localkube.apiserver.resources import Resource
from localkube.meta.status import Object

VERSION = "v1.36.2"
_RW = ["get", "patch", "update"]
_PRIORITY = ("apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch")
_REVIEWS = {
    "authorization.k8s.io": (
        ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
        ("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    ),
    "authentication.k8s.io": (("selfsubjectreviews", "SelfSubjectReview"),),
}


def document(registry: Registry, path: str, accept: str) -> web.Response | None:
    """Answer a request to a discovery or health endpoint; None for other paths."""
    if path in ("/healthz", "/livez", "/readyz"):
        return web.Response(text="ok")
    parts = [p for p in path.split("/") if p]
    if path == "/version":
        return encode.answer(version())
    if not parts or parts == ["openapi"]:
        return encode.answer({"paths": _paths(registry)})
    if parts[0] == "api" and not parts[2:]:
        return _core(registry, parts[1:], accept)
    if parts[0] == "apis" and not parts[3:]:
        return _apis(registry, parts[1:], accept)
    return None


def version() -> Object:
    """Return the answer to GET /version, a `version.Info`."""
    return {
        "major": "1",
        "minor": "36",
        "gitVersion": VERSION,
        "gitCommit": "",
        "gitTreeState": "local-cluster",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def _paths(registry: Registry) -> list[str]:
    groups = [f"/apis/{g}" for g in _groups(registry) if g]
    return [
        "/api",
        "/api/v1",
        "/apis",
        *groups,
        "/healthz",
        "/livez",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
        "/version",
    ]


def _groups(registry: Registry) -> dict[str, list[str]]:
    """The versions of each group, preferred first; the core group is ""."""
    found: dict[str, set[str]] = {group: {"v1"} for group in _REVIEWS}
    for resource in registry.resources:
        found.setdefault(resource.group, set()).update(resource.versions)

    def order(group: str) -> tuple[int, str]:
        return (_PRIORITY.index(group) if group in _PRIORITY else len(_PRIORITY), group)

    return {g: sorted(found[g], key=precedence, reverse=True) for g in sorted(found, key=order)}


def _core(registry: Registry, parts: list[str], accept: str) -> web.Response:
    if parts:
        representation(accept)
        if parts != ["v1"]:
            raise PageNotFoundError("/".join(parts))
        return encode.answer(_resource_list(registry, "", "v1"))
    wanted = discovery_version(accept)
    if wanted:
        return _aggregated(registry, {"": ["v1"]}, wanted)
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}]
    return encode.answer({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses})


def _apis(registry: Registry, parts: list[str], accept: str) -> web.Response:
    groups = {g: v for g, v in _groups(registry).items() if g}
    if not parts:
        wanted = discovery_version(accept)
        if wanted:
            return _aggregated(registry, groups, wanted)
        found = [_group(g, v) for g, v in groups.items()]
        return encode.answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": found})
    representation(accept)
    versions = groups.get(parts[0])
    if versions is None or (len(parts) > 1 and parts[1] not in versions):
        raise PageNotFoundError("/".join(parts))
    if len(parts) == 1:
        return encode.answer({"kind": "APIGroup", "apiVersion": "v1", **_group(parts[0], versions)})
    return encode.answer(_resource_list(registry, parts[0], parts[1]))


def _group(group: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _resource_list(registry: Registry, group: str, version: str) -> Object:
    resources: list[Object] = []
    for resource in _served(registry, group, version):
        resources += _entries(resource)
    for plural, kind in _REVIEWS.get(group, ()):
        resources.append(
            {"name": plural, "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]}
        )
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def _served(registry: Registry, group: str, version: str) -> list[Resource]:
    found = registry.resources.groups().get(group, {})
    return [found[p] for p in sorted(found) if version in found[p].versions]


def _entries(resource: Resource) -> list[Object]:
    """A resource and its subresources, as `metav1.APIResource`."""
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    entry |= _other_names(resource)
    entry["storageVersionHash"] = hashlib.sha256(resource.key.encode()).hexdigest()[:11] + "="
    return [entry, *(_legacy(resource, s) for s in _subresources(resource))]


def _other_names(resource: Resource) -> Object:
    """The short names and categories of a resource, if it has any."""
    names = {"shortNames": list(resource.short_names), "categories": list(resource.categories)}
    return {field: values for field, values in names.items() if values}


def _subresources(resource: Resource) -> list[Object]:
    """(name, kind, group, version, verbs) of a resource's subresources."""
    found: list[Object] = []
    if resource.key == "pods":
        found.append({"name": "eviction", "group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"]})
        found.append({"name": "log", "group": "", "version": "", "kind": "Pod", "verbs": ["get"]})
    if resource.key == "namespaces":
        found.append({"name": "finalize", "group": "", "version": "", "kind": "Namespace", "verbs": ["update"]})
    status_entry = {"name": "status", "group": "", "version": "", "kind": resource.kind, "verbs": _RW}
    scale_entry = {"name": "scale", "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": _RW}
    if resource.custom:
        return [*([status_entry] if resource.status else ()), *([scale_entry] if resource.scale else ())]
    if resource.scale:
        found.append(scale_entry)
    return [*found, status_entry] if resource.status else found


def _legacy(resource: Resource, entry: Object) -> Object:
    found = {
        "name": f"{resource.plural}/{entry['name']}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": entry["kind"],
        "verbs": entry["verbs"],
    }
    return {**found, "group": entry["group"], "version": entry["version"]} if entry["version"] else found


def _aggregated(registry: Registry, groups: dict[str, list[str]], wanted: str) -> web.Response:
    items = []
    for group, versions in groups.items():
        found = [
            {"version": v, "freshness": "Current", "resources": _aggregated_resources(registry, group, v)}
            for v in versions
        ]
        items.append({"metadata": {"name": group} if group else {}, "versions": found})
    api_version = f"apidiscovery.k8s.io/{wanted}"
    body = {"kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items}
    response = encode.answer(body)
    media = f"application/json;g=apidiscovery.k8s.io;v={wanted};as=APIGroupDiscoveryList"
    response.headers["Content-Type"] = media
    return response


def _aggregated_resources(registry: Registry, group: str, version: str) -> list[Object]:
    found = [_aggregate(resource, version) for resource in _served(registry, group, version)]
    for plural, kind in _REVIEWS.get(group, ()):
        kinds = {"group": group, "version": version, "kind": kind}
        found.append(
            {
                "resource": plural,
                "responseKind": kinds,
                "scope": "Cluster",
                "singularResource": kind.lower(),
                "verbs": ["create"],
            }
        )
    return found


def _aggregate(resource: Resource, version: str) -> Object:
    def kinds(entry: Object) -> Object:
        if entry["version"]:
            return {"group": entry["group"], "version": entry["version"], "kind": entry["kind"]}
        return {"group": resource.group, "version": version, "kind": entry["kind"]}

    found: Object = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    found |= _other_names(resource)
    inner = [{"subresource": e["name"], "responseKind": kinds(e), "verbs": e["verbs"]} for e in _subresources(resource)]
    if inner:
        found["subresources"] = inner
    return found

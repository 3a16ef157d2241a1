"""OpenAPI v3 documents, which kubectl uses for explain, validation and patches, and an empty v2 document."""

import hashlib
from typing import Any

import orjson
from aiohttp import web

from kubeschema import schema as schemas
from kubeschema.schema import _definitions as definitions  # one copy of the 1.6 MB in memory
from localkube.apiserver.http.route import PageNotFoundError
from localkube.apiserver.registry import Registry
from localkube.apiserver.resources import Resource
from localkube.meta.status import Object

# kubectl requests v2 as protobuf only to validate the items of a List before it sends them. With an empty document it
# skips that. It finds the resources of items by discovery, and the server validates them.
_PROTOBUF = "com.github.proto-openapi.spec.v2"
# openapi.v2.Document in protobuf's wire format: swagger = 1, info = 2 {title = 1, version = 2}, paths = 8.
_EMPTY_V2 = b"\x0a\x032.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.36.2\x42\x00"
_INFO = {"title": "Kubernetes", "version": "v1.36.2"}
_SCHEMAS = "#/components/schemas/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"


class OpenApi:
    """Builds documents on the first request and again after a CRD has changed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._built: dict[str, tuple[int, bytes, str]] = {}

    def respond(self, path: str, request: web.BaseRequest) -> web.Response:
        """Answer a request below /openapi. Raises PageNotFoundError on failure."""
        parts = [p for p in path.split("/") if p][1:]
        if parts == ["v2"]:
            if _PROTOBUF in request.headers.get("Accept", ""):
                return web.Response(body=_EMPTY_V2, content_type=f"application/{_PROTOBUF}")
            return web.json_response({"swagger": "2.0", "info": _INFO, "paths": {}})
        if parts == ["v3"]:
            return self._answer("v3", request)
        if parts[:2] == ["v3", "api"] and parts[2:] == ["v1"]:
            return self._answer("api/v1", request)
        if parts[:2] == ["v3", "apis"] and parts[3:] and not parts[4:]:
            return self._answer("/".join(parts[1:]), request)
        raise PageNotFoundError(path)

    def _answer(self, name: str, request: web.BaseRequest) -> web.Response:
        body, tag = self._document(name)
        headers = {"ETag": f'"{tag}"'}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers, content_type="application/json")

    def _document(self, name: str) -> tuple[bytes, str]:
        generation = self._registry.generation
        known = self._built.get(name)
        if known is not None and (known[0] == generation or not _changes(name)):
            return known[1], known[2]
        body = orjson.dumps(self._build(name))
        tag = hashlib.sha256(body).hexdigest()[:32].upper()
        self._built[name] = (generation, body, tag)
        return body, tag

    def _build(self, name: str) -> Object:
        if name == "v3":
            return {
                "paths": {
                    n: {"serverRelativeURL": f"/openapi/v3/{n}?hash={self._document(n)[1]}"} for n in self._names()
                }
            }
        group, version = ("", "v1") if name == "api/v1" else (name.split("/")[1], name.split("/")[2])
        resources = [r for r in self._registry.resources if r.group == group and version in r.versions]
        if not resources:
            raise PageNotFoundError(name)
        found = _Definitions()
        paths: Object = {}
        for resource in resources:
            reference = self._define(found, resource, version)
            paths.update(_paths(resource, version, reference))
        head = {"openapi": "3.0.0", "info": _INFO}
        return {**head, "paths": paths, "components": {"schemas": found.all}}

    def _names(self) -> list[str]:
        found = {("", "v1"): "api/v1"}
        for resource in self._registry.resources:
            for version in resource.versions:
                if resource.group:
                    found[resource.group, version] = f"apis/{resource.group}/{version}"
        return list(found.values())

    def _define(self, found: "_Definitions", resource: Resource, version: str) -> str:
        """Add the definition of a resource and the definitions to which it refers; returns its name."""
        if not resource.custom:
            name = _name(resource, version)
            found.add(name)
            return name
        custom = self._registry.crds.definitions[resource.key].versions[version].schema
        name = ".".join([*reversed(resource.group.split(".")), version, resource.kind])
        found.add(f"{_META}.ObjectMeta")
        found.all[name] = found.rewrite(_custom(custom, resource, version))
        return name


def _changes(name: str) -> bool:
    """Whether CRDs can change a document: groups without a dot are built-in."""
    return name == "v3" or "." in name


class _Definitions:
    """Collects definitions and those to which they refer."""

    def __init__(self) -> None:
        self.all: Object = {}

    def add(self, name: str) -> None:
        if name in self.all:
            return
        self.all[name] = {}
        self.all[name] = self.rewrite(definitions()[name])

    def rewrite(self, node: Any) -> Any:
        """Return a schema whose `$ref`s point to this document, and add the definitions that they name."""
        if isinstance(node, list):
            return [self.rewrite(n) for n in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):
            return self._refer(node)
        out = {k: self.rewrite(v) for k, v in node.items()}
        if isinstance(out.get("type"), list):  # JSON Schema: ["string", "null"]
            out["type"] = next(t for t in out["type"] if t != "null")
        return out

    def _refer(self, node: Object) -> Object:
        name = node["$ref"].rpartition("/")[2]
        self.add(name)
        reference = {"$ref": _SCHEMAS + name}
        rest = {k: self.rewrite(v) for k, v in node.items() if k != "$ref"}
        if not rest:
            return reference
        return {**rest, "allOf": [reference]}


def _name(resource: Resource, version: str) -> str:
    found = schemas.builtin(resource.group, version, resource.kind)
    return found.ref if found is not None else ""


def _custom(schema: Object, resource: Resource, version: str) -> Object:
    properties = schema.get("properties") or {}
    texts = definitions()["io.k8s.api.core.v1.Pod"]["properties"]
    gvk = {"group": resource.group, "version": version, "kind": resource.kind}
    return {
        **{k: v for k, v in schema.items() if k != "x-kubernetes-validations"},
        "properties": {
            "apiVersion": texts["apiVersion"],
            "kind": texts["kind"],
            **properties,
            "metadata": {
                "description": "Standard object's metadata. More info: "
                "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
                "$ref": f"#/$defs/{_META}.ObjectMeta",
            },
        },
        "x-kubernetes-group-version-kind": [gvk],
    }


def _paths(resource: Resource, version: str, reference: str) -> Object:
    """The paths of a resource with kinds, patch types and query parameters, which clients look up."""
    base = f"/apis/{resource.group}/{version}" if resource.group else f"/api/{version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    gvk = {"group": resource.group, "version": version, "kind": resource.kind}
    target = {"$ref": _SCHEMAS + reference}
    collection, one = f"{base}{scope}/{resource.plural}", f"{base}{scope}/{resource.plural}/{{name}}"

    def operation(action: str, media: tuple[str, ...] = ("application/json",)) -> Object:
        found: Object = {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk}
        found["parameters"] = [_parameter(n) for n in ("dryRun", "fieldManager", "fieldValidation")]
        found["responses"] = {"200": {"description": "OK", "content": {"application/json": {"schema": target}}}}
        if action in ("post", "put", "patch"):
            found["requestBody"] = {"content": {m: {"schema": target} for m in media}}
        return found

    patches = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"]
    if not resource.custom:
        patches.insert(2, "application/strategic-merge-patch+json")
    return {
        collection: {"get": operation("list"), "post": operation("post"), "delete": operation("deletecollection")},
        one: {
            "get": operation("get"),
            "put": operation("put"),
            "patch": operation("patch", tuple(patches)),
            "delete": operation("delete"),
        },
    }


def _parameter(name: str) -> Object:
    return {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}

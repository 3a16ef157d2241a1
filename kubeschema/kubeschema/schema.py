"""Resolved schema nodes, for merging, field ownership, decoding and patching.

`builtin` reads the published schemas of the Kubernetes API from the package kubernetes-validate; `from_crd` takes a
structural schema. Nodes resolve their children on first use and cache them, which also allows recursive types.
"""

import json
from functools import cache, cached_property, lru_cache
from importlib import resources
from typing import Any, Final

from kubeschema import golang

Object = dict[str, Any]

RELEASE: Final = "v1.36.0-local"
_REF: Final = "$ref"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_SPECIAL: Final = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intOrString",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
}
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})
_FLAG: Final = "x-kubernetes-preserve-unknown-fields"


@lru_cache(maxsize=1)
def _object_meta() -> dict[str, Object]:
    """The definitions of ObjectMeta and its parts, the only built-in types that custom resources need."""
    file = resources.files("kubeschema") / "object_meta.json"
    definitions: dict[str, Object] = json.loads(file.read_text("utf-8"))
    return definitions


def _definition(name: str) -> Object:
    return _object_meta().get(name) or _definitions()[name]


@lru_cache(maxsize=1)
def _definitions() -> dict[str, Object]:
    """The definitions of the built-in types by their full name, read once in about 15 ms.

    They need the extra `builtin`.
    """
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / RELEASE
    definitions: dict[str, Object] = json.loads((folder / "_definitions.json").read_text("utf-8"))["$defs"]
    return definitions


@lru_cache(maxsize=1)
def _kinds() -> dict[tuple[str, str, str], str]:
    """The names of definitions by (group, version, kind)."""
    return {
        (gvk["group"], gvk["version"], gvk["kind"]): name
        for name, raw in _definitions().items()
        for gvk in raw.get("x-kubernetes-group-version-kind", ())
    }


class Schema:
    """One node. Build it with `builtin` or `from_crd`.

    Attributes:
        type: object (known fields), map (any keys), list, any, or a scalar: string, integer, number, boolean,
            quantity, intOrString, time, bytes.
        atomic: a map or list that has one owner and is replaced as a whole. Scalars are atomic too.
        list_type: for lists atomic, set or map; `keys` are the map's keys.
        preserve: unknown fields are kept, and typed by what they hold.
        embedded: the object is a Kubernetes object of its own (apiVersion, kind, metadata).
        strategies: patch strategies (merge, replace, retainKeys); `merge_key` the strategic merge patch's key.
        required: the owning object demands it. `nullable`: null is a value (custom resources).
        go: a type of the API's own, whose Go struct decides what is stored (`struct`, `written`, `omitted`).
    """

    def __init__(self, raw: Object, *, go: bool, owner: str = "", name: str = "", required: bool = False) -> None:
        self.name = name
        self.go = go
        self.required = required
        self.ref: str = raw.get(_REF, "").rpartition("/")[2]
        self._raw: Object = {**_definition(self.ref), **_without_ref(raw)} if self.ref else raw
        self.type_name = self.ref.rpartition(".")[2]
        self.type: str = _type(self._raw, self.ref, go=go)
        self.preserve = bool(self._raw.get(_FLAG))
        self.embedded = bool(self._raw.get("x-kubernetes-embedded-resource"))
        self.nullable = bool(self._raw.get("nullable"))
        self.format: str = self._raw.get("format", "")
        self.strategies: tuple[str, ...] = tuple(self._raw.get("x-kubernetes-patch-strategy", "").split(","))
        self.merge_key: str = self._raw.get("x-kubernetes-patch-merge-key", "")
        self.list_type: str = self._raw.get("x-kubernetes-list-type", "atomic") if self.type == "list" else ""
        self.keys: tuple[str, ...] = tuple(self._raw.get("x-kubernetes-list-map-keys", ()))
        self.atomic = _atomic(self)
        self.struct = go and self.type == "object" and golang.is_struct(owner, name)
        self.written = go and (required or self.struct or golang.zero_written(owner, name, self.type))
        self.omitted = go and not self.written and golang.zero_omitted(owner, name, self.type)

    @cached_property
    def fields(self) -> dict[str, "Schema"]:
        """The declared properties of an object."""
        demanded = frozenset(self._raw.get("required", ()))
        return {
            name: Schema(raw, go=self.go or _REF in raw, owner=self.type_name, name=name, required=name in demanded)
            for name, raw in self._properties().items()
        }

    def _properties(self) -> dict[str, Object]:
        declared: dict[str, Object] = self._raw.get("properties", {})
        if not self.embedded:
            return declared
        text = {"type": "string"}
        return {"apiVersion": text, "kind": text, **declared, "metadata": {_REF: _META}}

    @cached_property
    def items(self) -> "Schema":
        """The element type of a list or a map; `ANYTHING` if it is not declared."""
        raw = self._raw.get("items" if self.type == "list" else "additionalProperties")
        return Schema(raw, go=self.go) if isinstance(raw, dict) else (ATOM if self.atomic else ANYTHING)

    @cached_property
    def key_defaults(self) -> dict[str, Any]:
        """The defaults of keys that an item of an associative list may omit."""
        given = {key: self.items.fields[key].raw.get("default") for key in self.keys if key in self.items.fields}
        known = golang.key_defaults(self.items.type_name) if self.go else {}
        return {key: value for key, value in {**given, **known}.items() if key in self.keys and value is not None}

    @cached_property
    def always(self) -> tuple[tuple[str, "Schema"], ...]:
        """The fields that Go writes even if they are empty."""
        return tuple((name, node) for name, node in self.fields.items() if node.written)

    @property
    def raw(self) -> Object:
        """The raw schema, with descriptions and limits."""
        return self._raw

    def child(self, name: str) -> "Schema | None":
        """The type of the field `name`; None if it is not declared."""
        if self.type == "object":
            node = self.fields.get(name)
            if node is not None:
                return node
            return ANYTHING if self.preserve else None
        if self.type == "map":
            return self.items
        return ATOM if self.atomic else ANYTHING


def _without_ref(raw: Object) -> Object:
    return {key: value for key, value in raw.items() if key not in {_REF, "description"}}


def _type(raw: Object, ref: str, *, go: bool) -> str:
    if ref in _SPECIAL:
        return _SPECIAL[ref]
    if raw.get("x-kubernetes-int-or-string"):
        return "intOrString"
    declared = raw.get("type", "")
    name = declared if isinstance(declared, str) else declared[0]
    if name in _SCALARS:
        return "bytes" if raw.get("format") == "byte" and go else name
    return "list" if name == "array" else _map_type(raw, name)


def _map_type(raw: Object, declared: str) -> str:
    if "properties" in raw or raw.get("x-kubernetes-embedded-resource"):
        return "object"
    if isinstance(raw.get("additionalProperties"), dict):
        return "map"
    return "any" if raw.get(_FLAG) or declared != "object" or raw.get("additionalProperties") else "object"


def _atomic(node: Schema) -> bool:
    if node.type == "list":
        return node.list_type == "atomic"
    if node.type in {"object", "map"}:
        return bool(node.raw.get("x-kubernetes-map-type") == "atomic")
    return node.type != "any" or node.go


ANYTHING: Final = Schema({_FLAG: True}, go=False)
"""A value of no declared type: maps merge field by field, lists and scalars are atomic."""
ATOM: Final = Schema({_FLAG: True}, go=True)
"""A value of no declared type within something atomic."""


@cache
def builtin(group: str, version: str, kind: str) -> Schema | None:
    """The schema of a built-in kind of Kubernetes 1.36; None if there is no such kind."""
    name = _kinds().get((group, version, kind))
    return Schema({_REF: f"#/$defs/{name}"}, go=True) if name else None


def from_crd(open_api_v3_schema: Object) -> Schema:
    """The schema of a custom resource, with apiVersion, kind and the standard metadata in the root."""
    return Schema({**open_api_v3_schema, "x-kubernetes-embedded-resource": True}, go=False)

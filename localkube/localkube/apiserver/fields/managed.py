"""metadata.managedFields: which manager owns which field, and how writes other than server-side apply change this."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from kubeschema import decode
from kubeschema.schema import Schema
from localkube.apiserver.fields.fieldset import (
    LEAF,
    MEMBER,
    FieldSet,
    difference,
    intersection,
    ordered,
    union,
    without,
)
from localkube.apiserver.fields.typed import TypedError, compare

Object = dict[str, Any]
Identity = tuple[str, str, str, str]
"""Manager, operation, apiVersion and subresource: what tells two entries apart."""

_STRIPPED: Final[FieldSet] = {
    "f:apiVersion": LEAF,
    "f:kind": LEAF,
    "f:metadata": {
        MEMBER: LEAF,
        "f:name": LEAF,
        "f:namespace": LEAF,
        "f:creationTimestamp": LEAF,
        "f:selfLink": LEAF,
        "f:uid": LEAF,
        "f:clusterName": LEAF,
        "f:generation": LEAF,
        "f:managedFields": LEAF,
        "f:resourceVersion": LEAF,
    },
}
"""What nobody owns: the server's own metadata, and what names the object."""
_NOT_STATUS: Final[FieldSet] = {"f:spec": LEAF}
_STATUS: Final[FieldSet] = {"f:status": LEAF}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of metadata.managedFields. Some entries have no `time`."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    fields: FieldSet
    time: str = ""

    @property
    def identity(self) -> Identity:
        """The identity of the manager. For Apply it does not depend on the API version."""
        version = "" if self.operation == "Apply" else self.api_version
        return self.manager, self.operation, version, self.subresource

    @property
    def described(self) -> str:
        """The manager in messages of conflicts: `"kubectl" with subresource "status" using apps/v1`."""
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return text if self.operation == "Apply" else f"{text} using {self.api_version}"

    def to_json(self) -> Object:
        out: Object = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
        }
        if not self.time:
            del out["time"]
        out |= {"fieldsType": "FieldsV1", "fieldsV1": self.fields}
        return {**out, "subresource": self.subresource} if self.subresource else out


Managers = dict[Identity, Entry]


def read(obj: Object | None) -> Managers:
    """The managers of an object. Like the server, it ignores invalid entries."""
    entries = ((obj or {}).get("metadata") or {}).get("managedFields") or ()
    out: Managers = {}
    for raw in entries:
        if raw.get("fieldsType") != "FieldsV1" or not isinstance(raw.get("fieldsV1"), dict):
            continue
        known = {key: raw.get(key, "") for key in ("manager", "operation", "subresource", "time")}
        entry = Entry(api_version=raw.get("apiVersion", ""), fields=raw["fieldsV1"], **known)
        out[entry.identity] = entry
    return out


def write(obj: Object, managers: Managers) -> Object:
    """Set the managers of `obj`, sorted like the server's: by operation, time, name."""
    entries = sorted(managers.values(), key=lambda e: (e.operation, e.time, e.manager, e.api_version, e.subresource))
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}
    if entries:
        metadata["managedFields"] = [entry.to_json() for entry in entries]
    return {**obj, "metadata": metadata}


def ignored_fields(has_status: bool, subresource: str) -> FieldSet:
    """The fields that a write to the endpoint resets, so that the writer does not own them."""
    if subresource == "status":
        return _NOT_STATUS
    return _STATUS if has_status and not subresource else {}


def own(fields: FieldSet) -> FieldSet:
    """The fields that can have an owner."""
    return difference(fields, _STRIPPED)


@lru_cache(maxsize=256)
def blank(schema: Schema) -> Object:
    """The empty object with which the server compares a new one: Go structs that are always present."""
    return decode.fill(schema, {}) if schema.go else {}


def bare(obj: Object) -> Object:
    """The object without its managedFields."""
    metadata = obj.get("metadata")
    if not metadata or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def take(
    managers: Managers, taken: FieldSet, lost: FieldSet, *, but: tuple[str, str, str, str] | None = None
) -> Managers:
    """The managers after another one changed `taken` and removed `lost`. Managers without fields are removed."""
    out = {}
    for identity, entry in managers.items():
        if identity != but:
            fields = difference(difference(entry.fields, taken), lost)
            if fields:
                out[identity] = entry if fields == entry.fields else replace(entry, fields=fields)
        elif entry.fields:
            out[identity] = entry
    return out


def conflicts(managers: Managers, taken: FieldSet, *, but: Identity) -> list[tuple[Entry, FieldSet]]:
    """The other owners of fields in `taken`, and those fields, in the order of messages."""
    found = [
        (entry, intersection(entry.fields, taken)) for identity, entry in sorted(managers.items()) if identity != but
    ]
    return [(entry, fields) for entry, fields in found if fields]


def changes(schema: Schema, live: Object, new: Object, ignored: FieldSet) -> tuple[FieldSet, FieldSet]:
    """The added or changed fields, and the removed fields, without those that the endpoint resets."""
    changed, removed = compare(schema, live, new)
    return without(changed or {}, ignored), without(removed or {}, ignored)


def on_update(  # noqa: PLR0913 - the parameters of the request itself
    schema: Schema,
    live: Object | None,
    new: Object,
    *,
    manager: str,
    api_version: str,
    now: str,
    subresource: str = "",
    ignored: FieldSet | None = None,
) -> Object:
    """Set the managedFields of `new` after `manager` created, replaced or patched the object.

    The time of a manager changes only if it gets fields. `managedFields: [{}]` in `new` resets them; entries in `new`
    replace the live ones, except in a subresource.
    """
    if live is not None and _resets(new):
        return write(new, {})
    managers = (read(new) if not subresource else {}) or read(live)
    if live is not None and not managers:
        return write(new, {})
    before = bare(live) if live is not None else blank(schema)
    try:
        changed, removed = changes(schema, before, bare(new), ignored or {})
    except TypedError:
        return write(new, {})  # like the server; validation reports what does not match the schema
    managers = take(managers, changed, removed)
    taken = own(changed)
    if taken:
        entry = Entry(manager, "Update", api_version, subresource, taken, now)
        previous = managers.get(entry.identity)
        managers[entry.identity] = replace(entry, fields=ordered(union(previous.fields, taken) if previous else taken))
    return write(new, managers)


def _resets(new: Object) -> bool:
    entries: Iterable[Any] = (new.get("metadata") or {}).get("managedFields") or ()
    return [entry for entry in entries if any(entry.values())] == [] != list(entries)


def on_scale(live: Object, new: Object, *, manager: str, api_version: str, path: FieldSet) -> Object:
    """Set the managedFields of `new` after a manager changed the scale subresource: the manager owns `path`.

    `path` is e.g. {"f:spec": {"f:replicas": {}}}. Like the server's, the entry has no time. If the replicas had no
    owner, for example because they were defaulted, they have none afterwards.
    """
    before = read(live)
    if not any(intersection(entry.fields, path) for entry in before.values()):
        return new
    managers = take(before, path, {})
    entry = Entry(manager, "Update", api_version, "scale", path)
    return write(new, {**managers, entry.identity: entry})

"""Server-side apply: merges an applied configuration into the live object, with ownership and conflicts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kubeschema.errors import Cause, FieldsError, bad_request
from kubeschema.schema import Schema
from localkube.apiserver.fields import managed
from localkube.apiserver.fields.fieldset import (
    FieldSet,
    contains,
    difference,
    intersection,
    ordered,
    paths,
    union,
    without,
)
from localkube.apiserver.fields.managed import Entry, Managers
from localkube.apiserver.fields.typed import TypedError, fields_of, merge, remove, with_parents

Object = dict[str, Any]


def apply(  # noqa: PLR0913 - the parameters of the request itself
    schema: Schema,
    live: Object | None,
    applied: Object,
    *,
    manager: str,
    api_version: str,
    now: str,
    force: bool = False,
    subresource: str = "",
    ignored: FieldSet | None = None,
    default: Callable[[Object], Object] | None = None,
) -> Object:
    """Return the object after `manager` has applied `applied`, or `live` itself if nothing changes.

    `default` decodes the merged object and sets defaults. FieldsError: 400 if the configuration has managedFields, 409
    with the conflicts unless `force`, 500 if it does not match the schema.
    """
    if (applied.get("metadata") or {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    owned_fields = without(_applied_fields(schema, applied), ignored or {})
    entry = Entry(manager, "Apply", api_version, subresource, ordered(owned_fields), now)
    base = managed.bare(live) if live is not None else managed.blank(schema)
    merger = _Merger(schema, base, managed.read(live) or _before_first_apply(schema, live, now))
    merged, managers = merger.apply(applied, entry, ignored or {}, force=force)
    result = default(merged) if default else merged
    return _with_managers(live, result, merger.managers, managers, entry)


def _applied_fields(schema: Schema, applied: Object) -> FieldSet:
    """All fields of the configuration, including those without owners, so that pruning keeps the object's name."""
    try:
        return fields_of(schema, applied) or {}
    except TypedError as error:
        metadata = applied.get("metadata") or {}
        kind = f"{applied.get('apiVersion', '')}, Kind={applied.get('kind', '')}"
        kind = kind if "/" in kind.partition(",")[0] else f"/{kind}"
        name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        raise FieldsError(500, "", f"failed to create typed patch object ({name}; {kind}): {error}") from error


def _before_first_apply(schema: Schema, live: Object | None, now: str) -> Managers:
    """The manager `before-first-apply`, which owns all fields of an object without managedFields."""
    if live is None:
        return {}
    fields = managed.own(managed.changes(schema, managed.blank(schema), managed.bare(live), {})[0])
    entry = Entry("before-first-apply", "Update", live.get("apiVersion", ""), "", ordered(fields), now)
    return {entry.identity: entry}


class _Merger:
    """Merges one configuration into the live object and its managers."""

    def __init__(self, schema: Schema, live: Object, managers: Managers) -> None:
        self.schema = schema
        self.live = live
        self.managers = managers

    def apply(self, applied: Object, entry: Entry, ignored: FieldSet, *, force: bool) -> tuple[Object, Managers]:
        """Return the merged object and its managers. Raises FieldsError 409."""
        previous = self.managers.get(entry.identity)
        managers = {**self.managers, entry.identity: entry}
        try:
            merged = merge(self.schema, self.live, applied)
            if previous is not None and not contains(entry.fields, previous.fields):
                merged = self._prune(merged, managers, previous.fields)
        except TypedError as error:
            raise FieldsError(500, "", f"failed to merge: {error}") from error
        changed, removed = managed.changes(self.schema, self.live, merged, ignored)
        if changed or removed:
            if not force:
                self._refuse(managers, changed, entry)
            managers = managed.take(managers, changed, removed, but=entry.identity)
        owned = managed.own(entry.fields)
        if owned:
            return merged, {**managers, entry.identity: replace(entry, fields=owned)}
        return merged, {identity: other for identity, other in managers.items() if identity != entry.identity}

    def _refuse(self, managers: Managers, changed: FieldSet, entry: Entry) -> None:
        """Raise FieldsError 409 if another manager owns a changed field."""
        lost = managed.conflicts(managers, changed, but=entry.identity)
        if lost:
            raise _conflict(lost)

    def _prune(self, merged: Object, managers: Managers, last: FieldSet) -> Object:
        """Remove fields that the manager applied before, does not apply now, and no other manager owns."""
        schema = self.schema
        owned: FieldSet = {}
        for entry in managers.values():
            owned = union(owned, entry.fields)
        dropped = with_parents(schema, last)
        everything = with_parents(schema, fields_of(schema, merged, unique=False) or {})
        kept = self._fields(remove(schema, merged, dropped))
        unowned = difference(everything, union(kept, with_parents(schema, owned)))
        left = self._fields(remove(schema, merged, unowned))
        pruned: Object = remove(schema, merged, intersection(difference(everything, left), dropped))
        return pruned

    def _fields(self, value: Any) -> FieldSet:
        return with_parents(self.schema, fields_of(self.schema, value, unique=False) or {})


def _conflict(lost: list[tuple[Entry, FieldSet]]) -> FieldsError:
    found = [(entry.described, path) for entry, fields in lost for path in paths(fields)]
    causes = [Cause("FieldManagerConflict", f"conflict with {who}", path) for who, path in found]
    if len(found) == 1:
        who, path = found[0]
        return FieldsError(409, "Conflict", f"Apply failed with 1 conflict: conflict with {who}: {path}", causes)
    lines = []
    for entry, fields in lost:
        lines.append(f"conflicts with {entry.described}:")
        lines += [f"- {path}" for path in paths(fields)]
    return FieldsError(409, "Conflict", f"Apply failed with {len(found)} conflicts: " + "\n".join(lines), causes)


def _with_managers(live: Object | None, result: Object, before: Managers, after: Managers, entry: Entry) -> Object:
    """Return the result with its managers, or the live object, which keeps the times, if nothing else changed."""
    if live is None or managed.bare(live) != managed.bare(result):
        return managed.write(result, after)
    previous, present = before.get(entry.identity), after.get(entry.identity)
    if present is not None:
        # A time changes only with the object: a manager that shares existing fields gets no time.
        after = {**after, entry.identity: replace(present, time=previous.time if previous else "")}
    return live if after == before else managed.write(result, after)

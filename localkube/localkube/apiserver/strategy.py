"""Strategies, as in k8s.io/apiserver: how a kind is decoded, defaulted and validated on writes."""

from typing import Protocol

from kubeschema import decode, schema
from kubeschema.decode import Decoded
from kubeschema.errors import Cause
from kubeschema.kinds import defaults, validation
from kubeschema.schema import Schema
from localkube.apiserver.fields import managed, prepare
from localkube.apiserver.fields.fieldset import FieldSet
from localkube.apiserver.resources import Resource
from localkube.meta.status import Object, not_implemented


class Strategy(Protocol):
    """The strategy of one version of one resource."""

    schema: Schema

    def decode(self, obj: Object) -> Decoded:
        """Decode an object; unknown fields are pruned and returned as problems."""
        ...

    def default(self, obj: Object) -> Object:
        """Set defaults."""
        ...

    def prepare_create(self, obj: Object) -> Object:
        """Set the fields that only the server sets on a new object, after managedFields are computed."""
        ...

    def ignored(self, subresource: str) -> FieldSet:
        """Fields that a write to this subresource, or "", does not change."""
        ...

    def validate_create(self, obj: Object) -> list[Cause]:
        """Validate a new object."""
        ...

    def validate_update(self, old: Object, new: Object, subresource: str) -> list[Cause]:
        """Validate a change."""
        ...


class BuiltIn:
    """The strategy of a built-in kind."""

    def __init__(self, resource: Resource, version: str) -> None:
        self._gvk = (resource.group, version, resource.kind)
        self._resource = resource
        found = schema.builtin(*self._gvk)
        if found is None:
            raise not_implemented(f"{resource.group_version(version)} {resource.kind}")
        self.schema = found

    def decode(self, obj: Object) -> Decoded:
        return decode.decode(self.schema, obj, self._gvk)

    def default(self, obj: Object) -> Object:
        return defaults.default(self._gvk, obj)

    def prepare_create(self, obj: Object) -> Object:
        return prepare.prepare_create(self._gvk, obj, generation=self._resource.generation)

    def ignored(self, subresource: str) -> FieldSet:
        return managed.ignored_fields(self._resource.status, subresource)

    def validate_create(self, obj: Object) -> list[Cause]:
        return validation.validate_create(self._gvk, obj, namespaced=self._resource.namespaced)

    def validate_update(self, old: Object, new: Object, subresource: str) -> list[Cause]:
        namespaced = self._resource.namespaced
        return validation.validate_update(self._gvk, old, new, subresource=subresource, namespaced=namespaced)

"""What the server does to an object of one kind on its way in; custom resources have a strategy of their own."""

from typing import Protocol

from kubeschema import decode, schema
from kubeschema.decode import Decoded
from kubeschema.errors import Cause
from kubeschema.schema import Schema
from localkube.apiserver.fields import defaults, managed, prepare, validation
from localkube.apiserver.fields.fieldset import FieldSet
from localkube.apiserver.resources import Resource
from localkube.meta.status import Object, not_implemented


class Strategy(Protocol):
    """How objects of one version of one resource are read, completed and checked."""

    schema: Schema

    def decode(self, obj: Object) -> Decoded:
        """The object as the server understands it, with what it did not understand."""
        ...

    def default(self, obj: Object) -> Object:
        """The object with defaults."""
        ...

    def prepare_create(self, obj: Object) -> Object:
        """What only the server may set on a new object, after its managers are known."""
        ...

    def ignored(self, subresource: str) -> FieldSet:
        """Fields that a write through this (sub)resource cannot change."""
        ...

    def validate_create(self, obj: Object) -> list[Cause]:
        """What is wrong with a new object."""
        ...

    def validate_update(self, old: Object, new: Object, subresource: str) -> list[Cause]:
        """What is wrong with a change."""
        ...


class BuiltIn:
    """The strategy of a kind whose schema ships with Kubernetes."""

    def __init__(self, resource: Resource, version: str) -> None:
        self._gvk = (resource.group, version, resource.kind)
        self._status = resource.status
        found = schema.builtin(*self._gvk)
        if found is None:
            raise not_implemented(f"{resource.group_version(version)} {resource.kind}")
        self.schema = found

    def decode(self, obj: Object) -> Decoded:
        return decode.decode(self.schema, obj, self._gvk)

    def default(self, obj: Object) -> Object:
        return defaults.default(self._gvk, obj)

    def prepare_create(self, obj: Object) -> Object:
        return prepare.prepare_create(self._gvk, obj)

    def ignored(self, subresource: str) -> FieldSet:
        return managed.ignored_fields(self._status, subresource)

    def validate_create(self, obj: Object) -> list[Cause]:
        return validation.validate_create(self._gvk, obj)

    def validate_update(self, old: Object, new: Object, subresource: str) -> list[Cause]:
        return validation.validate_update(self._gvk, old, new, subresource=subresource)

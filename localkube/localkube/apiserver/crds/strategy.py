"""The strategies of custom resources and of CustomResourceDefinitions."""

from kubeschema import decode
from kubeschema import schema as schemas
from kubeschema.decode import Decoded
from kubeschema.errors import Cause
from kubeschema.kinds import validation
from localkube.apiserver import scale
from localkube.apiserver.crds import definition as definitions
from localkube.apiserver.crds.definition import Definition
from localkube.apiserver.fields import crd_defaults, managed
from localkube.apiserver.fields.fieldset import FieldSet
from localkube.apiserver.resources import Resource
from localkube.apiserver.strategy import BuiltIn
from localkube.meta.status import Object

# Errors after which the server does not evaluate CEL rules, because the rules could fail on them.
_BLOCKING = frozenset(
    ("FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid")
)
_UNCHECKED = Cause(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    "<nil>",
)


class Custom:
    """The strategy of a version of a custom resource."""

    def __init__(self, definition: Definition, version: str) -> None:
        self._resource = definition.resource
        self._version = definition.versions[version]
        self.schema = schemas.from_crd(self._version.schema)

    def decode(self, obj: Object) -> Decoded:
        return decode.prune(self.schema, obj)

    def default(self, obj: Object) -> Object:
        return crd_defaults.default_crd(self._version.schema, obj)

    def prepare_create(self, obj: Object) -> Object:
        obj = {**obj, "metadata": {**obj["metadata"], "generation": 1}}
        if self._version.status:
            obj.pop("status", None)
        return obj

    def ignored(self, subresource: str) -> FieldSet:
        return managed.ignored_fields(self._version.status, subresource)

    def validate_create(self, obj: Object) -> list[Cause]:
        return self._validate(obj, None)

    def validate_update(self, old: Object, new: Object, subresource: str) -> list[Cause]:
        del subresource
        causes = self._validate(new, old)
        return [*_finalizers(old, new), *causes]

    def _validate(self, obj: Object, old: Object | None) -> list[Cause]:
        causes = validation.validate_metadata(obj, namespaced=self._resource.namespaced)
        causes += validation.validate_value(self._version.schema, obj)
        causes += scale.invalid_replicas(self._resource, obj)
        if causes and old is not None:
            before = set(validation.validate_value(self._version.schema, old))
            causes = [c for c in causes if c not in before]  # ratcheting: what was stored stays acceptable
        if self._version.rules.empty:
            return causes
        if any(c.reason in _BLOCKING for c in causes):
            return [*causes, _UNCHECKED]
        rules = self._version.rules
        return causes + (rules.check(obj) if old is None else rules.check(obj, old))


def _finalizers(old: Object, new: Object) -> list[Cause]:
    if "deletionTimestamp" not in old["metadata"]:
        return []
    had = old["metadata"].get("finalizers") or ()
    added = [f for f in new["metadata"].get("finalizers") or () if f not in had]
    if not added:
        return []
    listed = ", ".join(f'"{f}"' for f in added)
    message = (
        "Forbidden: no new finalizers can be added if the object is being deleted, "
        f"found new finalizers []string{{{listed}}}"
    )
    return [Cause("FieldValueForbidden", message, "metadata.finalizers")]


class CrdStrategy(BuiltIn):
    """The strategy of CustomResourceDefinitions."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource, "v1")

    def default(self, obj: Object) -> Object:
        return definitions.completed(super().default(obj))

    def validate_create(self, obj: Object) -> list[Cause]:
        return [*super().validate_create(obj), *definitions.problems(obj)]

    def validate_update(self, old: Object, new: Object, subresource: str) -> list[Cause]:
        causes = super().validate_update(old, new, subresource)
        if subresource or old.get("spec") == new.get("spec"):
            return causes
        return [*causes, *definitions.problems(new)]

"""Validation of ObjectMeta and of label selectors."""

from collections.abc import Callable
from typing import Any, Final

from kubeschema import names
from kubeschema.errors import Cause, forbidden, go_json, invalid, not_supported, required, too_long

Object = dict[str, Any]

NameRule = Callable[[str], list[str]]
_RULES: Final[dict[str, NameRule]] = {
    "subdomain": names.subdomain,
    "label": names.label,
    "label1035": names.label_1035,
    "path": names.path_segment,
}
_ANNOTATIONS_LIMIT: Final = 256 * 1024
_STANDARD_FINALIZERS: Final = frozenset({"foregroundDeletion", "orphan", "kubernetes"})
_SETS: Final = frozenset({"In", "NotIn"})
_EXISTENCE: Final = frozenset({"Exists", "DoesNotExist"})
IMMUTABLE: Final = "field is immutable"


def validate_metadata(
    obj: Object, *, namespaced: bool, name_rule: str = "subdomain", path: str = "metadata"
) -> list[Cause]:
    """Validate the metadata of an object. `name_rule` is subdomain, label, label1035 or path."""
    metadata = obj.get("metadata") or {}
    out = []
    name = metadata.get("name", "")
    if not name:
        out.append(required(f"{path}.name", "name or generateName is required"))
    else:
        out += [invalid(f"{path}.name", name, text) for text in _RULES[name_rule](name)]
    if namespaced and not metadata.get("namespace"):
        out.append(required(f"{path}.namespace"))
    out += labels(metadata.get("labels"), f"{path}.labels")
    out += annotations(metadata.get("annotations"), f"{path}.annotations")
    out += _owners(metadata.get("ownerReferences") or [], f"{path}.ownerReferences")
    return out + _finalizers(metadata.get("finalizers") or [], f"{path}.finalizers")


def labels(given: Object | None, path: str) -> list[Cause]:
    """Validate labels."""
    out = []
    for key, value in (given or {}).items():
        out += [invalid(path, key, text) for text in names.qualified(key)]
        out += [invalid(path, value, text) for text in names.label_value(value)]
    return out


def annotations(given: Object | None, path: str) -> list[Cause]:
    """Validate annotations."""
    entries = given or {}
    out = [invalid(path, key, text) for key in entries for text in names.qualified(key.lower())]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in entries.items())
    return [*out, too_long(path, _ANNOTATIONS_LIMIT)] if size > _ANNOTATIONS_LIMIT else out


def _owners(owners: list[Object], path: str) -> list[Cause]:
    out = []
    for at, owner in enumerate(owners):
        if not owner.get("apiVersion"):
            out.append(invalid(f"{path}[{at}].apiVersion", "", "version must not be empty"))
        out += [
            invalid(f"{path}[{at}].{field}", "", "must not be empty")
            for field in ("kind", "name", "uid")
            if not owner.get(field)
        ]
    controllers = [owner.get("name", "") for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        found = f"{controllers[0]} and {controllers[1]}"
        message = f'Only one reference can have Controller set to true. Found "true" in references for {found}'
        out.append(invalid(path, owners, message))
    return out


def _finalizers(finalizers: list[str], path: str) -> list[Cause]:
    out = []
    for name in finalizers:
        wrong = names.qualified(name)
        out += [invalid(path, name, text) for text in wrong]
        if not wrong and "/" not in name and name not in _STANDARD_FINALIZERS:
            message = "name is neither a standard finalizer name nor is it fully qualified"
            out.append(invalid(path, name, message))
    return out


def validate_metadata_update(old: Object, new: Object) -> list[Cause]:
    """Validate an update of metadata: immutable fields, and no new finalizers while the object is being deleted."""
    before, after = old.get("metadata") or {}, new.get("metadata") or {}
    out = [
        invalid(f"metadata.{field}", after.get(field), IMMUTABLE)
        for field in ("name", "namespace", "uid", "creationTimestamp")
        if after.get(field) != before.get(field)
    ]
    had = before.get("finalizers") or ()
    added = [name for name in after.get("finalizers") or () if name not in had]
    if before.get("deletionTimestamp") and added:
        listed = ", ".join(go_json(name) for name in added)
        message = (
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
        )
        out += [forbidden("metadata.finalizers", message)] * 2  # the real server checks it twice
    return out


def selector(given: Object | None, path: str) -> list[Cause]:
    """Validate a metav1.LabelSelector."""
    if not given:
        return []
    out = []
    for key, value in (given.get("matchLabels") or {}).items():
        out += [invalid(f"{path}.matchLabels", key, text) for text in names.qualified(key)]
        out += [invalid(f"{path}.matchLabels", value, text) for text in names.label_value(value)]
    for at, expression in enumerate(given.get("matchExpressions") or ()):
        out += _expression(expression, f"{path}.matchExpressions[{at}]")
    return out


def _expression(expression: Object, path: str) -> list[Cause]:
    operator, values = expression.get("operator", ""), expression.get("values") or []
    out = []
    if operator in _SETS:
        if not values:
            out.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in _EXISTENCE:
        if values:
            message = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            out.append(forbidden(f"{path}.values", message))
    else:
        out.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    key = expression.get("key", "")
    return out + [invalid(f"{path}.key", key, text) for text in names.qualified(key)]


def selects(given: Object, labelled: Object) -> bool:
    """Whether a label selector matches labels."""
    wanted = given.get("matchLabels") or {}
    if any(labelled.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(expression, labelled) for expression in given.get("matchExpressions") or ())


def _holds(expression: Object, labelled: Object) -> bool:
    operator, key = expression.get("operator", ""), expression.get("key", "")
    if operator in _EXISTENCE:
        return bool((key in labelled) == (operator == "Exists"))
    chosen = labelled.get(key) in (expression.get("values") or ())
    return bool(chosen == (operator == "In"))


def one_of(value: Any, supported: tuple[str, ...], path: str) -> list[Cause]:
    """Validate a required field with fixed values."""
    if not value:
        return [required(path)]
    return [] if value in supported else [not_supported(path, value, supported)]


def at_least(value: Any, least: int, path: str) -> list[Cause]:
    """Validate an optional number: at least `least`."""
    if value is None or value >= least:
        return []
    return [invalid(path, value, f"must be greater than or equal to {least}")]


def immutable(old: Any, new: Any, path: str) -> list[Cause]:
    """Validate that a field does not change."""
    return [] if old == new else [invalid(path, new, IMMUTABLE)]

"""Validation of ConfigMaps, Secrets, Leases, Events, ControllerRevisions, RBAC and other small kinds."""

import base64
import json
from collections.abc import Callable
from typing import Any, Final

from kubeschema import names
from kubeschema.errors import Cause, forbidden, invalid, not_supported, required, too_long
from kubeschema.metadata_rules import at_least, immutable

Object = dict[str, Any]

_SIZE_LIMIT: Final = 1024 * 1024
_FROZEN: Final = "field is immutable when `immutable` is set"
_DOCKER: Final = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
_ACCOUNT: Final = "kubernetes.io/service-account.name"
_SUBJECTS: Final = ("Group", "ServiceAccount", "User")


def _keys(data: Object, path: str) -> list[Cause]:
    return [invalid(f"{path}[{key}]", key, text) for key in data for text in names.config_key(key)]


def config_map(obj: Object) -> list[Cause]:
    """Validate a ConfigMap without its metadata."""
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    out = _keys(data, "data")
    for key in data.keys() & binary.keys():
        out.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
    out += _keys(binary, "binaryData")
    size = sum(len(text.encode()) for text in data.values()) + sum(len(text) * 3 // 4 for text in binary.values())
    return [*out, too_long("", _SIZE_LIMIT)] if size > _SIZE_LIMIT else out


def _frozen(old: Object, new: Object, fields: tuple[str, ...]) -> list[Cause]:
    if not old.get("immutable"):
        return []
    out = [] if new.get("immutable") else [forbidden("immutable", _FROZEN)]
    return out + [forbidden(field, _FROZEN) for field in fields if old.get(field) != new.get(field)]


def config_map_update(old: Object, new: Object) -> list[Cause]:
    """Validate an update of a ConfigMap, which may be immutable."""
    return _frozen(old, new, ("data", "binaryData"))


def secret(obj: Object) -> list[Cause]:
    """Validate a Secret without its metadata. Errors do not contain values."""
    data = obj.get("data") or {}
    out = _keys(data, "data")
    if sum(len(text) * 3 // 4 for text in data.values()) > _SIZE_LIMIT:
        out.append(too_long("data", _SIZE_LIMIT))
    return out + _typed(obj, data)


def _typed(obj: Object, data: Object) -> list[Cause]:
    kind = obj.get("type", "")
    if kind == "kubernetes.io/tls":
        return [required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data]
    if kind == "kubernetes.io/basic-auth" and not data.keys() & {"username", "password"}:
        return [required(f"data[{key}]") for key in ("username", "password")]
    if kind == "kubernetes.io/ssh-auth" and not data.get("ssh-privatekey"):
        return [required("data[ssh-privatekey]")]
    if kind == "kubernetes.io/service-account-token":
        annotations = (obj.get("metadata") or {}).get("annotations") or {}
        return [] if annotations.get(_ACCOUNT) else [required(f"metadata.annotations[{_ACCOUNT}]")]
    return _docker(_DOCKER[kind], data) if kind in _DOCKER else []


def _docker(key: str, data: Object) -> list[Cause]:
    if key not in data:
        return [required(f"data[{key}]")]
    try:
        json.loads(base64.b64decode(data[key]))
    except ValueError:
        return [Cause("FieldValueInvalid", 'Invalid value: "<secret contents redacted>": invalid json', f"data[{key}]")]
    return []


def secret_update(old: Object, new: Object) -> list[Cause]:
    """Validate an update of a Secret: its type is immutable, and the Secret may be."""
    return immutable(old.get("type"), new.get("type"), "type") + _frozen(old, new, ("data",))


def lease(obj: Object) -> list[Cause]:
    """Validate a Lease without its metadata."""
    spec = obj.get("spec") or {}
    out = []
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        out.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    out += at_least(spec.get("leaseTransitions"), 0, "spec.leaseTransitions")
    if spec.get("holderIdentity") == "":
        out.append(invalid("spec.holderIdentity", "", "must not be empty"))
    return out


def event(obj: Object) -> list[Cause]:
    """Validate a core Event without its metadata."""
    involved = (obj.get("involvedObject") or {}).get("namespace", "")
    own = (obj.get("metadata") or {}).get("namespace", "")
    if involved == own or (not involved and own == "default"):
        return []
    return [invalid("involvedObject.namespace", involved, "does not match event.namespace")]


def controller_revision(obj: Object) -> list[Cause]:
    """Validate a ControllerRevision without its metadata."""
    out = at_least(obj.get("revision"), 0, "revision")
    data = obj.get("data")
    if isinstance(data, dict):
        return out
    return [*out, required("data", "data is mandatory" if data is None else "data must be a valid JSON object")]


def controller_revision_update(old: Object, new: Object) -> list[Cause]:
    """Validate an update of a ControllerRevision: its data is immutable."""
    return immutable(old.get("data"), new.get("data"), "data")


def role_binding(obj: Object) -> list[Cause]:
    """Validate a RoleBinding or ClusterRoleBinding without its metadata."""
    reference = obj.get("roleRef") or {}
    kinds = ("ClusterRole", "Role")
    out = []
    if reference.get("kind") not in kinds:
        out.append(not_supported("roleRef.kind", reference.get("kind", ""), kinds))
    if not reference.get("name"):
        out.append(required("roleRef.name"))
    for at, subject in enumerate(obj.get("subjects") or ()):
        here = f"subjects[{at}]"
        if not subject.get("name"):
            out.append(required(f"{here}.name"))
        if subject.get("kind") not in _SUBJECTS:
            out.append(not_supported(f"{here}.kind", subject.get("kind", ""), _SUBJECTS))
        elif subject["kind"] == "ServiceAccount" and not subject.get("namespace"):
            out.append(required(f"{here}.namespace"))
    return out


def role_binding_update(old: Object, new: Object) -> list[Cause]:
    """Validate an update of a binding: its roleRef is immutable."""
    return [] if old["roleRef"] == new["roleRef"] else [invalid("roleRef", new["roleRef"], "cannot change roleRef")]


def role(obj: Object) -> list[Cause]:
    """Validate a Role or ClusterRole without its metadata."""
    out = []
    for at, rule in enumerate(obj.get("rules") or ()):
        here = f"rules[{at}]"
        if not rule.get("verbs"):
            out.append(required(f"{here}.verbs", "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            out.append(required(f"{here}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            out.append(required(f"{here}.resources", "resource rules must supply at least one resource"))
    return out


def scale(obj: Object) -> list[Cause]:
    """Validate an autoscaling/v1 Scale without its metadata."""
    return at_least((obj.get("spec") or {}).get("replicas"), 0, "spec.replicas")


Rule = Callable[[Object], list[Cause]]
UpdateRule = Callable[[Object, Object], list[Cause]]

"""Validation of pod specs and pods."""

from collections.abc import Sequence
from typing import Any, Final

from kubeschema import names
from kubeschema.errors import Cause, forbidden, invalid, not_supported, required
from kubeschema.kinds.affinity_rules import affinity
from kubeschema.kinds.choice_rules import pod_choices, runtime_class
from kubeschema.kinds.container_rules import containers, unique_name
from kubeschema.kinds.pod_detail_rules import min_domains, pod_details, toleration_key, volume_files
from kubeschema.metadata_rules import at_least, labels, one_of, selector

Object = dict[str, Any]

_RESTARTS: Final = ("Always", "OnFailure", "Never")
_DNS: Final = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_WITH_FILES: Final = frozenset({"secret", "configMap"})
_UNSATISFIABLE: Final = ("DoNotSchedule", "ScheduleAnyway")
_NEEDED: Final = {"secret": "secretName", "configMap": "name", "persistentVolumeClaim": "claimName", "hostPath": "path"}
_NO_CHANGE: Final = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_spec(spec: Object, path: str, restarts: tuple[str, ...] = _RESTARTS) -> list[Cause]:
    """Validate a pod spec; `restarts` are the restart policies that the owner allows."""
    volumes, out = _volumes(spec.get("volumes") or (), f"{path}.volumes")
    if not spec.get("containers"):
        out.append(required(f"{path}.containers"))
    taken: set[str] = set()
    for name in ("containers", "initContainers"):
        out += containers(spec.get(name) or (), f"{path}.{name}", volumes, taken)
    policy = spec.get("restartPolicy")
    if not policy:
        out.append(required(f"{path}.restartPolicy"))
    elif policy not in restarts:
        out.append(not_supported(f"{path}.restartPolicy", policy, restarts))
    out += one_of(spec.get("dnsPolicy"), _DNS, f"{path}.dnsPolicy")
    out += labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    out += at_least(spec.get("terminationGracePeriodSeconds"), 0, f"{path}.terminationGracePeriodSeconds")
    out += at_least(spec.get("activeDeadlineSeconds"), 1, f"{path}.activeDeadlineSeconds")
    for field in ("serviceAccountName", "priorityClassName", "nodeName"):
        if spec.get(field):
            out += [invalid(f"{path}.{field}", spec[field], text) for text in names.subdomain(spec[field])]
    out += pod_details(spec, path)
    out += pod_choices(spec, path)
    out += runtime_class(spec, path)
    out += affinity(spec.get("affinity") or {}, f"{path}.affinity")
    out += _spread(spec.get("topologySpreadConstraints") or (), f"{path}.topologySpreadConstraints")
    return out + _tolerations(spec.get("tolerations") or (), f"{path}.tolerations")


def _volumes(volumes: Sequence[Object], path: str) -> tuple[frozenset[str], list[Cause]]:
    out: list[Cause] = []
    seen: set[str] = set()
    for at, volume in enumerate(volumes):
        out += unique_name(volume, seen, f"{path}[{at}]")
        out += _source(volume, f"{path}[{at}]")
    return frozenset(seen), out


def _source(volume: Object, path: str) -> list[Cause]:
    given = [name for name, value in volume.items() if name != "name" and value is not None]
    if not given:
        return [required(path, "must specify a volume type")]
    out = [forbidden(f"{path}.{name}", "may not specify more than 1 volume type") for name in given[1:]]
    field = _NEEDED.get(given[0])
    if field and not volume[given[0]].get(field):
        out.append(required(f"{path}.{given[0]}.{field}"))
    if given[0] in _WITH_FILES:
        out += volume_files(volume[given[0]], f"{path}.{given[0]}")
    return out


def _spread(constraints: Sequence[Object], path: str) -> list[Cause]:
    out = []
    for at, constraint in enumerate(constraints):
        here = f"{path}[{at}]"
        skew = constraint.get("maxSkew", 0)
        if skew <= 0:
            out.append(invalid(f"{here}.maxSkew", skew, "must be greater than 0"))
        key = constraint.get("topologyKey", "")
        if not key:
            out.append(required(f"{here}.topologyKey", "can not be empty"))
        else:
            out += [invalid(f"{here}.topologyKey", key, text) for text in names.qualified(key)]
        wanted = constraint.get("whenUnsatisfiable", "")
        if wanted not in _UNSATISFIABLE:
            out.append(not_supported(f"{here}.whenUnsatisfiable", wanted, _UNSATISFIABLE))
        out += min_domains(constraint, here)
        out += selector(constraint.get("labelSelector"), f"{here}.labelSelector")
    return out


def _tolerations(tolerations: Sequence[Object], path: str) -> list[Cause]:
    out = []
    for at, toleration in enumerate(tolerations):
        here = f"{path}[{at}]"
        out += toleration_key(toleration, here)
        operator = toleration.get("operator") or "Equal"
        if operator not in {"Equal", "Exists"}:
            out.append(not_supported(f"{here}.operator", operator, ("Equal", "Exists")))
        if operator == "Exists" and toleration.get("value"):
            message = "value must be empty when `operator` is 'Exists'"
            out.append(invalid(f"{here}.operator", toleration["value"], message))
        if not toleration.get("key") and operator != "Exists":
            message = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            out.append(invalid(f"{here}.operator", operator, message))
        if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
            message = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            out.append(invalid(f"{here}.effect", toleration.get("effect", ""), message))
    return out


def pod(obj: Object) -> list[Cause]:
    """Validate a pod without its metadata."""
    return pod_spec(obj.get("spec") or {}, "spec")


def pod_update(old: Object, new: Object) -> list[Cause]:
    """Validate an update of a pod: only a few fields of its spec are mutable."""
    before, after = _immutable_part(old.get("spec") or {}), _immutable_part(new.get("spec") or {})
    return [] if before == after else [forbidden("spec", _NO_CHANGE)]


def _immutable_part(spec: Object) -> Object:
    """The immutable part of a pod spec. nodeName is mutable here, because the scheduler sets it with an update."""
    free = {"activeDeadlineSeconds", "tolerations", "nodeName", "terminationGracePeriodSeconds", "ephemeralContainers"}
    out = {key: value for key, value in spec.items() if key not in free}
    for name in ("containers", "initContainers"):
        if name in out:
            out[name] = [{key: value for key, value in item.items() if key != "image"} for item in out[name] or ()]
    return out

"""Validation of Jobs."""

from typing import Any, Final

from kubeschema import names
from kubeschema.errors import Cause, duplicate, invalid, not_supported, required
from kubeschema.kinds.pod_rules import pod_spec
from kubeschema.metadata_rules import at_least, immutable, labels, one_of, selects

Object = dict[str, Any]

_UID: Final = "batch.kubernetes.io/controller-uid"
_NAMES: Final = ("batch.kubernetes.io/job-name", "job-name")
_COUNTS: Final = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
_FIXED: Final = ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
_SCHEDULING: Final = ("nodeSelector", "affinity", "tolerations", "schedulingGates")
_ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
_LABELS: Final = "spec.template.metadata.labels"


def job(obj: Object) -> list[Cause]:
    """Validate a Job without its metadata."""
    return _generated(obj) + _spec(obj.get("spec") or {})


def _labels(spec: Object) -> Object:
    return ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}


def _generated(obj: Object) -> list[Cause]:
    """Validate that selector and labels are the generated ones, unless manualSelector is set."""
    spec, metadata = obj.get("spec") or {}, obj.get("metadata") or {}
    uid = metadata.get("uid", "")
    if spec.get("manualSelector") or not uid:
        return []
    given = _labels(spec)
    expected = {_UID: uid, "controller-uid": uid, **dict.fromkeys(_NAMES, metadata.get("name", ""))}
    out = [invalid(f"{_LABELS}[{k}]", given, f"must be '{v}'") for k, v in expected.items() if given.get(k) != v]
    if spec.get("selector") != {"matchLabels": {_UID: uid}}:
        out.append(invalid("spec.selector", spec.get("selector"), "`selector` not auto-generated"))
    return out


def _spec(spec: Object) -> list[Cause]:
    out = [cause for name in _COUNTS for cause in at_least(spec.get(name), 0, f"spec.{name}")]
    selector, given = spec.get("selector"), _labels(spec)
    if selector is None:
        out.append(required("spec.selector"))
    if selector is None or not selects(selector, given):
        out.append(invalid(_LABELS, given or None, "`selector` does not match template `labels`"))
    out += labels(given, "spec.template.labels")
    out += _pod((spec.get("template") or {}).get("spec") or {}, spec)
    out += one_of(spec.get("completionMode"), ("NonIndexed", "Indexed"), "spec.completionMode")
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        out.append(required("spec.completions", "when completion mode is Indexed"))
    manager = spec.get("managedBy")
    if manager is not None and not _is_prefixed(manager):
        out.append(invalid("spec.managedBy", manager, 'must be a domain-prefixed path (such as "acme.io/foo")'))
    return out + _replacement(spec)


def _is_prefixed(text: str) -> bool:
    domain, separator, path = text.partition("/")
    return bool(separator and path and not names.subdomain(domain))


def _replacement(spec: Object) -> list[Cause]:
    supported = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    return one_of(spec.get("podReplacementPolicy"), supported, "spec.podReplacementPolicy")


def _pod(template: Object, spec: Object) -> list[Cause]:
    path = "spec.template.spec.restartPolicy"
    policy = template.get("restartPolicy")
    out = pod_spec(template, "spec.template.spec")
    if policy == "Always":
        out.append(required(path, 'valid values: "OnFailure", "Never"'))
    failures = spec.get("podFailurePolicy")
    if failures is None:
        return out
    if policy != "Never":
        out.append(invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified'))
    known = {c.get("name") for kind in ("containers", "initContainers") for c in template.get(kind) or ()}
    for at, rule in enumerate(failures.get("rules") or ()):
        out += _rule(rule, f"spec.podFailurePolicy.rules[{at}]", known)
    return out


def _rule(rule: Object, path: str, known: set[str | None]) -> list[Cause]:
    action, codes, conditions = rule.get("action", ""), rule.get("onExitCodes"), rule.get("onPodConditions")
    out = [] if action in _ACTIONS else [not_supported(f"{path}.action", action, _ACTIONS)]
    if codes is not None:
        out += _codes(codes, f"{path}.onExitCodes", known)
    for at, condition in enumerate(conditions or ()):
        statuses = ("False", "True", "Unknown")
        out += one_of(condition.get("status"), statuses, f"{path}.onPodConditions[{at}].status")
    if codes is not None and conditions:
        message = "Invalid value: specifying both OnExitCodes and OnPodConditions is not supported"
        out.append(Cause("FieldValueInvalid", message, path))
    if codes is None and not conditions:
        message = "Invalid value: specifying one of OnExitCodes and OnPodConditions is required"
        out.append(Cause("FieldValueInvalid", message, path))
    return out


def _codes(codes: Object, path: str, known: set[str | None]) -> list[Cause]:
    operator, values = codes.get("operator", ""), codes.get("values") or []
    out = [] if operator in ("In", "NotIn") else [not_supported(f"{path}.operator", operator, ("In", "NotIn"))]
    name = codes.get("containerName")
    if name is not None and name not in known:
        message = "must be one of the container or initContainer names in the pod template"
        out.append(invalid(f"{path}.containerName", name, message))
    if not values:
        out.append(invalid(f"{path}.values", values, "at least one value is required"))
    elif sorted(values) != values:
        out.append(invalid(f"{path}.values", values, "must be ordered"))
    for at, value in enumerate(values):
        if value in values[:at]:
            out.append(duplicate(f"{path}.values[{at}]", value))
        elif value == 0 and operator == "In":
            out.append(invalid(f"{path}.values[{at}]", value, "must not be 0 for the In operator"))
    return out


def job_update(old: Object, new: Object) -> list[Cause]:
    """Validate an update of a Job: the template is immutable, except for scheduling fields of a suspended Job."""
    before, after = old["spec"], new["spec"]
    out = _spec(after)  # the real server validates the spec twice
    indexed = before.get("completionMode") == "Indexed"
    if not (indexed and after.get("completions") == after.get("parallelism")):
        out += immutable(before.get("completions"), after.get("completions"), "spec.completions")
    for name in _FIXED:
        out += immutable(before.get(name), after.get(name), f"spec.{name}")
    if not before.get("suspend") or (old.get("status") or {}).get("startTime"):
        return out + immutable(before.get("template"), after.get("template"), "spec.template")
    return out + immutable(_immutable_template(before), _immutable_template(after), "spec.template.spec")


def _immutable_template(spec: Object) -> Object:
    """The immutable part of a suspended Job's template."""
    template = spec.get("template") or {}
    pod = {k: v for k, v in (template.get("spec") or {}).items() if k not in _SCHEDULING}
    for kind in ("containers", "initContainers"):
        if kind in pod:
            pod[kind] = [{k: v for k, v in c.items() if k != "resources"} for c in pod[kind]]
    metadata = {k: v for k, v in (template.get("metadata") or {}).items() if k not in ("labels", "annotations")}
    return {**template, "metadata": metadata, "spec": pod}

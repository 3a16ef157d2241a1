"""Validation of workloads, HorizontalPodAutoscalers and PodDisruptionBudgets."""

import re
from typing import Any, Final

from kubeschema.errors import Cause, forbidden, go_json, invalid, not_supported, required
from kubeschema.kinds.choice_rules import BUDGET, choices
from kubeschema.kinds.pod_detail_rules import no_deadline
from kubeschema.kinds.pod_rules import pod_spec
from kubeschema.kinds.scaling_rules import behavior, has_value
from kubeschema.metadata_rules import annotations, at_least, immutable, labels, selector, selects

Object = dict[str, Any]

_ALWAYS: Final = ("Always",)
_PERCENT: Final = re.compile(r"[0-9]+%")
_OUTSIDE: Final = frozenset({"Object", "External"})
_METRICS: Final = ("ContainerResource", "External", "Object", "Pods", "Resource")


def _selected_template(spec: Object, kind: str, restarts: tuple[str, ...]) -> list[Cause]:
    given = spec.get("selector")
    template = spec.get("template") or {}
    labelled = (template.get("metadata") or {}).get("labels") or {}
    out = []
    if given is None:
        out.append(required("spec.selector"))
    else:
        out += selector(given, "spec.selector")
        if not given.get("matchLabels") and not given.get("matchExpressions"):
            out.append(invalid("spec.selector", given, f"empty selector is invalid for {kind}"))
        elif not selects(given, labelled):
            message = "`selector` does not match template `labels`"
            out.append(invalid("spec.template.metadata.labels", labelled or None, message))
    return [*out, *_template(template, restarts)]


def _template(template: Object, restarts: tuple[str, ...]) -> list[Cause]:
    metadata = template.get("metadata") or {}
    out = labels(metadata.get("labels"), "spec.template.labels")
    out += annotations(metadata.get("annotations"), "spec.template.annotations")
    return out + pod_spec(template.get("spec") or {}, "spec.template.spec", restarts)


def deployment(obj: Object) -> list[Cause]:
    """Validate a Deployment without its metadata."""
    spec = obj.get("spec") or {}
    out = at_least(spec.get("replicas"), 0, "spec.replicas")
    out += _selected_template(spec, "deployment", _ALWAYS)
    out += no_deadline(spec.get("template") or {}, "spec.template.spec")
    out += _strategy(spec.get("strategy") or {}, "spec.strategy")
    ready, deadline = spec.get("minReadySeconds", 0), spec.get("progressDeadlineSeconds")
    out += at_least(ready, 0, "spec.minReadySeconds")
    out += at_least(spec.get("revisionHistoryLimit"), 0, "spec.revisionHistoryLimit")
    out += at_least(deadline, 0, "spec.progressDeadlineSeconds")
    if deadline is not None and deadline <= ready:
        out.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return out


def _strategy(strategy: Object, path: str) -> list[Cause]:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        message = "may not be specified when strategy `type` is 'Recreate'"
        return [forbidden(f"{path}.rollingUpdate", message)] if rolling is not None else []
    if kind != "RollingUpdate":
        return [not_supported(f"{path}.type", kind, ("Recreate", "RollingUpdate"))]
    if rolling is None:
        return [required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")]
    out = []
    for name in ("maxUnavailable", "maxSurge"):
        out += count_or_percent(rolling.get(name), f"{path}.rollingUpdate.{name}")
    if not out and _zero(rolling.get("maxUnavailable")) and _zero(rolling.get("maxSurge")):
        message = "may not be 0 when `maxSurge` is 0"
        out.append(invalid(f"{path}.rollingUpdate.maxUnavailable", rolling.get("maxUnavailable"), message))
    elif not out and isinstance(rolling.get("maxUnavailable"), str) and int(rolling["maxUnavailable"][:-1]) > 100:  # noqa: PLR2004 - percent
        out.append(
            invalid(f"{path}.rollingUpdate.maxUnavailable", rolling["maxUnavailable"], "must not be greater than 100%")
        )
    return out


def _zero(value: Any) -> bool:
    return value in {0, "0%"}


def count_or_percent(value: Any, path: str) -> list[Cause]:
    """Validate an int-or-percent: not negative."""
    if isinstance(value, str) and not _PERCENT.fullmatch(value):
        message = (
            "a valid percent string must be a numeric string followed by an ending '%' "
            "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
        )
        return [invalid(path, value, message)]
    return at_least(value, 0, path) if isinstance(value, int) else []


def deployment_update(old: Object, new: Object) -> list[Cause]:
    """Validate an update of a workload: its selector is immutable."""
    return immutable(old["spec"].get("selector"), new["spec"].get("selector"), "spec.selector")


def replica_set(obj: Object) -> list[Cause]:
    """Validate a ReplicaSet without its metadata."""
    spec = obj.get("spec") or {}
    out = at_least(spec.get("replicas"), 0, "spec.replicas")
    out += at_least(spec.get("minReadySeconds"), 0, "spec.minReadySeconds")
    return out + _selected_template(spec, "replicaset", _ALWAYS)


def disruption_budget(obj: Object) -> list[Cause]:
    """Validate a PodDisruptionBudget without its metadata."""
    spec = obj.get("spec") or {}
    out = []
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        shown = {
            "MinAvailable": spec["minAvailable"],
            "Selector": spec.get("selector"),
            "MaxUnavailable": spec["maxUnavailable"],
            "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
        }
        text = "{" + ",".join(f'"{key}":{go_json(value)}' for key, value in shown.items()) + "}"
        message = f"Invalid value: {text}: minAvailable and maxUnavailable cannot be both set"
        out.append(Cause("FieldValueInvalid", message, "spec"))
    for name in ("minAvailable", "maxUnavailable"):
        out += count_or_percent(spec.get(name), f"spec.{name}")
    out += choices(spec, BUDGET, "spec")
    return out + selector(spec.get("selector"), "spec.selector")


def autoscaler(obj: Object) -> list[Cause]:
    """Validate a HorizontalPodAutoscaler without its metadata."""
    spec = obj.get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    # With the feature gate HPAScaleToZero, an Object or External metric allows 0.
    scales_to_zero = any(metric.get("type") in _OUTSIDE for metric in spec.get("metrics") or ())
    out = at_least(least, 0 if scales_to_zero else 1, "spec.minReplicas")
    if most < 1:
        out.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
    if least is not None and most < least:
        out.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    target = spec.get("scaleTargetRef") or {}
    out += [required(f"spec.scaleTargetRef.{name}") for name in ("kind", "name") if not target.get(name)]
    for at, metric in enumerate(spec.get("metrics") or ()):
        out += _metric(metric, f"spec.metrics[{at}]")
    return out + behavior(spec.get("behavior") or {}, "spec.behavior")


def _metric(metric: Object, path: str) -> list[Cause]:
    kind = metric.get("type", "")
    if not kind:
        return [required(f"{path}.type", "must specify a metric source type")]
    if kind not in _METRICS:
        return [not_supported(f"{path}.type", kind, _METRICS)]
    source = kind[0].lower() + kind[1:]
    if metric.get(source) is None:
        message = "must populate information for the given metric source"
        return [required(f"{path}.{source}", message)]
    target = metric[source].get("target") or {}
    if kind != "Resource":
        return has_value(target, f"{path}.{source}.target")
    out = [] if metric[source].get("name") else [required(f"{path}.{source}.name", "must specify a resource name")]
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        out.append(invalid(f"{path}.{source}.target.averageUtilization", utilization, "must be greater than 0"))
    if utilization is None and target.get("averageValue") is None:
        message = "must set either a target raw value or a target utilization"
        out.append(required(f"{path}.{source}.target.averageUtilization", message))
    return out

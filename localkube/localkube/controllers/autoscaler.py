"""HorizontalPodAutoscaler: keeps the replicas of the target within minReplicas and maxReplicas.

There is no metrics source. Within these bounds the controller does not scale, and reports what the real one reports on
a cluster without metrics-server: ScalingActive=False, FailedGetResourceMetric.
"""

from dataclasses import dataclass

from localkube.apiserver.options import WriteOptions
from localkube.apiserver.resources import Resource
from localkube.apiserver.scale import scale_of
from localkube.controllers.controller import Controller
from localkube.meta.objects import Key, key_of, timestamp, with_condition
from localkube.meta.status import ApiError, Object

_UNABLE = "the HPA was unable to compute the replica count: "
_NO_METRICS = (
    "failed to get {name} {what}: unable to get metrics for resource {name}: unable to fetch metrics from resource"
    " metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The desired replicas of the target, and why they differ from the current ones."""

    replicas: int
    why: str = ""


def bounded(spec: Object, current: int) -> Bounds:
    """Limit the replicas to minReplicas … maxReplicas. 0 replicas disable autoscaling."""
    minimum, maximum = spec.get("minReplicas", 1), spec["maxReplicas"]
    if current == 0 and minimum != 0:
        return Bounds(0)
    if current > maximum:
        return Bounds(maximum, "Current number of replicas above Spec.MaxReplicas")
    if current < minimum:
        return Bounds(minimum, "Current number of replicas below Spec.MinReplicas")
    return Bounds(current)


@dataclass(frozen=True, slots=True)
class MissingMetric:
    """A metric that is not available."""

    reason: str
    why: str
    summary: str


def missing_metric(spec: Object) -> MissingMetric:
    """The first metric of the spec. None of them is available."""
    metrics = spec.get("metrics") or [{"type": "Resource", "resource": {"name": "cpu", "target": {}}}]
    metric = metrics[0]
    reason = f"FailedGet{metric['type']}Metric"
    source = metric.get("resource") or metric.get("containerResource")
    if source is None:
        name, why = metric["type"], f"the local cluster has no {metric['type']} metrics"
    else:
        name = source["name"]
        what = "utilization" if source["target"].get("type", "Utilization") == "Utilization" else "usage"
        why = _NO_METRICS.format(name=name, what=what)
    first = f"first error is: failed to get {name} resource metric value: {why}"
    return MissingMetric(reason, why, f"invalid metrics ({len(metrics)} invalid out of {len(metrics)}), {first}")


class AutoscalerController(Controller):
    """Keeps the targets of HorizontalPodAutoscalers within their bounds."""

    name = "horizontal-pod-autoscaler"

    def start(self) -> None:
        """Watch autoscalers. The resource of a target is watched once an autoscaler refers to it."""
        self._targets: dict[tuple[str, str, str], set[Key]] = {}
        self._target_of: dict[Key, tuple[str, str, str]] = {}
        self._watched: set[str] = set()
        self.watch("horizontalpodautoscalers.autoscaling", self._on_autoscaler)

    def _on_autoscaler(self, event: str, hpa: Object) -> None:
        key = key_of(hpa)
        old = self._target_of.pop(key, None)
        if old is not None:
            self._targets[old].discard(key)
        resource = self._resource(hpa)
        if event != "DELETED" and resource is not None:
            target = self._target_of[key] = (resource.key, key[0], hpa["spec"]["scaleTargetRef"]["name"])
            self._targets.setdefault(target, set()).add(key)
        self.queue.add(key)

    def _resource(self, hpa: Object) -> Resource | None:
        reference = hpa["spec"]["scaleTargetRef"]
        return self.registry.resources.by_kind(reference.get("apiVersion", ""), reference["kind"])

    def _watch_targets(self, resource: str) -> None:
        def on_target(_event: str, obj: Object) -> None:
            for key in self._targets.get((resource, *key_of(obj)), ()):
                self.queue.add(key)

        if resource not in self._watched:
            self._watched.add(resource)
            self.watch(resource, on_target)

    def reconcile(self, key: Key) -> float | None:
        """Scale if the replicas are out of bounds; then update the status."""
        hpa = self.registry.find("horizontalpodautoscalers.autoscaling", *key)
        if hpa is None:
            return None
        resource = self._resource(hpa)
        reference = hpa["spec"]["scaleTargetRef"]
        if resource is None:
            self._no_target(hpa, f'no matches for kind "{reference["kind"]}" in group "{reference.get("apiVersion")}"')
            return None
        self._watch_targets(resource.key)
        try:
            name = reference["name"]
            scale = scale_of(resource, self.registry.get(resource.key, key[0], name))
        except ApiError as error:
            self._no_target(hpa, str(error))
            return None
        wanted = bounded(hpa["spec"], scale["spec"].get("replicas", 0))
        if wanted.why:
            self._rescale(hpa, resource, scale, wanted)
        else:
            self._idle(hpa, scale)
        return None

    def _no_target(self, hpa: Object, why: str) -> None:
        message = f"the HPA controller was unable to get the target's current scale: {why}"
        if not self._is_known(hpa, "AbleToScale", "FailedGetScale"):
            self.events.warning(hpa, "FailedGetScale", why)
        self._write(hpa, _counts(hpa, 0, 0), [("AbleToScale", "False", "FailedGetScale", message)])

    def _rescale(self, hpa: Object, resource: Resource, scale: Object, wanted: Bounds) -> None:
        namespace, name = scale["metadata"]["namespace"], scale["metadata"]["name"]
        changed = {**scale, "spec": {"replicas": wanted.replicas}}
        options = WriteOptions(self.manager, subresource="scale")
        self.registry.writer.rescale(resource, namespace, name, changed, options)
        self.events.normal(hpa, "SuccessfulRescale", f"New size: {wanted.replicas}; reason: {wanted.why}")
        message = f"the HPA controller was able to update the target scale to {wanted.replicas}"
        counts = _counts(hpa, scale["status"]["replicas"], wanted.replicas)
        counts["lastScaleTime"] = timestamp(self.clock())
        self._write(hpa, counts, [("AbleToScale", "True", "SucceededRescale", message)])

    def _idle(self, hpa: Object, scale: Object) -> None:
        got = "the HPA controller was able to get the target's current scale"
        able = ("AbleToScale", "True", "SucceededGetScale", got)
        if not scale["spec"].get("replicas", 0):
            why = "scaling is disabled since the replica count of the target is zero"
            active = ("ScalingActive", "False", "ScalingDisabled", why)
        else:
            missing = missing_metric(hpa["spec"])
            active = ("ScalingActive", "False", missing.reason, _UNABLE + missing.why)
            if not self._is_known(hpa, "ScalingActive", missing.reason):
                self.events.warning(hpa, missing.reason, missing.why)
                self.events.warning(hpa, "FailedComputeMetricsReplicas", missing.summary)
        desired = hpa.get("status", {}).get("desiredReplicas", 0)
        self._write(hpa, _counts(hpa, scale["status"]["replicas"], desired), [able, active])

    @staticmethod
    def _is_known(hpa: Object, kind: str, reason: str) -> bool:
        """Whether the status has this condition. Events are emitted only for changes."""
        known = hpa.get("status", {}).get("conditions") or ()
        return any(c["type"] == kind and c["reason"] == reason for c in known)

    def _write(self, hpa: Object, status: Object, conditions: list[tuple[str, str, str, str]]) -> None:
        found = hpa.get("status", {}).get("conditions")
        for kind, state, reason, message in conditions:
            new = {"type": kind, "status": state, "reason": reason, "message": message}
            found = with_condition(found, {**new, "lastTransitionTime": timestamp(self.clock())})
        status["conditions"] = found
        if status != hpa.get("status"):
            namespace = hpa["metadata"]["namespace"]
            changed = {**hpa, "status": status}
            self.registry.update(
                "horizontalpodautoscalers.autoscaling", namespace, changed, manager=self.manager, subresource="status"
            )


def _counts(hpa: Object, current: int, desired: int) -> Object:
    kept = {k: v for k, v in hpa.get("status", {}).items() if k == "lastScaleTime"}
    return {**kept, "currentReplicas": current, "desiredReplicas": desired, "currentMetrics": None}

"""Tables of apps, batch, autoscaling and policy."""

from typing import Any

from localkube.apiserver.http.tables import cells
from localkube.apiserver.http.tables.columns import AGE, NAME, Column
from localkube.meta.status import Object

_APPS = "=apps/v1"
_TARGETS = 2  # metrics of an autoscaler that a cell shows
_CONTAINERS = (
    Column("Containers", "Names of each container in the template.", wide=True),
    Column("Images", "Images referenced by each container in the template.", wide=True),
)


def _age(obj: Object) -> str:
    return cells.age(obj["metadata"].get("creationTimestamp"))


def _template(obj: Object) -> list[Any]:
    return list(cells.containers(obj["spec"].get("template") or {}))


DEPLOYMENT = (
    NAME,
    Column("Ready", "Number of the pod with ready state"),
    Column("Up-to-date", f"{_APPS}/Deployment.status.updatedReplicas"),
    Column("Available", f"{_APPS}/Deployment.status.availableReplicas"),
    AGE,
    *_CONTAINERS,
    Column("Selector", f"{_APPS}/Deployment.spec.selector", wide=True),
)


def deployment(obj: Object) -> list[Any]:
    """The cells of a Deployment."""
    spec, status = obj["spec"], obj.get("status") or {}
    return [
        obj["metadata"]["name"],
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _age(obj),
        *_template(obj),
        cells.selector(spec.get("selector")),
    ]


REPLICA_SET = (
    NAME,
    Column("Desired", f"{_APPS}/ReplicaSet.spec.replicas", "integer"),
    Column("Current", f"{_APPS}/ReplicaSet.status.replicas", "integer"),
    Column("Ready", f"{_APPS}/ReplicaSet.status.readyReplicas", "integer"),
    AGE,
    *_CONTAINERS,
    Column("Selector", f"{_APPS}/ReplicaSet.spec.selector", wide=True),
)


def replica_set(obj: Object) -> list[Any]:
    """The cells of a ReplicaSet."""
    spec, status = obj["spec"], obj.get("status") or {}
    counts = [spec.get("replicas", 1), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [obj["metadata"]["name"], *counts, _age(obj), *_template(obj), cells.selector(spec.get("selector"))]


JOB = (
    NAME,
    Column("Status", "Status of the job."),
    Column("Completions", "=batch/v1/Job.status.succeeded"),
    Column("Duration", "Time required to complete the job."),
    AGE,
    *_CONTAINERS,
    Column("Selector", "=batch/v1/Job.spec.selector", wide=True),
)


def job(obj: Object) -> list[Any]:
    """The cells of a Job."""
    spec, status = obj["spec"], obj.get("status") or {}
    state = next(
        (k for k in ("Complete", "Failed", "Suspended") if (cells.condition(obj, k) or {}).get("status") == "True"),
        "Running",
    )
    wanted = spec.get("completions")
    done = f"{status.get('succeeded', 0)}/{wanted if wanted is not None else 1}"
    return [
        obj["metadata"]["name"],
        state,
        done,
        cells.age(status["startTime"], status.get("completionTime")) if status.get("startTime") else "",
        _age(obj),
        *_template(obj),
        cells.selector(spec.get("selector")),
    ]


AUTOSCALER = (
    NAME,
    *(
        Column(name, f"=autoscaling/v2/HorizontalPodAutoscaler.{field}")
        for name, field in (
            ("Reference", "spec.scaleTargetRef"),
            ("Targets", "spec.metrics"),
            ("MinPods", "spec.minReplicas"),
            ("MaxPods", "spec.maxReplicas"),
            ("Replicas", "status.currentReplicas"),
        )
    ),
    AGE,
)


def autoscaler(obj: Object) -> list[Any]:
    """The cells of a HorizontalPodAutoscaler."""
    spec, status = obj["spec"], obj.get("status") or {}
    target = spec.get("scaleTargetRef") or {}
    minimum = spec.get("minReplicas")
    return [
        obj["metadata"]["name"],
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _targets(spec.get("metrics") or [], status.get("currentMetrics") or []),
        cells.UNSET if minimum is None else str(minimum),
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
        _age(obj),
    ]


def _targets(metrics: list[Object], current: list[Object]) -> str:
    if not metrics:
        return cells.NONE
    shown = []
    for index, metric in enumerate(metrics):
        found = metric.get(str(metric.get("type", ""))[:1].lower() + str(metric.get("type", ""))[1:]) or {}
        name = found.get("name") or (found.get("metric") or {}).get("name", "")
        target = found.get("target") or {}
        now = _current(current[index]) if index < len(current) else {}
        if "averageUtilization" in target:
            have = f"{now['averageUtilization']}%" if "averageUtilization" in now else cells.UNKNOWN
            shown.append(f"{name}: {have}/{target['averageUtilization']}%")
        else:
            value = target.get("averageValue") or target.get("value", "")
            have = now.get("averageValue") or now.get("value") or cells.UNKNOWN
            shown.append(f"{have}/{value}")
    more = f" + {len(shown) - _TARGETS} more..." if len(shown) > _TARGETS else ""
    return ", ".join(shown[:_TARGETS]) + more


def _current(metric: Object) -> Object:
    kind = str(metric.get("type", ""))
    found: Object = (metric.get(kind[:1].lower() + kind[1:]) or {}).get("current") or {}
    return found


BUDGET = (
    NAME,
    Column("Min Available", "The minimum number of pods that must be available."),
    Column("Max Unavailable", "The maximum number of pods that may be unavailable."),
    Column("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time.", "integer"),
    AGE,
)


def budget(obj: Object) -> list[Any]:
    """The cells of a PodDisruptionBudget."""
    spec = obj["spec"]
    limits = [str(spec[k]) if k in spec else "N/A" for k in ("minAvailable", "maxUnavailable")]
    return [obj["metadata"]["name"], *limits, (obj.get("status") or {}).get("disruptionsAllowed", 0), _age(obj)]

"""The Job that asks a canary the checks' prompts, and what comes of it. Pure.

Its pod is the agent's own, as the canary's revision has it: same image, credentials, volumes and hardening; for a judge
is a model of the agent, called as the agent calls it. It has other labels, so that nothing takes it for the agent.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator import __version__
from agent_operator.api import constants
from agent_operator.api.kubernetes_models import typed
from agent_operator.inputs import checks
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube import pod_failures
from agent_operator.kube.objects import Live, Object, Ref
from agent_operator.render import Revision
from agent_operator.render.canonical import Manifest, canonical, digest, with_manifest_hash
from agent_operator.render.context import labels, metadata
from agent_operator.render.exposure import service
from agent_operator.rollout.checks_report import Report, parse_report, summary
from agent_runtime.config import CONFIG_FILE
from agent_runtime.config.checks import CHECKS_FILE, ChecksConfig

DIRECTORY = "/app/checks"
VOLUME = "agent-checks"
RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}}
# One try more, for what befalls a pod: a drained node, or a model that was down for a moment.
RETRIES = 1
# From the Job to a running process, and back: scheduling, pulling, and the back-off between two tries.
_AROUND_SECONDS = 120
_WAIT_SECONDS = 30
_AT_A_TIME = 4
_LONGEST_SECONDS = 86_400
# Of the agent's container all else is kept: what serves is not there, and what says how it ends is the Job's.
_NOT_OF_CONTAINER = frozenset(
    {
        "lifecycle",
        "livenessProbe",
        "ports",
        "readinessProbe",
        "resizePolicy",
        "startupProbe",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "tty",
    }
)
# The rest of these would keep the pod away from the agent's nodes, or have it wait for what only a server needs.
_NOT_OF_POD = frozenset(
    {
        "affinity",
        "containers",
        "initContainers",
        "readinessGates",
        "resourceClaims",
        "terminationGracePeriodSeconds",
        "topologySpreadConstraints",
        "volumes",
    }
)


@dataclass(frozen=True, slots=True)
class ChecksResult:
    """How the checks ended: `5/5 passed`, or what did not pass."""

    passed: bool
    message: str


def has_checks(inputs: Inputs) -> bool:
    """Tell whether there are checks."""
    return checks.of(inputs) is not None


def job_name(inputs: Inputs, revision: str) -> str:
    """Return the name of the Job. Whatever makes it another Job is in it, for a Job cannot be changed."""
    given = checks.of(inputs)
    made_from = {
        "checks": given.dump() if given else "",
        "operator": __version__,
        "revision": revision,
        "url": _url(inputs),
    }
    return constants.checks(inputs.name, digest(made_from))


def manifests(inputs: Inputs, revision: Revision) -> tuple[Manifest, ...]:
    """Return the Job that checks a revision's canary, and before it the ConfigMap with the checks."""
    given = checks.of(inputs)
    if given is None:
        return ()
    view = {"name": job_name(inputs, revision.name), "labels": {constants.LABEL_REVISION: revision.name}}
    meta = metadata(inputs, view)
    texts = {"apiVersion": "v1", "kind": "ConfigMap", "immutable": True, "data": {CHECKS_FILE: given.dump()}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "spec": _job(inputs, revision, given, meta["name"])}
    return (_manifest("V1ConfigMap", texts, meta), _manifest("V1Job", job, meta))


def checks_result(live: Mapping[Ref, Live], inputs: Inputs, revision: str) -> ChecksResult | None:
    """Return how the checks of a revision ended; None when there are none, or they still run."""
    if not has_checks(inputs):
        return None
    target = Ref("Job", inputs.namespace, job_name(inputs, revision))
    if target not in live or "deletionTimestamp" in live[target].object["metadata"]:
        return None
    pods = (it.object for other, it in live.items() if (other.kind, other.namespace) == ("Pod", target.namespace))
    return job_result(live[target].object, [pod for pod in pods if pod.get("job") == target.name])


def job_result(job: Object, pods: Iterable[Object]) -> ChecksResult | None:
    """Return how a Job ended.

    Args:
        job: trimmed: status.conditions.
        pods: its pods, trimmed: `report`, the termination message, and `failure`.
    """
    pods = tuple(pods)
    reports = [report for report in (parse_report(pod.get("report", "")) for pod in pods) if report is not None]
    # An answer that is not as expected is that; one that did not come may come to the next pod.
    verdicts = [it for it in reports if it.has_failed] or [it for it in reports if it.passed]
    if verdicts:
        return ChecksResult(passed=verdicts[0].passed, message=summary(verdicts[0]))
    ended = {it["type"]: it for it in (job.get("status") or {}).get("conditions") or () if it["status"] == "True"}
    # The watch of pods may be behind that of Jobs: the report of a pod that seems to run is on its way.
    if ("Failed" not in ended and "Complete" not in ended) or any(map(_runs, pods)):
        return None
    return ChecksResult(passed=False, message=_why(ended.get("Failed"), reports, pods))


def _runs(pod: Object) -> bool:
    return not (pod.get("ended") or pod.get("report") or pod.get("failure"))


def _why(failed: Mapping[str, Any] | None, reports: list[Report], pods: Iterable[Object]) -> str:
    """Tell why there is no verdict, in the words of the checks, else of the pod, else of the Job."""
    if reports:
        return summary(reports[-1])
    texts = [pod["report"].lstrip() for pod in pods if pod.get("report")]
    words = [pod["failure"] for pod in pods if pod.get("failure")]
    said = []
    if any(text.startswith("{") for text in texts):
        said.append("the report of the checks cannot be read")
    elif words:
        said.append(pod_failures.describe(words[-1]))
    if failed:
        said.append(f"{failed.get('reason') or 'Failed'}: {failed.get('message') or 'the Job has failed'}")
    return "; ".join(said) or "the checks ended without a report: does the image have `agent-runtime check-answers`?"


def _manifest(model: str, body: Manifest, meta: Mapping[str, Any]) -> Manifest:
    made = typed(model).model_validate(body | {"metadata": meta})
    return with_manifest_hash(canonical(made.model_dump(mode="json", by_alias=True, exclude_none=True)))


def _job(inputs: Inputs, revision: Revision, given: ChecksConfig, config_map: str) -> Manifest:
    seconds = _seconds(inputs, given)
    return {
        "backoffLimit": RETRIES,
        "activeDeadlineSeconds": (RETRIES + 1) * (seconds + _AROUND_SECONDS),
        "template": {
            "metadata": {"labels": _labels(inputs), "annotations": _annotations(revision.template)},
            "spec": _pod(inputs, revision.template["spec"], config_map, seconds),
        },
    }


def _seconds(inputs: Inputs, given: ChecksConfig) -> int:
    """Return how long all checks may take: each its limit, or what the agent allows, and its judge's answer."""
    longest = inputs.request_timeout_seconds
    each = [
        _WAIT_SECONDS + (check.max_latency_seconds or longest) + (longest if check.judge else 0)
        for check in given.checks
    ]
    return min(math.ceil(sum(each) / _AT_A_TIME) + max(each), _LONGEST_SECONDS)


def _labels(inputs: Inputs) -> dict[str, str]:
    """Return the pod's labels: the operator's own, for anything else may be what a Service selects."""
    identity = inputs.spec.identity
    cloud = {constants.LABEL_WORKLOAD_IDENTITY: "true"} if identity and identity.azure_workload_identity else {}
    return labels(inputs) | {constants.LABEL_COMPONENT: constants.COMPONENT_CHECKS} | cloud


def _annotations(template: Mapping[str, Any]) -> dict[str, str]:
    given = template["metadata"].get("annotations") or {}
    return {key: text for key, text in given.items() if not key.startswith(("prometheus.io/", f"{constants.GROUP}/"))}


def _pod(inputs: Inputs, spec: Mapping[str, Any], config_map: str, seconds: int) -> Manifest:
    agent = next(it for it in spec["containers"] if it["name"] == constants.CONTAINER)
    # What prepares a volume is needed; what runs on beside the agent would keep the Job from ending.
    before = [it for it in spec.get("initContainers") or () if it.get("restartPolicy") != "Always"]
    container = _container(inputs, agent, seconds)
    mounted = {mount["name"] for it in (container, *before) for mount in it.get("volumeMounts") or ()}
    kept = {field: value for field, value in spec.items() if field not in _NOT_OF_POD}
    nodes = (spec.get("affinity") or {}).get("nodeAffinity")
    return kept | {
        "affinity": {"nodeAffinity": nodes} if nodes else None,
        "containers": [container],
        "initContainers": [{key: value for key, value in it.items() if key != "restartPolicy"} for it in before],
        # The canary is found by the name of its Service.
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Never",
        "volumes": [
            *(volume for volume in spec.get("volumes") or () if volume["name"] in mounted - {VOLUME}),
            {"name": VOLUME, "configMap": {"name": config_map}},
        ],
    }


def _container(inputs: Inputs, agent: Mapping[str, Any], seconds: int) -> Manifest:
    server = inputs.section.server
    keys = ["--api-keys-file", server.api_keys_file] if server and server.api_keys_file else []
    mounts = [it for it in agent.get("volumeMounts") or () if it["mountPath"] != DIRECTORY and it["name"] != VOLUME]
    return {key: value for key, value in agent.items() if key not in _NOT_OF_CONTAINER} | {
        "args": [
            "check-answers",
            *("--url", _url(inputs)),
            *("--checks", f"{DIRECTORY}/{CHECKS_FILE}"),
            *("--config", f"{constants.CONFIG_DIRECTORY}/{CONFIG_FILE}"),
            *("--timeout", str(seconds)),
            *keys,
        ],
        "resources": RESOURCES,
        # The report is what it leaves there; should it leave none, the end of its log tells why.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [*mounts, {"name": VOLUME, "mountPath": DIRECTORY, "readOnly": True}],
    }


def _url(inputs: Inputs) -> str:
    return f"http://{constants.canary(inputs.name)}.{inputs.namespace}.svc:{service(inputs)['port']}"

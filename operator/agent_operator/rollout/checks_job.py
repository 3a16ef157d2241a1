"""The Job that sends the prompts of the checks to a canary. Pure.

The Job's pod has the image, credentials, volumes and hardening of the canary's pods, because a model of the agent may
judge the answers. It has other labels, so that no Service and no disruption budget selects it.
"""

import math
from collections.abc import Mapping
from typing import Any

from agent_operator import __version__
from agent_operator.api import constants
from agent_operator.api.kubernetes_models import typed
from agent_operator.inputs import checks
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render import Revision
from agent_operator.render.canonical import Manifest, canonical, digest, with_manifest_hash
from agent_operator.render.exposure import service
from agent_operator.render.templates import common_labels, labels, metadata
from agent_runtime.config import CONFIG_FILE
from agent_runtime.config.checks import CHECKS_FILE, ChecksConfig

# Label of the pods of a Job, in all releases of Kubernetes.
LABEL_JOB = "job-name"
DIRECTORY = "/app/checks"
VOLUME = "agent-checks"
RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}}
# One retry, because a node may be drained, or a model may be unavailable for a short time.
BACKOFF_LIMIT = 1
# Seconds that an attempt takes outside of check-answers: scheduling, image pull, and the back-off of the Job.
_STARTUP_SECONDS = 120
# check-answers waits this many seconds for a canary that does not answer, and sends this many prompts at once.
_WAIT_SECONDS = 30
_CONCURRENT_CHECKS = 4
_MAX_SECONDS = 86_400
# Fields of the agent's container that only a server needs, or that the Job sets itself.
_DROPPED_CONTAINER_FIELDS = frozenset(
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
# Fields of the agent's pod that only a server needs, or that would keep the Job's pod off the agent's nodes.
_DROPPED_POD_FIELDS = frozenset(
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


def has_checks(inputs: Inputs) -> bool:
    """Return whether the spec defines checks."""
    return checks.of(inputs) is not None


def job_name(inputs: Inputs, revision: str) -> str:
    """Return the name of the Job. A Job is immutable, so everything that changes it changes its name."""
    config = checks.of(inputs)
    hashed = {
        "checks": config.dump() if config else "",
        "operator": __version__,
        "revision": revision,
        "url": _url(inputs),
    }
    return constants.checks(inputs.name, digest(hashed))


def manifests(inputs: Inputs, revision: Revision) -> tuple[Manifest, ...]:
    """Return the ConfigMap of the checks and the Job that runs them against the canary of a revision."""
    config = checks.of(inputs)
    if config is None:
        return ()
    view = {"name": job_name(inputs, revision.name), "labels": {constants.LABEL_REVISION: revision.name}}
    meta = metadata(inputs, view)
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "immutable": True, "data": {CHECKS_FILE: config.dump()}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "spec": _job_spec(inputs, revision, config, meta["name"])}
    return (_manifest("V1ConfigMap", config_map, meta), _manifest("V1Job", job, meta))


def _manifest(model: str, body: Manifest, meta: Mapping[str, Any]) -> Manifest:
    validated = typed(model).model_validate(body | {"metadata": meta})
    return with_manifest_hash(canonical(validated.model_dump(mode="json", by_alias=True, exclude_none=True)))


def _job_spec(inputs: Inputs, revision: Revision, config: ChecksConfig, config_map: str) -> Manifest:
    seconds = _timeout_seconds(inputs, config)
    return {
        "backoffLimit": BACKOFF_LIMIT,
        "activeDeadlineSeconds": (BACKOFF_LIMIT + 1) * (seconds + _STARTUP_SECONDS),
        "template": {
            "metadata": {"labels": _labels(inputs), "annotations": _annotations(revision.template)},
            "spec": _pod_spec(inputs, revision.template["spec"], config_map, seconds),
        },
    }


def _timeout_seconds(inputs: Inputs, config: ChecksConfig) -> int:
    """Return the longest time of all checks: for each, its own or the agent's limit, plus the limit of its judge."""
    default = inputs.request_timeout_seconds
    each = [
        _WAIT_SECONDS + (check.max_latency_seconds or default) + (default if check.judge else 0)
        for check in config.checks
    ]
    return min(math.ceil(sum(each) / _CONCURRENT_CHECKS) + max(each), _MAX_SECONDS)


def _labels(inputs: Inputs) -> dict[str, str]:
    """Return the labels of the Job's pod, without those of podTemplate, because a user's Service may select them."""
    identity = inputs.spec.identity
    cloud = {constants.LABEL_WORKLOAD_IDENTITY: "true"} if identity and identity.azure_workload_identity else {}
    return common_labels(inputs) | labels(inputs) | {constants.LABEL_COMPONENT: constants.COMPONENT_CHECKS} | cloud


def _annotations(template: Mapping[str, Any]) -> dict[str, str]:
    annotations = template["metadata"].get("annotations") or {}
    dropped = ("prometheus.io/", f"{constants.GROUP}/")
    return {key: text for key, text in annotations.items() if not key.startswith(dropped)}


def _pod_spec(inputs: Inputs, spec: Mapping[str, Any], config_map: str, seconds: int) -> Manifest:
    agent = next(it for it in spec["containers"] if it["name"] == constants.CONTAINER)
    # Init containers may prepare a volume that the agent needs. A sidecar would keep the Job from completing.
    init = [it for it in spec.get("initContainers") or () if it.get("restartPolicy") != "Always"]
    container = _container(inputs, agent, seconds)
    mounted = {mount["name"] for it in (container, *init) for mount in it.get("volumeMounts") or ()}
    node_affinity = (spec.get("affinity") or {}).get("nodeAffinity")
    return {field: value for field, value in spec.items() if field not in _DROPPED_POD_FIELDS} | {
        "affinity": {"nodeAffinity": node_affinity} if node_affinity else None,
        "containers": [container],
        "initContainers": [{key: value for key, value in it.items() if key != "restartPolicy"} for it in init],
        # check-answers resolves the name of the canary's Service.
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
    return {key: value for key, value in agent.items() if key not in _DROPPED_CONTAINER_FIELDS} | {
        "args": [
            "check-answers",
            *("--url", _url(inputs)),
            *("--checks", f"{DIRECTORY}/{CHECKS_FILE}"),
            *("--config", f"{constants.CONFIG_DIRECTORY}/{CONFIG_FILE}"),
            *("--timeout", str(seconds)),
            *keys,
        ],
        "resources": RESOURCES,
        # check-answers writes its report there. Without a report, the end of the log shows why.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [*mounts, {"name": VOLUME, "mountPath": DIRECTORY, "readOnly": True}],
    }


def _url(inputs: Inputs) -> str:
    return f"http://{constants.canary(inputs.name)}.{inputs.namespace}.svc:{service(inputs)['port']}"

"""The pods: Deployment, its autoscaler, its disruption budget, their account and namespace."""

import math
from typing import Any

from agent_operator.api import constants
from agent_operator.api.kubernetes_models import V1EnvVar
from agent_operator.api.v1alpha1.sources import ApiKeys
from agent_operator.api.v1alpha1.workload import Dns, Runtime, Scheduling
from agent_operator.inputs import credentials, disruption, quantities, scaling
from agent_operator.inputs.agent_inputs import DEFAULT_MAX_REPLICAS, Inputs
from agent_operator.inputs.probes import probes
from agent_operator.inputs.resources import resources
from agent_operator.render.config import config_map
from agent_operator.render.context import View, labels
from agent_operator.render.credentials import secret_hash
from agent_runtime.config import CONFIG_FILE

# A request may take its whole timeout. Before that the runtime keeps serving, so long unless a variable says otherwise,
# until no proxy sends requests any more; and after it, closing takes a moment. An idle pod does not wait for a request.
DRAIN_SECONDS = 5
CLOSE_SECONDS = 10
MAX_DRAIN_SECONDS = 3600
TMP_SIZE = "256Mi"
USER = 1000


def namespace(inputs: Inputs) -> View | None:
    """Return the view of the Namespace; None when the children live beside the CR, or others make namespaces."""
    wanted = inputs.spec.namespace
    if wanted is None or not inputs.platform.manage_namespaces:
        return None
    labels_of_namespace = {
        constants.LABEL_COMPONENT: "ai-agent",
        constants.LABEL_POD_SECURITY: wanted.pod_security or "restricted",
    }
    return {"name": wanted.name, "namespace": None, "labels": (wanted.labels or {}) | labels_of_namespace}


def service_account(inputs: Inputs) -> View | None:
    """Return the view of the ServiceAccount; None when the CR names one that exists."""
    identity = inputs.spec.identity
    account = identity.service_account if identity else None
    if account and account.name:
        return None
    azure = identity.azure_workload_identity if identity else None
    annotations = {}
    if azure:
        annotations[constants.ANNOTATION_CLIENT_ID] = azure.client_id
        if azure.tenant_id:
            annotations[constants.ANNOTATION_TENANT_ID] = azure.tenant_id
    return {"annotations": annotations | ((account.annotations if account else None) or {})}


def deployment(inputs: Inputs) -> View:
    """Return the view of the Deployment."""
    spec, runtime = inputs.spec, inputs.spec.runtime or Runtime()
    return {
        "labels": {constants.LABEL_COMPONENT: constants.COMPONENT_AGENT},
        "replicas": None if spec.autoscaling else inputs.fewest_replicas,
        "progress_deadline": spec.rollout.progress_deadline_seconds if spec.rollout else None,
        "pod": _pod_metadata(inputs),
        "account": inputs.service_account,
        "user": USER if inputs.platform.set_pod_user else None,
        "image": inputs.image,
        "pull_policy": runtime.image_pull_policy or "IfNotPresent",
        "config_map": config_map(inputs)["name"],
        "config_directory": constants.CONFIG_DIRECTORY,
        "config_file": f"{constants.CONFIG_DIRECTORY}/{CONFIG_FILE}",
        "api_keys": _api_keys(spec.api_keys),
        "http_port": constants.HTTP_PORT,
        "metrics_port": constants.METRICS_PORT,
        "env": env(inputs),
        "probes": probes(spec.probes),
        "resources": resources(spec.resources),
        "grace_seconds": _drain_seconds(inputs) + inputs.request_timeout_seconds + CLOSE_SECONDS,
        "tmp_size": TMP_SIZE,
        "placement": _placement(inputs) | _dns(spec.dns or Dns()),
        "pull_secrets": [secret.name for secret in runtime.image_pull_secrets or ()],
    }


def _api_keys(wanted: ApiKeys | None) -> View | None:
    """Return the volume of the callers' keys: one file, which follows the Secret."""
    if wanted is None:
        return None
    reference = wanted.secret_key_ref
    items = [{"key": reference.key, "path": constants.API_KEYS_FILE}]
    return {"directory": constants.API_KEYS_DIRECTORY, "secret": {"secretName": reference.name, "items": items}}


def _drain_seconds(inputs: Inputs) -> int:
    """Return how long the runtime serves on after SIGTERM; what it would not take as a number it refuses itself."""
    given = (it.value or "" for it in inputs.spec.env or () if it.name == credentials.DRAIN_DELAY)
    try:
        seconds = math.ceil(min(float(next(given)), MAX_DRAIN_SECONDS))
    except (StopIteration, ValueError):
        return DRAIN_SECONDS
    return seconds if seconds >= 0 else DRAIN_SECONDS


def _pod_metadata(inputs: Inputs) -> View:
    identity = inputs.spec.identity
    made = labels(inputs) | {constants.LABEL_APP: inputs.name, constants.LABEL_COMPONENT: constants.COMPONENT_AGENT}
    if identity and identity.azure_workload_identity:
        made[constants.LABEL_WORKLOAD_IDENTITY] = "true"
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": str(constants.METRICS_PORT)}
    if digest := secret_hash(inputs):
        annotations[constants.ANNOTATION_SECRET_HASH] = digest
    return {"labels": made, "annotations": annotations}


def env(inputs: Inputs) -> list[View]:
    """Return the variables of the container: secrets, what the operator sets, what the CR adds."""
    secret = [{"name": key.name, "valueFrom": {"secretKeyRef": _reference(key)}} for key in credentials.keys(inputs)]
    own = {
        credentials.LOG_LEVEL: inputs.section.log_level,
        credentials.AGENT_NAME: inputs.name,
        credentials.SHUTDOWN_GRACE: str(inputs.request_timeout_seconds),
    }
    return [
        *secret,
        *({"name": name, "value": value} for name, value in own.items()),
        *(_variable(variable) for variable in inputs.spec.env or ()),
    ]


def _reference(key: credentials.CredentialKey) -> View:
    return {"name": key.secret, "key": key.name} | ({"optional": True} if key.optional else {})


def _variable(variable: V1EnvVar) -> View:
    made: View = variable.model_dump(by_alias=True, exclude_none=True)
    field = made.get("valueFrom", {}).get("resourceFieldRef", {})
    if "divisor" in field:
        field["divisor"] = quantities.canonical(field["divisor"])
    if made.get("value") == "":
        del made["value"]  # the API server keeps no empty value
    return made


def _placement(inputs: Inputs) -> View:
    """Return where pods may run, with the seed's spread over zones and nodes unless the CR says otherwise."""
    wanted = inputs.spec.scheduling or Scheduling()
    own = {"matchLabels": {constants.LABEL_APP: inputs.name}}
    zones = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    given = wanted.topology_spread_constraints
    spread = [zones] if given is None else [item.model_dump(by_alias=True, exclude_none=True) for item in given]
    nodes = {"labelSelector": own, "topologyKey": "kubernetes.io/hostname"}
    apart = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": nodes}]}
    made: dict[str, Any] = {
        "topologySpreadConstraints": [{"labelSelector": own} | item for item in spread],
        "affinity": wanted.affinity.model_dump(by_alias=True, exclude_none=True)
        if wanted.affinity
        else {"podAntiAffinity": apart},
        "nodeSelector": wanted.node_selector,
        "tolerations": [item.model_dump(by_alias=True, exclude_none=True) for item in wanted.tolerations or ()],
        "priorityClassName": wanted.priority_class_name,
    }
    return {field: value for field, value in made.items() if value}


def _dns(wanted: Dns) -> View:
    made: View = {"dnsPolicy": wanted.policy or "ClusterFirst"}
    if wanted.options:
        made["dnsConfig"] = {
            "options": [option.model_dump(by_alias=True, exclude_none=True) for option in wanted.options]
        }
    return made


def autoscaler(inputs: Inputs) -> View | None:
    """Return the view of the HorizontalPodAutoscaler."""
    wanted = inputs.spec.autoscaling
    if wanted is None:
        return None
    return {
        "min_replicas": inputs.fewest_replicas,
        "max_replicas": wanted.max_replicas or DEFAULT_MAX_REPLICAS,
        "utilization": scaling.utilization(wanted),
        "extra_metrics": scaling.metrics(wanted),
        "behavior": scaling.behavior(wanted),
    }


def disruption_budget(inputs: Inputs) -> View:
    """Return the view of the PodDisruptionBudget."""
    made = disruption.budget(inputs.spec.disruption_budget, inputs.fewest_replicas)
    # A pod that is broken anyway should not hold up a drain; Kubernetes knows the field since 1.27.
    always = inputs.platform.kubernetes_minor >= 27  # noqa: PLR2004
    return {
        "min_available": made.min_available,
        "max_unavailable": made.max_unavailable,
        "unhealthy_policy": "AlwaysAllow" if always else None,
    }

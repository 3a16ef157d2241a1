"""The pod template: rendered from the spec, with spec.podTemplate merged over it."""

import math
from collections.abc import Iterator
from typing import Any

from agent_operator.api import constants
from agent_operator.api.kubernetes_models import V1EnvVar
from agent_operator.api.v1alpha1.outbound import TrustedCa
from agent_operator.api.v1alpha1.sources import ApiKeys
from agent_operator.api.v1alpha1.workload import Dns, Isolation, Runtime, Scheduling
from agent_operator.inputs import credentials, model_sources, proxy, quantities, tracing
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.inputs.container_defaults import probes, resources
from agent_operator.inputs.model_sources import (
    REDIS_CA_DIRECTORY,
    REDIS_CA_VOLUME,
    model_ca_directory,
    model_ca_volume,
    redis_ca,
)
from agent_operator.render import pod_template
from agent_operator.render.canonical import Manifest
from agent_operator.render.credentials import secret_hash
from agent_operator.render.templates import View, common_annotations, common_labels, fill, labels
from agent_runtime.config import CONFIG_FILE, CaSource, KeyReference
from agent_runtime.config.auth import KUBERNETES_DIRECTORY

# terminationGracePeriodSeconds is a sum: the runtime serves for DRAIN_SECONDS until all proxies have removed the pod (a
# variable may change that), the last request may take its whole timeout, and then the runtime closes.
DRAIN_SECONDS = 5
CLOSE_SECONDS = 10
MAX_DRAIN_SECONDS = 3600
TMP_SIZE = "256Mi"
USER = 1000


def template(inputs: Inputs, config_map: str) -> Manifest:
    """Return the pod template of an agent whose ConfigMap has this name.

    Raises:
        ProblemError: spec.podTemplate cannot be used.
    """
    rendered = fill("pod", _view(inputs, config_map))
    return pod_template.merged(inputs, rendered) if inputs.spec.pod_template else rendered


def _view(inputs: Inputs, config_map: str) -> View:
    spec, runtime = inputs.spec, inputs.spec.runtime or Runtime()
    return {
        "pod_metadata": _metadata(inputs),
        "account": inputs.service_account,
        "user": USER if inputs.platform.set_pod_user else None,
        "image": inputs.image,
        "pull_policy": runtime.image_pull_policy or "IfNotPresent",
        "config_map": config_map,
        "trusted_ca_directory": constants.TRUSTED_CA_DIRECTORY,
        "config_directory": constants.CONFIG_DIRECTORY,
        "config_file": f"{constants.CONFIG_DIRECTORY}/{CONFIG_FILE}",
        "api_keys": _api_keys(spec.api_keys),
        "trusted_ca": _trusted_ca(spec.trusted_ca),
        "volumes": list(_volumes(inputs)),
        "http_port": constants.HTTP_PORT,
        "metrics_port": constants.METRICS_PORT,
        "env": env(inputs),
        "probes": probes(spec.probes),
        "resources": resources(spec.resources),
        "grace_seconds": _drain_seconds(inputs) + inputs.request_timeout_seconds + CLOSE_SECONDS,
        "tmp_size": TMP_SIZE,
        "placement": _placement(inputs) | _isolation(spec.isolation) | _dns(spec.dns or Dns()),
        "pull_secrets": inputs.pull_secrets,
    }


def _api_keys(wanted: ApiKeys | None) -> View | None:
    """Return the volume with the API keys of callers: one file, which the kubelet updates from the Secret."""
    if wanted is None:
        return None
    reference = wanted.secret_key_ref
    items = [{"key": reference.key, "path": constants.API_KEYS_FILE}]
    return {"directory": constants.API_KEYS_DIRECTORY, "secret": {"secretName": reference.name, "items": items}}


def _trusted_ca(wanted: TrustedCa | None) -> View | None:
    """Return the volume with the certificate authorities: one file."""
    reference = (wanted.config_map_key_ref or wanted.secret_key_ref) if wanted else None
    if wanted is None or reference is None:
        return None
    items = [{"key": reference.key or constants.TRUSTED_CA_FILE, "path": constants.TRUSTED_CA_FILE}]
    if wanted.config_map_key_ref:
        return {"config_map": {"name": reference.name, "items": items}, "secret": None}
    return {"config_map": None, "secret": {"secretName": reference.name, "items": items}}


def _volumes(inputs: Inputs) -> Iterator[View]:
    """Yield the volumes that few agents have, each with its directory: certificate authorities and tokens."""
    for index, model in enumerate(inputs.spec.config.models):
        if model.tls and model.tls.ca_from:
            yield _ca_volume(model.tls.ca_from, model_ca_volume(index), model_ca_directory(index))
    if inputs.spec.config.memory and (source := redis_ca(inputs.spec.config)):
        yield _ca_volume(source, REDIS_CA_VOLUME, REDIS_CA_DIRECTORY)
    prices = inputs.spec.config.prices and inputs.spec.config.prices.config_map_key_ref
    if prices:
        yield _prices(prices)
    if inputs.uses_api_server:
        yield {"directory": KUBERNETES_DIRECTORY, "volume": constants.API_SERVER_VOLUME}
    if found := model_sources.tokens(inputs.spec.config):
        sources = [
            {"serviceAccountToken": {"path": name, "audience": audience, "expirationSeconds": 3600}}
            for name, audience in found.items()
        ]
        volume = {"name": constants.TOKENS_VOLUME, "projected": {"sources": sources}}
        yield {"directory": constants.TOKENS_DIRECTORY, "volume": volume}


def _prices(reference: KeyReference) -> View:
    """Return the volume with the prices. Without its ConfigMap, pods start and report no cost."""
    items = [{"key": reference.key, "path": constants.PRICES_FILE}]
    source = {"name": reference.name, "items": items, "optional": True}
    return {"directory": constants.PRICES_DIRECTORY, "volume": {"name": "prices", "configMap": source}}


def _ca_volume(source: CaSource, name: str, directory: str) -> View:
    volume: View = {"name": name}
    if reference := source.config_map_key_ref:
        items = [{"key": reference.key, "path": constants.TRUSTED_CA_FILE}]
        volume["configMap"] = {"name": reference.name, "items": items}
    elif reference := source.secret_key_ref:
        items = [{"key": reference.key, "path": constants.TRUSTED_CA_FILE}]
        volume["secret"] = {"secretName": reference.name, "items": items}
    return {"directory": directory, "volume": volume}


def _drain_seconds(inputs: Inputs) -> int:
    """Return how long the runtime serves after SIGTERM. The runtime itself rejects a variable that is no number."""
    given = (it.value or "" for it in inputs.spec.env or () if it.name == credentials.DRAIN_DELAY)
    try:
        seconds = math.ceil(min(float(next(given)), MAX_DRAIN_SECONDS))
    except (StopIteration, ValueError):
        return DRAIN_SECONDS
    return seconds if seconds >= 0 else DRAIN_SECONDS


def _metadata(inputs: Inputs) -> View:
    identity = inputs.spec.identity
    pod_labels = (
        common_labels(inputs)
        | labels(inputs)
        | {
            constants.LABEL_APP: inputs.name,
            constants.LABEL_COMPONENT: constants.COMPONENT_AGENT,
        }
    )
    if identity and identity.azure_workload_identity:
        pod_labels[constants.LABEL_WORKLOAD_IDENTITY] = "true"
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": str(constants.METRICS_PORT)}
    annotations = common_annotations(inputs) | scraped
    if digest := secret_hash(inputs):
        annotations[constants.ANNOTATION_SECRET_HASH] = digest
    return {"labels": pod_labels, "annotations": annotations}


def env(inputs: Inputs) -> list[View]:
    """Return the variables of the container: from Secrets, set by the operator, and from spec.env."""
    secret = [{"name": key.name, "valueFrom": {"secretKeyRef": _reference(key)}} for key in credentials.keys(inputs)]
    secret += [
        {"name": key.variable, "valueFrom": {"secretKeyRef": {"name": key.secret, "key": key.key}}}
        for key in inputs.secret_variables
    ]
    own = {
        credentials.LOG_LEVEL: inputs.section.log_level,
        credentials.AGENT_NAME: inputs.name,
        credentials.SHUTDOWN_GRACE: str(inputs.request_timeout_seconds),
    }
    if inputs.spec.proxy:
        own |= proxy.variables(inputs.spec, inputs.namespace)
    if inputs.spec.monitoring:
        own |= tracing.variables(inputs.spec)
    if inputs.spec.trusted_ca:
        own[credentials.TRUSTED_CA] = f"{constants.TRUSTED_CA_DIRECTORY}/{constants.TRUSTED_CA_FILE}"
    return [
        *secret,
        *({"name": name, "value": value} for name, value in own.items()),
        *(_variable(variable) for variable in inputs.spec.env or ()),
    ]


def _reference(key: credentials.CredentialKey) -> View:
    return {"name": key.secret, "key": key.name} | ({"optional": True} if key.optional else {})


def _variable(variable: V1EnvVar) -> View:
    dumped: View = variable.model_dump(by_alias=True, exclude_none=True)
    field = dumped.get("valueFrom", {}).get("resourceFieldRef", {})
    if "divisor" in field:
        field["divisor"] = quantities.canonical(field["divisor"])
    if dumped.get("value") == "":
        del dumped["value"]  # the API server does not store an empty value
    return dumped


def _placement(inputs: Inputs) -> View:
    """Return where pods may run. By default they are spread over zones and nodes."""
    wanted = inputs.spec.scheduling or Scheduling()
    own = {"matchLabels": {constants.LABEL_APP: inputs.name}}
    zones = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    given = wanted.topology_spread_constraints
    spread = [zones] if given is None else [item.model_dump(by_alias=True, exclude_none=True) for item in given]
    nodes = {"labelSelector": own, "topologyKey": "kubernetes.io/hostname"}
    apart = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": nodes}]}
    placement: dict[str, Any] = {
        "topologySpreadConstraints": [{"labelSelector": own} | item for item in spread],
        "affinity": wanted.affinity.model_dump(by_alias=True, exclude_none=True)
        if wanted.affinity
        else {"podAntiAffinity": apart},
        "nodeSelector": wanted.node_selector,
        "tolerations": [item.model_dump(by_alias=True, exclude_none=True) for item in wanted.tolerations or ()],
        "priorityClassName": wanted.priority_class_name,
    }
    return {field: value for field, value in placement.items() if value}


def _isolation(wanted: Isolation | None) -> View:
    return {"runtimeClassName": wanted.runtime_class_name} if wanted and wanted.runtime_class_name else {}


def _dns(wanted: Dns) -> View:
    dns: View = {"dnsPolicy": wanted.policy or "ClusterFirst"}
    if wanted.options:
        dns["dnsConfig"] = {
            "options": [option.model_dump(by_alias=True, exclude_none=True) for option in wanted.options]
        }
    return dns

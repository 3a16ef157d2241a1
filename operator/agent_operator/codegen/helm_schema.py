"""The JSON schema of the chart's values, so that Helm names the value that is unknown or invalid.

The options of the operator are those of settings.Settings. Types of Kubernetes are complete, so a misspelled field of a
toleration is found before the installation. The patterns must be valid for Go, which has no lookaheads.
"""

import json
from typing import Any

from agent_operator.api import image_reference
from agent_operator.api.base import SUBDOMAIN_PATTERN
from agent_operator.codegen import kubernetes_schema
from agent_operator.settings import Settings

Schema = dict[str, Any]

# Options that other values of the chart set, or that have no use in a pod.
NOT_SETTINGS = (
    "namespaces",
    "runtime_image",
    "runtime_image_pull_secrets",
    "listen",
    "operator_namespace",
    "identity",
    "kubeconfig",
    "context",
)
_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_DURATION = r"^([0-9]+(ms|s|m|h))*$"
_REPOSITORY = image_reference.PATTERN.partition("(:[A-Za-z0-9_]")[0] + "$"
_KUBERNETES_TYPES = {
    "affinity": "V1Affinity",
    "env": "V1EnvVar",
    "egress": "V1NetworkPolicyEgressRule",
    "ingress": "V1NetworkPolicyIngressRule",
    "peer": "V1NetworkPolicyPeer",
    "resources": "V1ResourceRequirements",
    "toleration": "V1Toleration",
    "topologySpreadConstraint": "V1TopologySpreadConstraint",
    "volume": "V1Volume",
    "volumeMount": "V1VolumeMount",
}

# Templates write both into texts, where a quote or a comma would change the meaning.
_NAMES_OF_OBJECTS: dict[str, Schema] = {
    "lease_name": {"pattern": SUBDOMAIN_PATTERN, "maxLength": 253},
    "lease_namespace": {"pattern": _LABEL},
}
_FLAG: Schema = {"type": "boolean"}
_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_NAMES: Schema = {"type": "array", "items": {"type": "string", "pattern": SUBDOMAIN_PATTERN, "maxLength": 253}}
_OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
_AMOUNT: Schema = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+%$"}, {"type": "null"}]
}


def _text(pattern: str, limit: int) -> Schema:
    """A string that may be empty, which selects the default."""
    return {"type": "string", "pattern": f"^({pattern.removeprefix('^').removesuffix('$')})?$", "maxLength": limit}


def _closed(**properties: Schema) -> Schema:
    """An object with fixed fields. `helm upgrade --reuse-values` lacks those that a new version has added."""
    required = [name for name, node in properties.items() if not _nullable(node)]
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def _nullable(node: Schema) -> bool:
    return {"type": "null"} in node.get("anyOf", ()) or "null" in node.get("type", ())


def _kubernetes(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _list(name: str) -> Schema:
    return {"type": "array", "items": _kubernetes(name)}


def schema() -> Schema:
    """Return the schema of all values."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart agent-operator",
        **_closed(
            # Helm passes it to every chart of a release.
            **{"global": {"type": ["object", "null"]}},
            fullnameOverride=_text(_LABEL, 40),
            commonLabels=_TEXTS,
            crds=_closed(enabled=_FLAG, keep=_FLAG),
            **_images(),
            settings=_settings(),
            **_rights(),
            **_pods(),
            networkPolicy=_network(),
            monitoring=_monitoring(),
            extraObjects={
                "type": "array",
                "items": {"type": ["object", "string"], "required": ["apiVersion", "kind", "metadata"]},
            },
        ),
        "$defs": {name: _strict(kubernetes_schema.complete(model)) for name, model in _KUBERNETES_TYPES.items()},
    }


def _images() -> dict[str, Schema]:
    reference = {
        "repository": {"type": "string", "pattern": _REPOSITORY, "maxLength": 255},
        "tag": _text(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", 128),
        "digest": _text(r"^sha256:[0-9a-f]{64}$", 71),
    }
    registry = _text(r"^[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?(/[a-z0-9][a-z0-9._-]*)*/?$", 255)
    policy = {"enum": ["Always", "IfNotPresent", "Never"]}
    return {
        "image": _closed(registry=registry, **reference, pullPolicy=policy),
        "imagePullSecrets": _NAMES,
        "runtimeImage": _closed(**reference, pullSecrets=_NAMES),
    }


def _settings() -> Schema:
    """Each option of the operator, in camelCase. Null leaves the default of the operator."""
    options = Settings.model_json_schema()["properties"]
    kept = ((name, option) for name, option in options.items() if name not in NOT_SETTINGS)
    return _closed(**{camel_case(name): _option(option | _NAMES_OF_OBJECTS.get(name, {})) for name, option in kept})


def camel_case(name: str) -> str:
    """Return the name of an option in the chart: log_format is logFormat."""
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


def _option(option: Schema) -> Schema:
    node = {key: value for key, value in option.items() if key not in ("default", "title")}
    if "enum" in node:
        return {**node, "type": ["string", "null"], "enum": [*node["enum"], None]}
    return {**node, "type": [node["type"], "null"]}


def _rights() -> dict[str, Schema]:
    namespaces = {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": _LABEL}}
    return {
        "serviceAccount": _closed(create=_FLAG, name=_text(SUBDOMAIN_PATTERN, 253), annotations=_TEXTS),
        "rbac": _closed(create=_FLAG, namespaces=namespaces, userRoles=_FLAG),
        "admissionPolicies": _closed(enabled=_FLAG, requireAPIKeys=_FLAG, confineOperator=_FLAG),
    }


def _pods() -> dict[str, Schema]:
    spread = {"anyOf": [{"type": "null"}, _list("topologySpreadConstraint")]}
    return {
        "replicas": {"type": "integer", "minimum": 0, "maximum": 10},
        "podDisruptionBudget": _closed(enabled=_FLAG, maxUnavailable=_AMOUNT, minAvailable=_AMOUNT),
        "resources": _kubernetes("resources"),
        "priorityClassName": _text(SUBDOMAIN_PATTERN, 253),
        "nodeSelector": _TEXTS,
        "tolerations": _list("toleration"),
        "affinity": _kubernetes("affinity"),
        "topologySpreadConstraints": spread,
        "deploymentAnnotations": _TEXTS,
        "podAnnotations": _TEXTS,
        "podLabels": _TEXTS,
        "extraEnv": _list("env"),
        "extraVolumes": _list("volume"),
        "extraVolumeMounts": _list("volumeMount"),
    }


def _network() -> Schema:
    ports = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1, "maximum": 65_535}}
    ranges = {"type": "array", "items": {"type": "string", "pattern": r"^([0-9.]+/[0-9]{1,2}|[0-9a-f:]+/[0-9]{1,3})$"}}
    return _closed(
        enabled=_FLAG,
        metricsFrom=_list("peer"),
        dnsTo=_list("peer"),
        apiServer=_closed(cidrs=ranges, ports=ports),
        extraIngress=_list("ingress"),
        extraEgress=_list("egress"),
    )


def _monitoring() -> Schema:
    service_monitor = _closed(
        enabled=_FLAG,
        interval={"type": "string", "pattern": _DURATION},
        scrapeTimeout={"type": "string", "pattern": _DURATION},
        labels=_TEXTS,
        metricRelabelings=_OBJECTS,
        relabelings=_OBJECTS,
    )
    return _closed(
        serviceMonitor=service_monitor,
        prometheusRule=_closed(enabled=_FLAG, labels=_TEXTS),
        dashboards=_closed(enabled=_FLAG, labels=_TEXTS, annotations=_TEXTS),
    )


def _strict(node: Schema) -> Schema:
    """Convert a structural schema of Kubernetes to JSON Schema without descriptions and unknown fields."""
    strict = {key: value for key, value in node.items() if key not in ("description", "x-kubernetes-int-or-string")}
    if "x-kubernetes-int-or-string" in node:
        strict["type"] = ["number", "string"]
    for keyword in ("items", "additionalProperties"):
        if isinstance(node.get(keyword), dict):
            strict[keyword] = _strict(node[keyword])
    if "properties" in node:
        strict["properties"] = {name: _strict(child) for name, child in node["properties"].items()}
        strict["additionalProperties"] = False
    return strict


def dump() -> str:
    """Return the text of values.schema.json."""
    return json.dumps(schema(), indent=1) + "\n"

"""Objects without the defaults that the API server adds, so that a field with its default equals a missing field."""

from collections.abc import Callable, Mapping
from typing import Any

from agent_operator.inputs import quantities
from agentctl.objects import Object

# Keys are fields. A map describes the object, or each item of the list, below the field. Other values are defaults.
_HTTP: Object = {"scheme": "HTTP", "path": "/"}
_PROBE: Object = {
    "initialDelaySeconds": 0,
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
    "httpGet": _HTTP,
    "grpc": {"service": ""},
}
_FIELD_REF: Object = {"fieldRef": {"apiVersion": "v1"}, "resourceFieldRef": {"divisor": "0"}}
_MODE = 0o644
_CONTAINER: Object = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "ports": {"protocol": "TCP"},
    "env": {"value": "", "valueFrom": _FIELD_REF},
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "startupProbe": _PROBE,
    "lifecycle": {"preStop": {"httpGet": _HTTP}, "postStart": {"httpGet": _HTTP}},
    "stdin": False,
    "tty": False,
    "securityContext": {"procMount": "Default"},
    "volumeMounts": {"readOnly": False, "recursiveReadOnly": "Disabled"},
}
_VOLUME: Object = {
    "configMap": {"defaultMode": _MODE, "optional": False},
    "secret": {"defaultMode": _MODE, "optional": False},
    "downwardAPI": {"defaultMode": _MODE, "items": _FIELD_REF},
    "projected": {
        "defaultMode": _MODE,
        "sources": {"serviceAccountToken": {"expirationSeconds": 3600}, "downwardAPI": {"items": _FIELD_REF}},
    },
    "hostPath": {"type": ""},
}
_POD: Object = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
    "enableServiceLinks": True,
    "automountServiceAccountToken": True,
    "hostNetwork": False,
    "hostPID": False,
    "hostIPC": False,
    "shareProcessNamespace": False,
    "preemptionPolicy": "PreemptLowerPriority",
    "topologySpreadConstraints": {"nodeAffinityPolicy": "Honor", "nodeTaintsPolicy": "Ignore"},
    "containers": _CONTAINER,
    "initContainers": _CONTAINER,
    "volumes": _VOLUME,
}
_PORTS: Object = {"ports": {"protocol": "TCP"}}
_TARGET: Object = {"remoteRef": {"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None"}}
_SPECS: Mapping[str, Object] = {
    "Deployment": {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "minReadySeconds": 0,
        "paused": False,
        "template": {"spec": _POD},
    },
    "Service": {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "externalTrafficPolicy": "Cluster",
        "allocateLoadBalancerNodePorts": True,
        "ipFamilyPolicy": "SingleStack",
        **_PORTS,
    },
    "NetworkPolicy": {"ingress": _PORTS, "egress": _PORTS},
    "HorizontalPodAutoscaler": {
        "minReplicas": 1,
        "behavior": {"scaleDown": {"selectPolicy": "Max"}, "scaleUp": {"selectPolicy": "Max"}},
    },
    "PodDisruptionBudget": {"unhealthyPodEvictionPolicy": "IfHealthyBudget"},
    "ExternalSecret": {
        "refreshInterval": "1h",
        "refreshPolicy": "Periodic",
        "secretStoreRef": {"kind": "SecretStore"},
        "target": {"creationPolicy": "Owner", "deletionPolicy": "Retain"},
        "data": _TARGET,
    },
    "SecretStore": {"provider": {"azurekv": {"authType": "ServicePrincipal", "environmentType": "PublicCloud"}}},
    "HTTPRoute": {
        "parentRefs": {"group": "gateway.networking.k8s.io", "kind": "Gateway"},
        "rules": {"backendRefs": {"group": "", "kind": "Service", "weight": 1}},
    },
}
# Fields that are removed when they are empty. Elsewhere an empty object has a meaning, such as `podSelector: {}`.
_OPTIONAL_MAPS = frozenset({"annotations", "labels", "resources", "securityContext", "requests", "limits", "strategy"})
_NOISE = ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision")
_NOISE_LABELS = ("pod-template-hash", "controller-revision-hash")
_OPERATOR = "agent-operator.dev/"


def normalized(kind: str, body: Object) -> Object:
    """Return an object without defaults, and with canonical quantities."""
    result = {key: value for key, value in body.items() if key not in ("status", "apiVersion")}
    result["metadata"] = _metadata(result.get("metadata") or {})
    spec = result.get("spec")
    if isinstance(spec, dict):
        described = _stripped(spec, _SPECS.get(kind, {}))
        result["spec"] = _OF_KIND.get(kind, _same)(_quantities(described))
    if kind == "ServiceAccount":
        result = {key: value for key, value in result.items() if key != "secrets"}
    return result


def _same(spec: Object) -> Object:
    return spec


def _metadata(metadata: Object) -> Object:
    """Return metadata without what kubectl, controllers and this operator write."""
    kept = {key: value for key, value in metadata.items() if key in ("name", "namespace", "labels", "annotations")}
    for field, noise in (("annotations", _NOISE), ("labels", _NOISE_LABELS)):
        values = kept.pop(field, None)
        if isinstance(values, dict):
            own = {k: v for k, v in values.items() if k not in noise and not str(k).startswith(_OPERATOR)}
            kept |= {field: own} if own else {}
    return kept


def _stripped(value: Any, described: Any) -> Any:
    """Return a value without the defaults that a description lists."""
    if isinstance(value, list):
        return [_stripped(item, described) for item in value]
    if not isinstance(value, dict) or not isinstance(described, dict):
        return value
    result: Object = {}
    for key, item in value.items():
        known = described.get(key)
        if key in described and not isinstance(known, dict) and item == known and type(item) is type(known):
            continue
        result[key] = _stripped(item, known)
    return {key: item for key, item in result.items() if not (key in _OPTIONAL_MAPS and item == {})}


def _quantities(value: Any, field: str = "") -> Any:
    if isinstance(value, list):
        return [_quantities(item) for item in value]
    if not isinstance(value, dict):
        return _canonical(value) if field in ("sizeLimit", "averageValue", "divisor") else value
    if field in ("requests", "limits"):
        return {key: _canonical(item) for key, item in value.items()}
    return {key: _quantities(item, key) for key, item in value.items()}


def _canonical(value: Any) -> Any:
    try:
        return quantities.canonical(str(value))
    except ValueError:
        return value


def _deployment(spec: Object) -> Object:
    template = spec.get("template") or {}
    pod = dict(template.get("spec") or {})
    pod.pop("serviceAccount", None)  # the deprecated name of serviceAccountName
    if "securityContext" in pod and not pod["securityContext"]:
        del pod["securityContext"]
    return spec | {"template": {"metadata": _metadata(template.get("metadata") or {}), "spec": pod}}


def _service(spec: Object) -> Object:
    """Remove the addresses that the API server assigned. `clusterIP: None` is a choice of the user."""
    headless = spec.get("clusterIP") == "None"
    assigned = ("ipFamilies", "healthCheckNodePort", *(() if headless else ("clusterIP", "clusterIPs")))
    kept = {key: value for key, value in spec.items() if key not in assigned}
    if kept.get("type") != "NodePort":
        ports = [{key: value for key, value in port.items() if key != "nodePort"} for port in kept.get("ports") or ()]
        kept["ports"] = ports
    return kept


_OF_KIND: Mapping[str, Callable[[Object], Object]] = {"Deployment": _deployment, "Service": _service}

"""Defaults of built-in kinds."""

import base64
from collections.abc import Callable
from typing import Any, Final

from kubeschema.errors import Gvk
from kubeschema.kinds.pod_defaults import filled, pod_spec, requests_from_limits

Object = dict[str, Any]

_RBAC: Final = "rbac.authorization.k8s.io"
_QUARTER: Final = {"maxUnavailable": "25%", "maxSurge": "25%"}
_DEPLOYMENT: Final = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
_JOB: Final = {
    "manualSelector": False,
    "backoffLimit": 6,
    "completionMode": "NonIndexed",
    "suspend": False,
    "podReplacementPolicy": "TerminatingOrFailed",
}
_EXPOSED: Final = frozenset({"NodePort", "LoadBalancer"})
_CPU: Final = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
_PODS: Final = {"type": "Pods", "value": 4, "periodSeconds": 15}
_PERCENT: Final = {"type": "Percent", "value": 100, "periodSeconds": 15}
_SCALE_UP: Final = {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [_PODS, _PERCENT]}
_SCALE_DOWN: Final = {"selectPolicy": "Max", "policies": [_PERCENT]}


def _template(spec: Object) -> Object:
    """Default the pod template of a spec."""
    template = spec.get("template")
    if not template:
        return spec
    return {**spec, "template": {**template, "spec": pod_spec(template.get("spec") or {})}}


def _pod(obj: Object) -> Object:
    spec = requests_from_limits(pod_spec(obj.get("spec") or {}))
    return {**obj, "spec": filled(spec, {"enableServiceLinks": True})}


def _deployment(spec: Object) -> Object:
    strategy = filled(spec.get("strategy") or {}, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        strategy = {**strategy, "rollingUpdate": filled(strategy.get("rollingUpdate") or {}, _QUARTER)}
    return {**filled(_template(spec), _DEPLOYMENT), "strategy": strategy}


def _job(spec: Object) -> Object:
    out = filled(
        _template(spec), {**_JOB, **({"podReplacementPolicy": "Failed"} if "podFailurePolicy" in spec else {})}
    )
    if (spec.get("podFailurePolicy") or {}).get("rules"):
        rules = [_failure_rule(rule) for rule in spec["podFailurePolicy"]["rules"]]
        out = {**out, "podFailurePolicy": {**spec["podFailurePolicy"], "rules": rules}}
    if out.get("completions") is None and out.get("parallelism") is None:
        out = {**out, "completions": 1}
    return filled(out, {"parallelism": 1})


def _failure_rule(rule: Object) -> Object:
    if not rule.get("onPodConditions"):
        return rule
    return {**rule, "onPodConditions": [filled(c, {"status": "True"}) for c in rule["onPodConditions"]]}


def _service(spec: Object) -> Object:
    out = filled(spec, {"sessionAffinity": "None", "type": "ClusterIP"})
    defaults: Object = {}
    if out["type"] != "ExternalName":
        defaults["internalTrafficPolicy"] = "Cluster"
    if out["type"] in _EXPOSED:
        defaults["externalTrafficPolicy"] = "Cluster"
    if out["type"] == "LoadBalancer":
        defaults["allocateLoadBalancerNodePorts"] = True
    if out["sessionAffinity"] == "ClientIP":
        defaults["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
    out = filled(out, defaults)
    if out.get("ports"):
        out = {**out, "ports": [_service_port(port) for port in out["ports"]]}
    return out


def _service_port(port: Object) -> Object:
    target = port.get("targetPort") or port.get("port")
    return {**filled(port, {"protocol": "TCP"}), "targetPort": target}


def _autoscaler(spec: Object) -> Object:
    out = filled(spec, {"minReplicas": 1})
    if not out.get("metrics"):
        out = {**out, "metrics": [{"type": "Resource", "resource": _CPU}]}
    behavior = out.get("behavior")
    if behavior is not None:
        up = filled(behavior.get("scaleUp") or {}, _SCALE_UP)
        down = filled(behavior.get("scaleDown") or {}, _SCALE_DOWN)
        out = {**out, "behavior": {"scaleUp": up, "scaleDown": down}}
    return out


def _network_policy(spec: Object) -> Object:
    out = dict(spec)
    for direction in ("ingress", "egress"):
        if spec.get(direction):
            out[direction] = [_rule(rule) for rule in spec[direction]]
    if not out.get("policyTypes"):
        out["policyTypes"] = ["Ingress", "Egress"] if out.get("egress") else ["Ingress"]
    return out


def _rule(rule: Object) -> Object:
    if not rule.get("ports"):
        return rule
    return {**rule, "ports": [filled(port, {"protocol": "TCP"}) for port in rule["ports"]]}


def _crd(spec: Object) -> Object:
    names = spec.get("names") or {}
    kind = names.get("kind", "")
    names = filled(names, {"singular": kind.lower(), "listKind": f"{kind}List"})
    return {**filled(spec, {"conversion": {"strategy": "None"}}), "names": names}


def _secret(obj: Object) -> Object:
    out = {key: value for key, value in obj.items() if key != "stringData"}
    if obj.get("stringData"):
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in obj["stringData"].items()}
        out["data"] = {**(obj.get("data") or {}), **encoded}
    return filled(out, {"type": "Opaque"})


def _namespace(obj: Object) -> Object:
    metadata = obj.get("metadata") or {}
    name = metadata.get("name")
    labels = metadata.get("labels") or {}
    if not name or labels.get("kubernetes.io/metadata.name") == name:
        return obj
    return {**obj, "metadata": {**metadata, "labels": {**labels, "kubernetes.io/metadata.name": name}}}


def _role_binding(obj: Object) -> Object:
    out = {**obj, "roleRef": filled(obj.get("roleRef") or {}, {"apiGroup": _RBAC})}
    if obj.get("subjects"):
        out["subjects"] = [
            filled(subject, {"apiGroup": _RBAC}) if subject.get("kind") in {"User", "Group"} else subject
            for subject in obj["subjects"]
        ]
    return out


def _endpoint_slice(obj: Object) -> Object:
    if not obj.get("ports"):
        return obj
    return {**obj, "ports": [filled(port, {"name": "", "protocol": "TCP"}) for port in obj["ports"]]}


_OF_SPEC: Final[dict[tuple[str, str], Callable[[Object], Object]]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): lambda spec: filled(_template(spec), {"replicas": 1}),
    ("batch", "Job"): _job,
    ("", "Service"): _service,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("networking.k8s.io", "NetworkPolicy"): _network_policy,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
}
_OF_OBJECT: Final[dict[tuple[str, str], Callable[[Object], Object]]] = {
    ("", "Pod"): _pod,
    ("", "Secret"): _secret,
    ("", "Namespace"): _namespace,
    ("discovery.k8s.io", "EndpointSlice"): _endpoint_slice,
    (_RBAC, "RoleBinding"): _role_binding,
    (_RBAC, "ClusterRoleBinding"): _role_binding,
}


def default(gvk: Gvk, obj: Object) -> Object:
    """Set the defaults of a decoded object of a built-in kind."""
    kind = (gvk[0], gvk[2])
    whole = _OF_OBJECT.get(kind)
    if whole:
        return whole(obj)
    of_spec = _OF_SPEC.get(kind)
    if of_spec is None:
        return obj
    return {**obj, "spec": of_spec(obj.get("spec") or {})}

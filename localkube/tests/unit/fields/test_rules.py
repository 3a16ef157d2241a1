"""Validation rules of built-in kinds: one row per rule with the object, the field and the message."""

from collections.abc import Callable
from typing import Any

import pytest

from kubeschema.kinds.validation import validate_create, validate_update

Object = dict[str, Any]
Gvk = tuple[str, str, str]
Complete = Callable[[Gvk, Object], Object]
RBAC = "rbac.authorization.k8s.io"
KINDS: dict[str, Gvk] = {
    "Pod": ("", "v1", "Pod"),
    "ConfigMap": ("", "v1", "ConfigMap"),
    "Secret": ("", "v1", "Secret"),
    "Service": ("", "v1", "Service"),
    "Event": ("", "v1", "Event"),
    "Deployment": ("apps", "v1", "Deployment"),
    "Revision": ("apps", "v1", "ControllerRevision"),
    "Job": ("batch", "v1", "Job"),
    "PDB": ("policy", "v1", "PodDisruptionBudget"),
    "HPA": ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    "Ingress": ("networking.k8s.io", "v1", "Ingress"),
    "NetworkPolicy": ("networking.k8s.io", "v1", "NetworkPolicy"),
    "Role": (RBAC, "v1", "Role"),
    "RoleBinding": (RBAC, "v1", "RoleBinding"),
}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
LABELS = {"app": "a"}
BARE = {"containers": [{"name": "c", "image": "i"}]}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": BARE}
WORKLOAD = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}
TARGET = {"scaleTargetRef": {"kind": "D", "name": "d"}, "maxReplicas": 2}
FIRST = "spec.containers[0]"
PORTS = {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 1, "name": "a"}] * 2}]}
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}


def container(**fields: Any) -> Object:
    return {"spec": {"containers": [{"name": "c", "image": "i", **fields}]}}


def pod(**fields: Any) -> Object:
    return {"spec": {**BARE, **fields}}


def paths(*items: Object) -> Object:
    return {"spec": {"rules": [{"http": {"paths": list(items)}}]}}


def node_affinity(**term: Any) -> Object:
    return pod(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}})


def expression(**fields: Any) -> Object:
    return node_affinity(matchExpressions=[{"key": "zone", **fields}])


TERM = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
EXPRESSION = f"{TERM}[0].matchExpressions[0]"
AFFINITIES: list[tuple[str, Object, str, str]] = [
    ("Pod", pod(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}), TERM, "at least one"),
    ("Pod", expression(operator="Near"), f"{EXPRESSION}.operator", "not a valid selector operator"),
    ("Pod", expression(operator="In"), f"{EXPRESSION}.values", "must be specified when"),
    ("Pod", expression(operator="Exists", values=["a"]), f"{EXPRESSION}.values", "may not be specified when"),
    ("Pod", expression(operator="Gt", values=["1", "2"]), f"{EXPRESSION}.values", "single value"),
    ("Pod", expression(key="a b", operator="Exists"), f"{EXPRESSION}.key", "Invalid value"),
    (
        "Pod",
        node_affinity(matchFields=[{"key": "metadata.name", "operator": "Exists"}]),
        f"{TERM}[0].matchFields[0].operator",
        "not a valid selector operator",
    ),
    (
        "Pod",
        node_affinity(matchFields=[{"key": "spec.x", "operator": "In", "values": ["a"]}]),
        f"{TERM}[0].matchFields[0].key",
        "not a valid field selector key",
    ),
    (
        "Pod",
        pod(affinity={"nodeAffinity": {PREFERRED: [{"weight": 101, "preference": {}}]}}),
        f"spec.affinity.nodeAffinity.{PREFERRED}[0].weight",
        "must be in the range 1-100",
    ),
    (
        "Pod",
        pod(affinity={"podAffinity": {REQUIRED: [{"labelSelector": {}}]}}),
        f"spec.affinity.podAffinity.{REQUIRED}[0].topologyKey",
        "can not be empty",
    ),
    (
        "Pod",
        pod(affinity={"podAntiAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": {"topologyKey": "a b"}}]}}),
        f"spec.affinity.podAntiAffinity.{PREFERRED}[0].podAffinityTerm.topologyKey",
        "Invalid value",
    ),
]
ROWS: list[tuple[str, Object, str, str]] = [
    ("Pod", {"spec": {"containers": [{"image": "i"}]}}, f"{FIRST}.name", "Required value"),
    ("Pod", {"spec": {"containers": [{"name": "C", "image": "i"}]}}, f"{FIRST}.name", "RFC 1123 label"),
    ("Pod", container(imagePullPolicy="Maybe"), f"{FIRST}.imagePullPolicy", '"Always", "IfNotPresent", "Never"'),
    ("Pod", container(image=" i"), f"{FIRST}.image", "leading or trailing whitespace"),
    ("Pod", container(ports=[{"containerPort": 70000}]), f"{FIRST}.ports[0].containerPort", "between 1 and 65535"),
    ("Pod", container(ports=[{"name": "x"}]), f"{FIRST}.ports[0].containerPort", "Required value"),
    ("Pod", container(ports=[{"containerPort": 1, "protocol": "X"}]), f"{FIRST}.ports[0].protocol", '"SCTP", "TCP"'),
    ("Pod", container(ports=[{"containerPort": 1, "name": "A_"}]), f"{FIRST}.ports[0].name", "alphanumeric"),
    ("Pod", {"spec": PORTS}, f"{FIRST}.ports[1].name", 'Duplicate value: "a"'),
    ("Pod", container(env=[{"value": "x"}]), f"{FIRST}.env[0].name", "Required value"),
    ("Pod", container(env=[{"name": "A", "valueFrom": {}}]), f"{FIRST}.env[0].valueFrom", "must specify one of"),
    (
        "Pod",
        container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": ""}}}]),
        f"{FIRST}.env[0].valueFrom.secretKeyRef.key",
        "Required value",
    ),
    ("Pod", container(volumeMounts=[{"name": "v"}]), f"{FIRST}.volumeMounts[0].mountPath", "Required value"),
    ("Pod", container(resources={"limits": {"cpu": "-1"}}), f"{FIRST}.resources.limits[cpu]", "greater than or equal"),
    ("Pod", container(livenessProbe={"exec": {}}), f"{FIRST}.livenessProbe.exec.command", "Required value"),
    (
        "Pod",
        container(livenessProbe={"exec": {"command": ["a"]}, "successThreshold": 2}),
        f"{FIRST}.livenessProbe.successThreshold",
        "must be 1",
    ),
    (
        "Pod",
        container(readinessProbe={"tcpSocket": {"port": 1}, "periodSeconds": -1}),
        f"{FIRST}.readinessProbe.periodSeconds",
        "greater than or equal to 0",
    ),
    (
        "Pod",
        container(startupProbe={"grpc": {"port": 1}, "exec": {"command": ["a"]}}),
        f"{FIRST}.startupProbe.grpc",
        "more than 1 handler",
    ),
    (
        "Pod",
        container(securityContext={"privileged": True, "allowPrivilegeEscalation": False}),
        f"{FIRST}.securityContext",
        "cannot set `allowPrivilegeEscalation`",
    ),
    ("Pod", pod(volumes=[{"name": "v", "emptyDir": {}}] * 2), "spec.volumes[1].name", "Duplicate value"),
    ("Pod", pod(volumes=[{"emptyDir": {}}]), "spec.volumes[0].name", "Required value"),
    (
        "Pod",
        pod(volumes=[{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]),
        "spec.volumes[0].secret",
        "more than 1 volume type",
    ),
    ("Pod", pod(volumes=[{"name": "v", "secret": {}}]), "spec.volumes[0].secret.secretName", "Required value"),
    ("Pod", pod(restartPolicy="Perhaps"), "spec.restartPolicy", '"Always", "Never", "OnFailure"'),
    ("Pod", pod(dnsPolicy="X"), "spec.dnsPolicy", "Unsupported value"),
    ("Pod", pod(serviceAccountName="A B"), "spec.serviceAccountName", "RFC 1123 subdomain"),
    *AFFINITIES,
    ("Pod", pod(tolerations=[{"operator": "Near"}]), "spec.tolerations[0].operator", "Unsupported value"),
    ("Pod", pod(tolerations=[{"operator": "Equal"}]), "spec.tolerations[0].operator", "must be Exists"),
    (
        "Pod",
        pod(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}]),
        "spec.topologySpreadConstraints[0].maxSkew",
        "must be greater than 0",
    ),
    (
        "Pod",
        pod(topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "X"}]),
        "spec.topologySpreadConstraints[0].whenUnsatisfiable",
        '"DoNotSchedule", "ScheduleAnyway"',
    ),
    ("Deployment", {"spec": {**WORKLOAD, "selector": {}}}, "spec.selector", "empty selector is invalid for deployment"),
    (
        "Deployment",
        {"spec": {**WORKLOAD, "strategy": {"type": "Recreate", "rollingUpdate": {}}}},
        "spec.strategy.rollingUpdate",
        "may not be specified when strategy",
    ),
    ("Deployment", {"spec": {**WORKLOAD, "strategy": {"type": "X"}}}, "spec.strategy.type", '"Recreate"'),
    (
        "Deployment",
        {"spec": {**WORKLOAD, "strategy": {"rollingUpdate": {"maxSurge": "x%"}}}},
        "spec.strategy.rollingUpdate.maxSurge",
        "a valid percent string",
    ),
    (
        "Deployment",
        {"spec": {**WORKLOAD, "strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}}},
        "spec.strategy.rollingUpdate.maxUnavailable",
        "must not be greater than 100%",
    ),
    (
        "Deployment",
        {"spec": {**WORKLOAD, "progressDeadlineSeconds": 5, "minReadySeconds": 5}},
        "spec.progressDeadlineSeconds",
        "must be greater than minReadySeconds",
    ),
    ("Job", {"spec": {"template": TEMPLATE}}, "spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"'),
    ("PDB", {"spec": {"minAvailable": "x"}}, "spec.minAvailable", "a valid percent string"),
    (
        "PDB",
        {"spec": {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}},
        "spec.selector.matchExpressions[0].values",
        "must be specified when",
    ),
    ("HPA", {"spec": {**TARGET, "maxReplicas": 0, "minReplicas": 0}}, "spec.maxReplicas", "must be greater than 0"),
    ("HPA", {"spec": {**TARGET, "scaleTargetRef": {"kind": "D"}}}, "spec.scaleTargetRef.name", "Required value"),
    ("HPA", {"spec": {**TARGET, "metrics": [{"type": "Moon"}]}}, "spec.metrics[0].type", "Unsupported value"),
    ("HPA", {"spec": {**TARGET, "metrics": [{"type": "Resource"}]}}, "spec.metrics[0].resource", "must populate"),
    (
        "HPA",
        {"spec": {**TARGET, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {}}}]}},
        "spec.metrics[0].resource.target.averageUtilization",
        "must set either",
    ),
    ("Service", {"spec": {"type": "ExternalName"}}, "spec.externalName", "Required value"),
    ("Service", {"spec": {"type": "X", "ports": [{"port": 1}]}}, "spec.type", '"ClusterIP", "ExternalName"'),
    ("Service", {"spec": {"clusterIP": "x", "ports": [{"port": 1}]}}, "spec.clusterIPs[0]", "valid IP address"),
    ("Service", {"spec": {"ports": [{"port": 1, "targetPort": "A_B"}]}}, "spec.ports[0].targetPort", "alphanumeric"),
    (
        "Service",
        {"spec": {"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]}},
        "spec.ports[1]",
        '{"Name":"","Protocol":"TCP","AppProtocol":null,"Port":1,"TargetPort":0,"NodePort":0}',
    ),
    ("Ingress", {"spec": {}}, "spec", "either `defaultBackend` or `rules`"),
    ("Ingress", paths(), "spec.rules[0].http.paths", "Required value"),
    (
        "Ingress",
        paths({"path": "x", "pathType": "Exact", "backend": BACKEND}),
        "spec.rules[0].http.paths[0].path",
        "must be an absolute path",
    ),
    (
        "Ingress",
        paths({"path": "/", "pathType": "Exact", "backend": {"service": {"name": "s"}}}),
        "spec.rules[0].http.paths[0].backend.service.port",
        "port name or number is required",
    ),
    ("Ingress", {"spec": {"rules": [{"host": "*.B"}]}}, "spec.rules[0].host", "wildcard DNS-1123"),
    (
        "Ingress",
        {"spec": {"defaultBackend": BACKEND, "tls": [{"hosts": ["A"]}]}},
        "spec.tls[0].hosts[0]",
        "RFC 1123 subdomain",
    ),
    ("NetworkPolicy", {"spec": {"ingress": [{"from": [{}]}]}}, "spec.ingress[0].from[0]", "must specify a peer"),
    (
        "NetworkPolicy",
        {"spec": {"ingress": [{"from": [{"podSelector": {}, "ipBlock": {"cidr": "::/0"}}]}]}},
        "spec.ingress[0].from[0]",
        "may not specify both",
    ),
    ("NetworkPolicy", {"spec": {"ingress": [{"ports": [{"port": 0}]}]}}, "spec.ingress[0].ports[0].port", "between 1"),
    ("NetworkPolicy", {"spec": {"policyTypes": ["X"]}}, "spec.policyTypes[0]", '"Egress", "Ingress"'),
    ("ConfigMap", {"data": {"..": "x"}}, "data[..]", "must not be '..'"),
    ("ConfigMap", {"data": {"k": "x"}, "binaryData": {"k": "eA=="}}, "data[k]", "duplicate of key present"),
    ("ConfigMap", {"data": {"k": "x" * 1048577}}, "", "Too long"),
    ("Secret", {"type": "kubernetes.io/ssh-auth"}, "data[ssh-privatekey]", "Required value"),
    ("Event", {"involvedObject": {"namespace": "other"}}, "involvedObject.namespace", "does not match event.namespace"),
    ("Revision", {"data": {}, "revision": -1}, "revision", "greater than or equal to 0"),
    ("Role", {"rules": [{"apiGroups": [""], "resources": ["pods"]}]}, "rules[0].verbs", "at least one value"),
    ("RoleBinding", {"roleRef": {"kind": "Role"}}, "roleRef.name", "Required value"),
    (
        "RoleBinding",
        {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "s"}]},
        "subjects[0].namespace",
        "Required value",
    ),
]


@pytest.mark.parametrize(("kind", "obj", "field", "message"), ROWS, ids=[f"{row[0]}-{row[3]}"[:60] for row in ROWS])
def test_refused(kind: str, obj: Object, field: str, message: str, complete: Complete) -> None:
    gvk = KINDS[kind]
    found = [(cause.field, cause.message) for cause in validate_create(gvk, complete(gvk, obj))]
    assert any(field == where and message in what for where, what in found), found


UPDATES = [
    ("Service", {"spec": {"clusterIP": "10.0.0.1"}}, {"spec": {"clusterIP": "10.0.0.2"}}, "spec.clusterIPs[0]"),
    ("Job", {"spec": {"template": TEMPLATE}}, {"spec": {"template": {"spec": BARE}}}, "spec.template"),
    ("Revision", {"data": {"a": 1}}, {"data": {"a": 2}}, "data"),
    ("RoleBinding", {"roleRef": {"kind": "Role", "name": "r"}}, {"roleRef": {"kind": "Role", "name": "s"}}, "roleRef"),
    ("ConfigMap", {"metadata": {"name": "x", "uid": "1"}}, {"metadata": {"name": "x", "uid": "2"}}, "metadata.uid"),
]


@pytest.mark.parametrize(("kind", "old", "new", "field"), UPDATES, ids=[row[0] for row in UPDATES])
def test_immutable_fields_cannot_change(kind: str, old: Object, new: Object, field: str, complete: Complete) -> None:
    gvk = KINDS[kind]
    before, after = complete(gvk, old), complete(gvk, new)
    assert field in [cause.field for cause in validate_update(gvk, before, after)]

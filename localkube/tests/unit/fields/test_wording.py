"""The exact messages of validation errors, as recorded from a real API server."""

from collections.abc import Callable
from typing import Any

import pytest

from kubeschema.errors import Cause
from kubeschema.kinds.validation import validate_create, validate_update

Object = dict[str, Any]
Gvk = tuple[str, str, str]
Complete = Callable[[Gvk, Object], Object]
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABELS = {"app": "a"}
TEMPLATE: Object = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
SPECS: dict[str, tuple[Gvk, Object]] = {
    "Deployment": (("apps", "v1", "Deployment"), {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}),
    "Pod": (("", "v1", "Pod"), TEMPLATE["spec"]),
    "Service": (("", "v1", "Service"), {"ports": [{"port": 80}]}),
    "PDB": (("policy", "v1", "PodDisruptionBudget"), {"selector": {"matchLabels": LABELS}}),
    "HPA": (
        ("autoscaling", "v2", "HorizontalPodAutoscaler"),
        {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "maxReplicas": 2},
    ),
    "Ingress": (
        ("networking.k8s.io", "v1", "Ingress"),
        {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}},
    ),
    "NetworkPolicy": (("networking.k8s.io", "v1", "NetworkPolicy"), {"podSelector": {}}),
    "Lease": (("coordination.k8s.io", "v1", "Lease"), {}),
}


@pytest.mark.parametrize("kind", SPECS)
def test_a_minimal_object_is_valid(kind: str, complete: Complete) -> None:
    gvk, spec = SPECS[kind]
    obj = complete(gvk, {"spec": spec})
    assert validate_create(gvk, obj) == []
    assert validate_update(gvk, obj, obj) == []


def _pod(**container: Any) -> Object:
    return {"containers": [{"name": "c", "image": "i", **container}]}


BAD = [
    ("Deployment", {"selector": None}, "FieldValueRequired", "spec.selector", "Required value"),
    (
        "Deployment",
        {"selector": {"matchLabels": {"app": "other"}}},
        "FieldValueInvalid",
        "spec.template.metadata.labels",
        'Invalid value: {"app":"a"}: `selector` does not match template `labels`',
    ),
    (
        "Deployment",
        {"template": {**TEMPLATE, "spec": {"containers": []}}},
        "FieldValueRequired",
        "spec.template.spec.containers",
        "Required value",
    ),
    (
        "Deployment",
        {"replicas": -1},
        "FieldValueInvalid",
        "spec.replicas",
        "Invalid value: -1: must be greater than or equal to 0",
    ),
    (
        "Deployment",
        {"template": {**TEMPLATE, "spec": {**_pod(), "restartPolicy": "Never"}}},
        "FieldValueNotSupported",
        "spec.template.spec.restartPolicy",
        'Unsupported value: "Never": supported values: "Always"',
    ),
    (
        "Deployment",
        {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
        "FieldValueInvalid",
        "spec.strategy.rollingUpdate.maxUnavailable",
        "Invalid value: 0: may not be 0 when `maxSurge` is 0",
    ),
    (
        "Pod",
        _pod(readinessProbe={"httpGet": {"path": "/", "port": 99999}}),
        "FieldValueInvalid",
        "spec.containers[0].readinessProbe.httpGet.port",
        "Invalid value: 99999: must be between 1 and 65535, inclusive",
    ),
    ("Pod", {"containers": [{"name": "c"}]}, "FieldValueRequired", "spec.containers[0].image", "Required value"),
    (
        "Pod",
        {"containers": [{"name": "c", "image": "i"}] * 2},
        "FieldValueDuplicate",
        "spec.containers[1].name",
        'Duplicate value: "c"',
    ),
    (
        "Pod",
        _pod(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        "FieldValueNotFound",
        "spec.containers[0].volumeMounts[0].name",
        'Not found: "v"',
    ),
    (
        "Pod",
        _pod(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        "FieldValueInvalid",
        "spec.containers[0].resources.requests",
        'Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    (
        "Pod",
        _pod(livenessProbe={}),
        "FieldValueRequired",
        "spec.containers[0].livenessProbe",
        "Required value: must specify a handler type",
    ),
    (
        "Pod",
        _pod(env=[{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        "FieldValueInvalid",
        "spec.containers[0].env[0].valueFrom",
        'Invalid value: "": may not be specified when `value` is not empty',
    ),
    (
        "Pod",
        _pod(env=[{"name": "A=B"}]),
        "FieldValueInvalid",
        "spec.containers[0].env[0].name",
        (
            'Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters '
            "other than '='"
        ),
    ),
    (
        "Service",
        {"ports": []},
        "FieldValueRequired",
        "spec.ports",
        "Required value",
    ),
    (
        "Service",
        {"ports": [{"port": 0, "targetPort": 80}]},
        "FieldValueInvalid",
        "spec.ports[0].port",
        "Invalid value: 0: must be between 1 and 65535, inclusive",
    ),
    (
        "PDB",
        {"minAvailable": 1, "maxUnavailable": 1},
        "FieldValueInvalid",
        "spec",
        (
            'Invalid value: {"MinAvailable":1,"Selector":{"matchLabels":{"app":"a"}},"MaxUnavailable":1,'
            '"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set'
        ),
    ),
    (
        "HPA",
        {"minReplicas": 5},
        "FieldValueInvalid",
        "spec.maxReplicas",
        "Invalid value: 2: must be greater than or equal to `minReplicas`",
    ),
    (
        "Ingress",
        {"rules": [{"host": "Bad Host"}]},
        "FieldValueInvalid",
        "spec.rules[0].host",
        f'Invalid value: "Bad Host": {SUBDOMAIN}',
    ),
    (
        "Ingress",
        {
            "rules": [
                {
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Weird",
                                "backend": {"service": {"name": "s", "port": {"name": "http"}}},
                            }
                        ]
                    }
                }
            ]
        },
        "FieldValueNotSupported",
        "spec.rules[0].http.paths[0].pathType",
        'Unsupported value: "Weird": supported values: "Exact", "ImplementationSpecific", "Prefix"',
    ),
    (
        "NetworkPolicy",
        {"egress": [{"to": [{"ipBlock": {"cidr": "1.2.3.4/99"}}]}]},
        "FieldValueInvalid",
        "spec.egress[0].to[0].ipBlock.cidr",
        'Invalid value: "1.2.3.4/99": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ),
    (
        "NetworkPolicy",
        {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/8"]}}]}]},
        "FieldValueInvalid",
        "spec.egress[0].to[0].ipBlock.except[0]",
        'Invalid value: "11.0.0.0/8": must be a strict subset of `cidr`',
    ),
    (
        "Lease",
        {"leaseDurationSeconds": 0},
        "FieldValueInvalid",
        "spec.leaseDurationSeconds",
        "Invalid value: 0: must be greater than 0",
    ),
]


@pytest.mark.parametrize(
    ("kind", "changes", "reason", "field", "message"), BAD, ids=[f"{row[0]}-{row[3]}" for row in BAD]
)
def test_refused(kind: str, changes: Object, reason: str, field: str, message: str, complete: Complete) -> None:
    gvk, spec = SPECS[kind]
    assert validate_create(gvk, complete(gvk, {"spec": {**spec, **changes}})) == [Cause(reason, message, field)]

"""Defaults of built-in kinds like those of a real API server."""

import copy
from typing import Any

import pytest

from kubeschema import decode, schema
from kubeschema.kinds.defaults import default
from kubeschema.kinds.pod_defaults import pull_policy, qos_class
from localkube.apiserver.fields.prepare import prepare_create

Object = dict[str, Any]
CONTAINER = {
    "image": "i:1",
    "imagePullPolicy": "IfNotPresent",
    "name": "c",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
POD_SPEC = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}
PORT = {"port": 80, "protocol": "TCP", "targetPort": 80}
SCALE_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}


def _completed(group: str, version: str, kind: str, obj: Object) -> Object:
    gvk = (group, version, kind)
    node = schema.builtin(*gvk)
    assert node is not None
    before = copy.deepcopy(obj)
    decoded = decode.decode(node, obj, gvk).obj
    untouched = copy.deepcopy(decoded)
    found = default(gvk, decoded)
    assert (obj, decoded) == (before, untouched), "nothing given is changed"
    assert default(gvk, found) == found, "defaulting is idempotent"
    return found


def test_deployment() -> None:
    template = {"spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    found = _completed("apps", "v1", "Deployment", {"spec": {"template": template}})
    assert found["spec"] == {
        "progressDeadlineSeconds": 600,
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "selector": None,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "template": {"metadata": {}, "spec": {**POD_SPEC, "containers": [CONTAINER]}},
    }


def test_the_strategy_recreate_has_no_rolling_update() -> None:
    found = _completed("apps", "v1", "Deployment", {"spec": {"strategy": {"type": "Recreate"}, "template": {}}})
    assert found["spec"]["strategy"] == {"type": "Recreate"}


def test_pod() -> None:
    """Requests default to limits, and only pods get enableServiceLinks."""
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}
    spec = {"containers": [{"name": "c", "image": "i", "resources": resources}], "serviceAccountName": "a"}
    found = _completed("", "v1", "Pod", {"spec": spec})["spec"]
    assert found["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    assert found["containers"][0]["imagePullPolicy"] == "Always"
    assert found["enableServiceLinks"] is True
    assert found["serviceAccount"] == "a"


def test_probes_ports_env_and_volumes() -> None:
    container = {
        "name": "c",
        "image": "i:1",
        "ports": [{"containerPort": 1}],
        "livenessProbe": {"httpGet": {"port": "http"}},
        "startupProbe": {"grpc": {"port": 1}, "periodSeconds": 3},
        "lifecycle": {"preStop": {"httpGet": {"port": 1}}},
        "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    }
    volumes = [
        {"name": "a"},
        {"name": "b", "configMap": {"name": "m"}},
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 256}},
        {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ]
    found = _completed("", "v1", "Pod", {"spec": {"containers": [container], "volumes": volumes}})["spec"]
    first = found["containers"][0]
    counts = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    assert first["ports"] == [{"containerPort": 1, "protocol": "TCP"}]
    assert first["livenessProbe"] == {"httpGet": {"path": "/", "port": "http", "scheme": "HTTP"}, **counts}
    assert first["startupProbe"] == {"grpc": {"port": 1, "service": ""}, **counts, "periodSeconds": 3}
    assert first["lifecycle"]["preStop"]["httpGet"] == {"path": "/", "port": 1, "scheme": "HTTP"}
    assert first["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert found["volumes"] == [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "configMap": {"name": "m", "defaultMode": 420}},
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 256}},
        {
            "name": "p",
            "projected": {
                "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                "defaultMode": 420,
            },
        },
    ]


KINDS = [
    (
        ("", "v1", "Service"),
        {"spec": {"ports": [{"port": 80}]}},
        {"internalTrafficPolicy": "Cluster", "ports": [PORT], "sessionAffinity": "None", "type": "ClusterIP"},
    ),
    (
        ("", "v1", "Service"),
        {"spec": {"type": "NodePort", "ports": [{"port": 80, "targetPort": "http"}]}},
        {
            "externalTrafficPolicy": "Cluster",
            "internalTrafficPolicy": "Cluster",
            "ports": [{**PORT, "targetPort": "http"}],
            "sessionAffinity": "None",
            "type": "NodePort",
        },
    ),
    (
        ("autoscaling", "v2", "HorizontalPodAutoscaler"),
        {"spec": {"maxReplicas": 2, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}}}},
        {
            "behavior": {
                "scaleDown": {
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
                    "selectPolicy": "Max",
                    "stabilizationWindowSeconds": 5,
                },
                "scaleUp": SCALE_UP,
            },
            "maxReplicas": 2,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                }
            ],
            "minReplicas": 1,
            "scaleTargetRef": {"kind": "", "name": ""},
        },
    ),
    (
        ("networking.k8s.io", "v1", "NetworkPolicy"),
        {"spec": {"egress": [{"ports": [{"port": 53}]}]}},
        {
            "egress": [{"ports": [{"port": 53, "protocol": "TCP"}]}],
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
        },
    ),
]


@pytest.mark.parametrize(("gvk", "obj", "wanted"), KINDS)
def test_specs(gvk: tuple[str, str, str], obj: Object, wanted: Object) -> None:
    assert _completed(*gvk, obj)["spec"] == wanted


def test_secret_strings_become_data() -> None:
    given = {"stringData": {"K": "v"}, "data": {"L": "dg=="}}
    found = _completed("", "v1", "Secret", given)
    assert found == {"data": {"K": "dg==", "L": "dg=="}, "type": "Opaque", "metadata": {}}


def test_namespace() -> None:
    """The name label is a default; the creation sets finalizer and phase."""
    found = _completed("", "v1", "Namespace", {"metadata": {"name": "n"}})
    assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": "n"}
    created = prepare_create(("", "v1", "Namespace"), found, generation=False)
    assert created["spec"] == {"finalizers": ["kubernetes"]}
    assert created["status"] == {"phase": "Active"}


def test_create_ignores_the_clients_status_and_sets_the_generation() -> None:
    obj = {"metadata": {"name": "x"}, "spec": {}, "status": {"replicas": 3}}
    found = prepare_create(("apps", "v1", "Deployment"), obj, generation=True)
    assert found["status"] == {}
    assert found["metadata"]["generation"] == 1
    created = prepare_create(("", "v1", "ConfigMap"), {"metadata": {}}, generation=False)
    assert "generation" not in created["metadata"]


@pytest.mark.parametrize(
    ("spec", "families", "policy"),
    [
        ({}, ["IPv4"], "SingleStack"),
        ({"clusterIP": "None"}, ["IPv4", "IPv6"], "RequireDualStack"),
        ({"clusterIP": "None", "selector": {"a": "b"}}, ["IPv4"], "SingleStack"),
    ],
)
def test_service_families(spec: Object, families: list[str], policy: str) -> None:
    """A headless Service without a selector has both families."""
    found = prepare_create(("", "v1", "Service"), {"metadata": {}, "spec": spec}, generation=False)["spec"]
    assert (found["ipFamilies"], found["ipFamilyPolicy"]) == (families, policy)


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("i", "Always"),
        ("i:latest", "Always"),
        ("i:1", "IfNotPresent"),
        ("host:5000/i", "Always"),
        ("host:5000/i:2", "IfNotPresent"),
        ("i@sha256:0", "IfNotPresent"),
    ],
)
def test_pull_policy(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1", "memory": "1"}}, "Guaranteed"),
    ],
)
def test_qos_class(resources: Object, wanted: str) -> None:
    assert qos_class({"containers": [{"resources": resources}]}) == wanted


def test_a_stop_signal_has_no_defaults() -> None:
    """The other fields of a lifecycle are hooks."""
    lifecycle = {"stopSignal": "SIGUSR1", "preStop": {"httpGet": {"port": 80}}}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1", "lifecycle": lifecycle}]}}

    found = default(("", "v1", "Pod"), pod)["spec"]["containers"][0]["lifecycle"]

    assert found["stopSignal"] == "SIGUSR1"
    assert found["preStop"]["httpGet"]["scheme"] == "HTTP"

"""Validation of the built-in kinds: fields that few objects have."""

from typing import Any

import pytest

from kubeschema.kinds import defaults, validation

DEPLOYMENT = ("apps", "v1", "Deployment")
AUTOSCALER = ("autoscaling", "v2", "HorizontalPodAutoscaler")
POLICY = ("networking.k8s.io", "v1", "NetworkPolicy")
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}


def deployment(**pod: Any) -> dict[str, Any]:
    labels = {"app": "a"}
    containers = [{"name": "a", "image": "a:1"}, *pod.pop("more", ())]
    template = {"metadata": {"labels": labels} | pod.pop("metadata", {}), "spec": {"containers": containers} | pod}
    return {
        "metadata": {"name": "a", "namespace": "a"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def side(**fields: Any) -> dict[str, Any]:
    return deployment(more=[{"name": "b", "image": "b:1"} | fields])


def autoscaler(**spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}
    return {"metadata": {"name": "a", "namespace": "a"}, "spec": {"maxReplicas": 3, "scaleTargetRef": target} | spec}


def egress(**port: Any) -> dict[str, Any]:
    spec = {"podSelector": {}, "egress": [{"ports": [port]}]}
    return {"metadata": {"name": "a", "namespace": "a"}, "spec": spec}


def scale_up(**rules: Any) -> dict[str, Any]:
    return autoscaler(behavior={"scaleUp": rules})


POD = "spec.template.spec"
RULES = "spec.behavior.scaleUp"
INVALID: list[tuple[tuple[str, str, str], dict[str, Any], str]] = [
    (DEPLOYMENT, deployment(hostAliases=[{"ip": "nope"}]), f"{POD}.hostAliases[0].ip"),
    (DEPLOYMENT, deployment(dnsPolicy="None"), f"{POD}.dnsConfig.nameservers"),
    (DEPLOYMENT, deployment(dnsConfig={"nameservers": ["nope"]}), f"{POD}.dnsConfig.nameservers[0]"),
    (DEPLOYMENT, deployment(dnsConfig={"options": [{"value": "1"}]}), f"{POD}.dnsConfig.options[0]"),
    (DEPLOYMENT, deployment(hostname="Not_Valid"), f"{POD}.hostname"),
    (DEPLOYMENT, deployment(schedulingGates=[{"name": "a b"}]), f"{POD}.schedulingGates[0].name"),
    (DEPLOYMENT, deployment(readinessGates=[{"conditionType": "a b"}]), f"{POD}.readinessGates[0].conditionType"),
    (DEPLOYMENT, deployment(activeDeadlineSeconds=3), f"{POD}.activeDeadlineSeconds"),
    (
        DEPLOYMENT,
        deployment(securityContext={"fsGroupChangePolicy": "Never"}),
        f"{POD}.securityContext.fsGroupChangePolicy",
    ),
    (DEPLOYMENT, deployment(tolerations=[{"operator": "Exists", "effect": "No"}]), f"{POD}.tolerations[0].effect"),
    (DEPLOYMENT, deployment(tolerations=[{"key": "a b", "operator": "Exists"}]), f"{POD}.tolerations[0].key"),
    (
        DEPLOYMENT,
        deployment(topologySpreadConstraints=[SPREAD | {"minDomains": 0}]),
        f"{POD}.topologySpreadConstraints[0].minDomains",
    ),
    (
        DEPLOYMENT,
        deployment(volumes=[{"name": "v", "secret": {"secretName": "a", "defaultMode": 9999}}]),
        f"{POD}.volumes[0].secret.defaultMode",
    ),
    (
        DEPLOYMENT,
        deployment(volumes=[{"name": "v", "configMap": {"name": "a", "items": [{"key": "k", "path": "/a"}]}}]),
        f"{POD}.volumes[0].configMap.items[0].path",
    ),
    (
        DEPLOYMENT,
        deployment(volumes=[{"name": "v", "configMap": {"name": "a", "items": [{"key": "k", "path": "../a"}]}}]),
        f"{POD}.volumes[0].configMap.items[0].path",
    ),
    (
        DEPLOYMENT,
        deployment(metadata={"annotations": {"a b": "c"}, "labels": {"app": "a"}}),
        "spec.template.annotations",
    ),
    (DEPLOYMENT, deployment(initContainers=[{"name": "a", "image": "a:1"}]), f"{POD}.initContainers[0].name"),
    (DEPLOYMENT, side(envFrom=[{}]), f"{POD}.containers[1].envFrom[0]"),
    (DEPLOYMENT, side(envFrom=[{"secretRef": {"name": ""}}]), f"{POD}.containers[1].envFrom[0].secretRef.name"),
    (DEPLOYMENT, side(resources={"limits": {"bogus": "1"}}), f"{POD}.containers[1].resources.limits[bogus]"),
    (
        DEPLOYMENT,
        side(securityContext={"seccompProfile": {"type": "Localhost"}}),
        f"{POD}.containers[1].securityContext.seccompProfile.localhostProfile",
    ),
    (AUTOSCALER, scale_up(selectPolicy="Most"), f"{RULES}.selectPolicy"),
    (AUTOSCALER, scale_up(stabilizationWindowSeconds=4000), f"{RULES}.stabilizationWindowSeconds"),
    (AUTOSCALER, scale_up(policies=[{"type": "Pods", "value": 0, "periodSeconds": 1}]), f"{RULES}.policies[0].value"),
    (
        AUTOSCALER,
        scale_up(policies=[{"type": "Pods", "value": 1, "periodSeconds": 3600}]),
        f"{RULES}.policies[0].periodSeconds",
    ),
    (
        AUTOSCALER,
        autoscaler(metrics=[{"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {"type": "AverageValue"}}}]),
        "spec.metrics[0].pods.target.averageValue",
    ),
    (POLICY, egress(port=100, endPort=50), "spec.egress[0].ports[0].endPort"),
    (POLICY, egress(port="http", endPort=50), "spec.egress[0].ports[0].port"),
]


@pytest.mark.parametrize(("gvk", "obj", "field"), INVALID, ids=[field for _, _, field in INVALID])
def test_an_invalid_field_is_the_only_cause(gvk: tuple[str, str, str], obj: dict[str, Any], field: str) -> None:
    causes = validation.validate_create(gvk, defaults.default(gvk, obj))
    assert [cause.field for cause in causes] == [field]


@pytest.mark.parametrize(
    ("gvk", "obj"),
    [
        (DEPLOYMENT, side(resources={"limits": {"nvidia.com/gpu": "1", "hugepages-2Mi": "2Mi", "memory": "1Gi"}})),
        (DEPLOYMENT, deployment(dnsPolicy="None", dnsConfig={"nameservers": ["10.0.0.1", "fd00::1"]})),
        (DEPLOYMENT, deployment(topologySpreadConstraints=[SPREAD | {"minDomains": 2}])),
        (AUTOSCALER, scale_up(selectPolicy="Disabled")),
        (POLICY, egress(port=100, endPort=200)),
    ],
)
def test_a_valid_object_has_no_cause(gvk: tuple[str, str, str], obj: dict[str, Any]) -> None:
    assert validation.validate_create(gvk, defaults.default(gvk, obj)) == []

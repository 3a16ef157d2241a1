"""Validation of the built-in kinds: fields that few objects have."""

from typing import Any

import pytest

from kubeschema.kinds import defaults, validation

DEPLOYMENT = ("apps", "v1", "Deployment")
AUTOSCALER = ("autoscaling", "v2", "HorizontalPodAutoscaler")
SERVICE = ("", "v1", "Service")
BUDGET = ("policy", "v1", "PodDisruptionBudget")
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


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80}]
    return {"metadata": {"name": "a", "namespace": "a"}, "spec": {"selector": {"app": "a"}, "ports": ports} | spec}


def budget(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a", "namespace": "a"}, "spec": {"maxUnavailable": 1, "selector": {}} | spec}


def downward(item: dict[str, Any]) -> dict[str, Any]:
    return {"name": "v", "downwardAPI": {"items": [item]}}


def variable(**reference: str) -> dict[str, Any]:
    return {"name": "A", "valueFrom": {"resourceFieldRef": reference}}


def mounting(**mount: str) -> dict[str, Any]:
    return {"name": "b", "image": "b:1", "volumeMounts": [{"name": "v", "mountPath": "/v"} | mount]}


EMPTY = {"name": "v", "emptyDir": {}}
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
    (DEPLOYMENT, deployment(os={"name": "X"}), f"{POD}.os.name"),
    (DEPLOYMENT, deployment(os={}), f"{POD}.os.name"),
    (
        DEPLOYMENT,
        deployment(os={"name": "windows"}, securityContext={"runAsUser": 1}),
        f"{POD}.securityContext.runAsUser",
    ),
    (
        DEPLOYMENT,
        deployment(os={"name": "linux"}, securityContext={"windowsOptions": {}}),
        f"{POD}.securityContext.windowsOptions",
    ),
    (DEPLOYMENT, deployment(preemptionPolicy="X"), f"{POD}.preemptionPolicy"),
    (DEPLOYMENT, deployment(runtimeClassName="Not_Valid"), f"{POD}.runtimeClassName"),
    (
        DEPLOYMENT,
        deployment(securityContext={"supplementalGroupsPolicy": "X"}),
        f"{POD}.securityContext.supplementalGroupsPolicy",
    ),
    (
        DEPLOYMENT,
        deployment(securityContext={"seLinuxChangePolicy": "X"}),
        f"{POD}.securityContext.seLinuxChangePolicy",
    ),
    (
        DEPLOYMENT,
        deployment(securityContext={"seccompProfile": {"type": "X"}}),
        f"{POD}.securityContext.seccompProfile.type",
    ),
    (
        DEPLOYMENT,
        deployment(topologySpreadConstraints=[SPREAD | {"nodeTaintsPolicy": "X"}]),
        f"{POD}.topologySpreadConstraints[0].nodeTaintsPolicy",
    ),
    (
        DEPLOYMENT,
        deployment(volumes=[{"name": "v", "hostPath": {"path": "/a", "type": "X"}}]),
        f"{POD}.volumes[0].hostPath.type",
    ),
    (
        DEPLOYMENT,
        deployment(volumes=[{"name": "v", "image": {"reference": "a:1", "pullPolicy": "X"}}]),
        f"{POD}.volumes[0].image.pullPolicy",
    ),
    (
        DEPLOYMENT,
        deployment(volumes=[downward({"path": "a", "fieldRef": {"fieldPath": "spec.nodeName"}})]),
        f"{POD}.volumes[0].downwardAPI.items[0].fieldRef.fieldPath",
    ),
    (DEPLOYMENT, deployment(volumes=[downward({"path": "a"})]), f"{POD}.volumes[0].downwardAPI.items[0]"),
    (
        DEPLOYMENT,
        deployment(volumes=[downward({"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}})]),
        f"{POD}.volumes[0].downwardAPI.items[0].resourceFieldRef.containerName",
    ),
    (
        DEPLOYMENT,
        deployment(
            volumes=[
                {
                    "name": "v",
                    "projected": {
                        "sources": [
                            downward(
                                {"path": "a", "resourceFieldRef": {"containerName": "a", "resource": "limits.gpu"}}
                            )
                        ]
                    },
                }
            ]
        ),
        f"{POD}.volumes[0].projected.sources[0].downwardAPI.items[0].resourceFieldRef.resource",
    ),
    (
        DEPLOYMENT,
        side(env=[variable(resource="limits.x")]),
        f"{POD}.containers[1].env[0].valueFrom.resourceFieldRef.resource",
    ),
    (DEPLOYMENT, side(env=[variable()]), f"{POD}.containers[1].env[0].valueFrom.resourceFieldRef.resource"),
    (
        DEPLOYMENT,
        side(env=[variable(resource="limits.cpu", divisor="1Mi")]),
        f"{POD}.containers[1].env[0].valueFrom.resourceFieldRef.divisor",
    ),
    (
        DEPLOYMENT,
        side(env=[variable(resource="limits.memory", divisor="2Mi")]),
        f"{POD}.containers[1].env[0].valueFrom.resourceFieldRef.divisor",
    ),
    (DEPLOYMENT, side(securityContext={"procMount": "X"}), f"{POD}.containers[1].securityContext.procMount"),
    (
        DEPLOYMENT,
        side(securityContext={"appArmorProfile": {}}),
        f"{POD}.containers[1].securityContext.appArmorProfile.type",
    ),
    (
        DEPLOYMENT,
        side(resizePolicy=[{"resourceName": "gpu", "restartPolicy": "NotRequired"}]),
        f"{POD}.containers[1].resizePolicy[0].resourceName",
    ),
    (
        DEPLOYMENT,
        deployment(volumes=[EMPTY], more=[mounting(mountPropagation="X")]),
        f"{POD}.containers[1].volumeMounts[0].mountPropagation",
    ),
    (
        DEPLOYMENT,
        deployment(volumes=[EMPTY], more=[mounting(recursiveReadOnly="X")]),
        f"{POD}.containers[1].volumeMounts[0].recursiveReadOnly",
    ),
    (SERVICE, service(ipFamilies=["IPv5"]), "spec.ipFamilies[0]"),
    (SERVICE, service(ipFamilyPolicy="X"), "spec.ipFamilyPolicy"),
    (SERVICE, service(trafficDistribution="X"), "spec.trafficDistribution"),
    (SERVICE, service(type="NodePort", externalTrafficPolicy="X"), "spec.externalTrafficPolicy"),
    (BUDGET, budget(unhealthyPodEvictionPolicy="X"), "spec.unhealthyPodEvictionPolicy"),
    (
        AUTOSCALER,
        autoscaler(metrics=[{"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {"type": "X"}}}]),
        "spec.metrics[0].pods.target.type",
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
        (DEPLOYMENT, deployment(os={"name": "linux"}, preemptionPolicy="Never", runtimeClassName="gvisor")),
        (DEPLOYMENT, deployment(securityContext={"seccompProfile": {"type": "RuntimeDefault"}})),
        (DEPLOYMENT, deployment(volumes=[downward({"path": "a", "fieldRef": {"fieldPath": "metadata.labels['a']"}})])),
        (DEPLOYMENT, deployment(volumes=[{"name": "v", "hostPath": {"path": "/a", "type": ""}}])),
        (DEPLOYMENT, side(env=[variable(resource="limits.memory", divisor="1Mi")])),
        (DEPLOYMENT, side(env=[variable(resource="requests.cpu", divisor="1m")])),
        (DEPLOYMENT, side(env=[variable(resource="limits.hugepages-2Mi", divisor="0")])),
        (DEPLOYMENT, deployment(volumes=[EMPTY], more=[mounting(mountPropagation="HostToContainer")])),
        (SERVICE, service(ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="PreferDualStack")),
        (BUDGET, budget(unhealthyPodEvictionPolicy="AlwaysAllow")),
        (POLICY, egress(port=100, endPort=200)),
    ],
)
def test_a_valid_object_has_no_cause(gvk: tuple[str, str, str], obj: dict[str, Any]) -> None:
    assert validation.validate_create(gvk, defaults.default(gvk, obj)) == []

"""Properties of the Go types of built-in kinds that the published schema does not contain.

They determine the stored object: a struct that is not a pointer is always written (`resources: {}`), a zero scalar that
is not a pointer is never written (`hostNetwork: false`). Names are `Type.property`.
"""

from collections.abc import Mapping
from typing import Final

ALWAYS: Final = frozenset({"metadata", "spec", "status"})
"""Properties that are structs, not pointers, in every kind that has them."""

STRUCTS: Final = frozenset(
    [
        "DaemonSetSpec.template",
        "DaemonSetSpec.updateStrategy",
        "DeploymentSpec.strategy",
        "DeploymentSpec.template",
        "ReplicaSetSpec.template",
        "StatefulSetSpec.template",
        "StatefulSetSpec.updateStrategy",
        "CronJobSpec.jobTemplate",
        "JobSpec.template",
        "PodTemplate.template",
        "HorizontalPodAutoscalerSpec.scaleTargetRef",
        "ContainerResourceMetricSource.target",
        "ContainerResourceMetricStatus.current",
        "ExternalMetricSource.metric",
        "ExternalMetricSource.target",
        "ExternalMetricStatus.current",
        "ExternalMetricStatus.metric",
        "ObjectMetricSource.describedObject",
        "ObjectMetricSource.metric",
        "ObjectMetricSource.target",
        "ObjectMetricStatus.current",
        "ObjectMetricStatus.describedObject",
        "ObjectMetricStatus.metric",
        "PodsMetricSource.metric",
        "PodsMetricSource.target",
        "PodsMetricStatus.current",
        "PodsMetricStatus.metric",
        "ResourceMetricSource.target",
        "ResourceMetricStatus.current",
        "Binding.target",
        "Container.resources",
        "EphemeralContainer.resources",
        "ContainerStatus.lastState",
        "ContainerStatus.state",
        "Event.involvedObject",
        "Event.source",
        "Event.regarding",
        "Event.deprecatedSource",
        "NodeStatus.daemonEndpoints",
        "NodeStatus.nodeInfo",
        "NodeDaemonEndpoints.kubeletEndpoint",
        "PersistentVolumeClaimSpec.resources",
        "ServiceStatus.loadBalancer",
        "IngressStatus.loadBalancer",
        "PreferredSchedulingTerm.preference",
        "WeightedPodAffinityTerm.podAffinityTerm",
        "Endpoint.conditions",
        "HTTPIngressPath.backend",
        "IngressServiceBackend.port",
        "NetworkPolicySpec.podSelector",
        "ClusterRoleBinding.roleRef",
        "RoleBinding.roleRef",
        "CustomResourceDefinitionSpec.names",
        "CustomResourceDefinitionStatus.acceptedNames",
        "VolumeAttachmentSpec.source",
    ]
)

POINTER_STRUCTS: Final = frozenset({"ReplicationControllerSpec.template"})

ZERO_WRITTEN: Final = frozenset(
    [
        "Event.reportingComponent",
        "Event.reportingInstance",
        "PodDisruptionBudgetStatus.currentHealthy",
        "PodDisruptionBudgetStatus.desiredHealthy",
        "PodDisruptionBudgetStatus.disruptionsAllowed",
        "PodDisruptionBudgetStatus.expectedPods",
        "ResourceFieldSelector.divisor",
        "Event.eventTime",
        "Event.firstTimestamp",
        "Event.lastTimestamp",
        "EventSeries.lastObservedTime",
        "Event.deprecatedFirstTimestamp",
        "Event.deprecatedLastTimestamp",
        "ContainerStateRunning.startedAt",
        "ContainerStateTerminated.startedAt",
        "ContainerStateTerminated.finishedAt",
        "PriorityClass.value",
        "Role.rules",
        "ClusterRole.rules",
        "HorizontalPodAutoscalerStatus.currentMetrics",
        "CustomResourceDefinitionStatus.conditions",
        "CustomResourceDefinitionStatus.storedVersions",
    ]
)
"""Optional by the schema, yet written even when zero. So are the times of every `...Condition`."""

ZERO_OMITTED: Final = frozenset(
    [
        "minReadySeconds",
        "paused",
        "observedGeneration",
        "numberAvailable",
        "numberUnavailable",
        "updatedNumberScheduled",
        "availableReplicas",
        "readyReplicas",
        "unavailableReplicas",
        "updatedReplicas",
        "fullyLabeledReplicas",
        "currentReplicas",
        "start",
        "active",
        "failed",
        "succeeded",
        "readOnly",
        "stdin",
        "stdinOnce",
        "tty",
        "hostPort",
        "signal",
        "count",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "failureThreshold",
        "initialDelaySeconds",
        "periodSeconds",
        "successThreshold",
        "nodePort",
        "healthCheckNodePort",
        "publishNotReadyAddresses",
        "sizeBytes",
        "unschedulable",
        "number",
        "deprecatedCount",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "nullable",
        "uniqueItems",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "deprecated",
        "preserveUnknownFields",
        "generation",
    ]
)
"""Numbers and booleans that are not pointers in any type that has them."""

ZERO_OMITTED_IN: Final = frozenset(
    [
        "DeploymentStatus.replicas",
        "Probe.timeoutSeconds",
        "CustomResourceColumnDefinition.priority",
        "ScaleSpec.replicas",
    ]
)

STRING_POINTERS: Final = frozenset(
    [
        "storageClassName",
        "volumeMode",
        "runtimeClassName",
        "preemptionPolicy",
        "ingressClassName",
        "appProtocol",
        "loadBalancerClass",
        "holderIdentity",
        "strategy",
        "preferredHolder",
        "ipFamilyPolicy",
        "internalTrafficPolicy",
        "path",
        "matchLabelKeys",
        "deletionTimestamp",
        "unhealthyPodEvictionPolicy",
        "completionMode",
        "podReplacementPolicy",
        "managedBy",
        "timeZone",
        "selectPolicy",
        "nodeName",
        "hostname",
    ]
)
"""Optional strings that are pointers: an empty one is kept."""

STRING_VALUES_IN: Final = frozenset(
    [
        "PodSpec.nodeName",
        "PodSpec.hostname",
        "HTTPGetAction.path",
        "HTTPIngressPath.path",
        "KeyToPath.path",
        "Event.path",
        "EndpointAddress.hostname",
        "HostPathVolumeSource.path",
    ]
)

_KEY_DEFAULTS: Final = {"protocol": "TCP"}
_NAME_DEFAULTS: Final = {**_KEY_DEFAULTS, "name": ""}


def key_defaults(type_name: str) -> Mapping[str, str]:
    """Defaults of associative keys; an element of this type that lacks the key is found under its default."""
    return _NAME_DEFAULTS if type_name == "LocalObjectReference" else _KEY_DEFAULTS


def is_struct(type_name: str, prop: str) -> bool:
    path = f"{type_name}.{prop}"
    return (prop in ALWAYS and path not in POINTER_STRUCTS) or path in STRUCTS


def zero_written(type_name: str, prop: str, scalar: str) -> bool:
    return f"{type_name}.{prop}" in ZERO_WRITTEN or (scalar == "time" and type_name.endswith("Condition"))


def zero_omitted(type_name: str, prop: str, scalar: str) -> bool:
    path = f"{type_name}.{prop}"
    if scalar == "string":
        return prop not in STRING_POINTERS or path in STRING_VALUES_IN
    return prop in ZERO_OMITTED or path in ZERO_OMITTED_IN

"""How an agent's pods run: image, number, resources, probes, placement."""

from typing import Literal

from pydantic import Field

from agent_operator.api.base import (
    ApiModel,
    DnsSubdomain,
    IntOrPercent,
    LabelValue,
    Quantity,
    list_atomic,
    list_map,
    map_atomic,
)
from agent_operator.api.kubernetes_models import (
    V1Affinity,
    V1PodDNSConfigOption,
    V1Probe,
    V1Toleration,
    V1TopologySpreadConstraint,
    V2HorizontalPodAutoscalerBehavior,
    V2MetricSpec,
)


class ImagePullSecret(ApiModel):
    """Reference to a Secret of type kubernetes.io/dockerconfigjson."""

    name: DnsSubdomain = Field(description="Name of the Secret, in the namespace of the children.")


class Runtime(ApiModel):
    """Image of the pods."""

    version: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        max_length=128,
        description="Version (tag) of the bundled runtime image, or of image. Takes precedence over channel. Default: "
        "the version that the channel assigns, or the one that ships with this operator.",
    )
    image: str | None = Field(
        None,
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._/:@-]*$",
        max_length=512,
        description="Image that replaces the bundled image: a repository with version as its tag, or a full reference "
        "with its own tag or digest. Takes precedence over channel. Default: the bundled image.",
    )
    channel: DnsSubdomain | None = Field(
        None,
        description="Name of the AgentRuntimeChannel that assigns the version. Has no effect if version or image is "
        "set. Default: none.",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="Image pull policy: Always, IfNotPresent or Never. Default: IfNotPresent."
    )
    image_pull_secrets: tuple[ImagePullSecret, ...] | None = Field(
        None,
        max_length=16,
        description="Secrets for pulling the image. Default: none.",
        json_schema_extra=list_map("name"),
    )


class Autoscaling(ApiModel):
    """HorizontalPodAutoscaler. It owns the number of replicas."""

    external: bool | None = Field(
        None,
        description="Create no HorizontalPodAutoscaler. Another autoscaler such as KEDA owns replicas: it scales the "
        "AgentDeployment through its scale subresource. Excludes the other fields. Default: false.",
    )
    min_replicas: int | None = Field(
        None, ge=1, le=1000, description="Lower limit for the number of replicas. Default: 3."
    )
    max_replicas: int | None = Field(
        None, ge=1, le=1000, description="Upper limit for the number of replicas. Default: 10."
    )
    target_cpu_utilization_percentage: int | None = Field(
        None,
        alias="targetCPUUtilizationPercentage",
        ge=0,
        le=1000,
        description="Target for the average CPU utilization, in percent of the CPU requests; 0 for no such metric. "
        "Default: 70.",
    )
    target_memory_utilization_percentage: int | None = Field(
        None,
        ge=0,
        le=1000,
        description="Target for the average memory utilization, in percent of the memory requests; 0 for no such "
        "metric. Default: 80.",
    )
    metrics: tuple[V2MetricSpec, ...] | None = Field(
        None,
        max_length=16,
        description="Additional metrics of autoscaling/v2, copied verbatim. Default: none.",
        json_schema_extra=list_atomic(),
    )
    behavior: V2HorizontalPodAutoscalerBehavior | None = Field(
        None,
        description="Scaling behavior. Default: scale up immediately by 100 % or 4 pods per 15 s; scale down after "
        "300 s by 10 % per minute.",
    )


class Resources(ApiModel):
    """Compute resources of a pod: cpu, memory, ephemeral-storage, huge pages and extended resources such as GPUs."""

    requests: dict[str, Quantity] | None = Field(
        None,
        max_length=64,
        description="Resources that the scheduler reserves for a pod, such as cpu: 500m. Default: 500m CPU and 1Gi "
        "memory. The default of an extended resource is its limit.",
    )
    limits: dict[str, Quantity] | None = Field(
        None,
        max_length=64,
        description="Resources that a pod must not exceed, such as memory: 2Gi or nvidia.com/gpu: 1. Default: 2 CPU "
        "and 2Gi memory. The default of an extended resource is its request.",
    )


class ProbesSpec(ApiModel):
    """Overrides of the three health probes. A field that is not set keeps its default."""

    startup: V1Probe | None = Field(
        None,
        description="Startup probe. Default: GET /health/live; initial delay 5 s, period 5 s, timeout 3 s, failure "
        "threshold 30.",
    )
    readiness: V1Probe | None = Field(
        None,
        description="Readiness probe. Default: GET /health/ready; initial delay 10 s, period 10 s, timeout 5 s, "
        "failure threshold 3.",
    )
    liveness: V1Probe | None = Field(
        None,
        description="Liveness probe. Default: GET /health/live; initial delay 15 s, period 20 s, timeout 5 s, failure "
        "threshold 3.",
    )


class DisruptionBudget(ApiModel):
    """PodDisruptionBudget. Set at most one of the two fields."""

    min_available: IntOrPercent | None = Field(
        None,
        description="Number or percentage of pods that must stay available during an eviction. The operator lowers a "
        "value that would block every drain. Default: 2.",
    )
    max_unavailable: IntOrPercent | None = Field(
        None,
        description="Number or percentage of pods that may be unavailable during an eviction; at least 1. Default: not "
        "set.",
    )


class Scheduling(ApiModel):
    """Scheduling constraints of the pods."""

    topology_spread_constraints: tuple[V1TopologySpreadConstraint, ...] | None = Field(
        None,
        max_length=16,
        description="Topology spread constraints. A constraint without labelSelector selects the pods of the agent. "
        "Default: spread over zones with maxSkew 1 and ScheduleAnyway.",
        json_schema_extra=list_atomic(),
    )
    affinity: V1Affinity | None = Field(
        None, description="Affinity rules. Default: prefer to schedule at most one pod of the agent per node."
    )
    node_selector: dict[str, LabelValue] | None = Field(
        None, max_length=64, description="Labels that a node must have. Default: none.", json_schema_extra=map_atomic()
    )
    tolerations: tuple[V1Toleration, ...] | None = Field(
        None, max_length=64, description="Tolerations of the pods. Default: none.", json_schema_extra=list_atomic()
    )
    priority_class_name: DnsSubdomain | None = Field(
        None, description="Name of the PriorityClass of the pods. Default: none."
    )


class Isolation(ApiModel):
    """Isolation of the pods from their node."""

    runtime_class_name: DnsSubdomain | None = Field(
        None,
        description="Name of a RuntimeClass, such as one for gVisor or Kata Containers. The cluster must have it. "
        "Default: the default container runtime of the node.",
    )


class Dns(ApiModel):
    """DNS configuration of the pods."""

    policy: Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default"] | None = Field(
        None, description="DNS policy: ClusterFirst, ClusterFirstWithHostNet or Default. Default: ClusterFirst."
    )
    options: tuple[V1PodDNSConfigOption, ...] | None = Field(
        None,
        max_length=32,
        description="Resolver options of resolv.conf, such as ndots. Default: none.",
        json_schema_extra=list_atomic(),
    )

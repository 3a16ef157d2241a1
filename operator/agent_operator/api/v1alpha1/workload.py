"""How an agent's pods run: image, number, resources, probes, placement."""

from typing import Literal

from pydantic import Field

from agent_operator.api.base import (
    ApiModel,
    DnsSubdomain,
    IntOrPercent,
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
    """A Secret of type kubernetes.io/dockerconfigjson."""

    name: DnsSubdomain = Field(description="Name of the Secret, in the namespace of the children.")


class Runtime(ApiModel):
    """The image that the pods run."""

    version: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        max_length=128,
        description="Version (tag) of the bundled runtime image. Default: the channel's, or the version that this "
        "operator ships.",
    )
    image: str | None = Field(
        None,
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._/:@-]*$",
        max_length=512,
        description="Whole image reference, a digest allowed, in place of the bundled one. Default: the bundled image.",
    )
    channel: DnsSubdomain | None = Field(
        None,
        description="Name of the AgentRuntimeChannel that decides the version, unless version or image is set. "
        "Default: none.",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="When the node pulls the image: Always, IfNotPresent or Never. Default: IfNotPresent."
    )
    image_pull_secrets: tuple[ImagePullSecret, ...] | None = Field(
        None,
        max_length=16,
        description="Secrets to pull the image with. Default: none.",
        json_schema_extra=list_map("name"),
    )


class Autoscaling(ApiModel):
    """A HorizontalPodAutoscaler; it owns the number of replicas."""

    min_replicas: int | None = Field(None, ge=1, le=1000, description="Fewest replicas. Default: 3.")
    max_replicas: int | None = Field(None, ge=1, le=1000, description="Most replicas. Default: 10.")
    target_cpu_utilization_percentage: int | None = Field(
        None,
        alias="targetCPUUtilizationPercentage",
        ge=1,
        le=1000,
        description="Average CPU use to hold, in percent of the request. Default: 70.",
    )
    target_memory_utilization_percentage: int | None = Field(
        None, ge=1, le=1000, description="Average memory use to hold, in percent of the request. Default: 80."
    )
    metrics: tuple[V2MetricSpec, ...] | None = Field(
        None,
        max_length=16,
        description="Further autoscaling/v2 metrics, as they are. Default: none.",
        json_schema_extra=list_atomic(),
    )
    behavior: V2HorizontalPodAutoscalerBehavior | None = Field(
        None,
        description="How fast to scale. Default: up at once, 100 % or 4 pods in 15 s; down after 300 s, 10 % a minute.",
    )


class ResourceAmounts(ApiModel):
    """CPU and memory."""

    cpu: Quantity | None = Field(None, description='CPU in cores, such as 500m or "2".')
    memory: Quantity | None = Field(None, description="Memory in bytes, such as 1Gi.")
    ephemeral_storage: Quantity | None = Field(
        None, alias="ephemeral-storage", description="Local disk in bytes, such as 1Gi. Default: not set."
    )


class Resources(ApiModel):
    """What a pod asks for and may use."""

    requests: ResourceAmounts | None = Field(
        None, description="What the scheduler reserves. Default: cpu 500m, memory 1Gi."
    )
    limits: ResourceAmounts | None = Field(None, description="What a pod may not exceed. Default: cpu 2, memory 2Gi.")


class ProbesSpec(ApiModel):
    """Changes to the three health probes, field by field; what is not given keeps its default."""

    startup: V1Probe | None = Field(
        None, description="Startup probe. Default: GET /health/live after 5 s, each 5 s, timeout 3 s, 30 failures."
    )
    readiness: V1Probe | None = Field(
        None, description="Readiness probe. Default: GET /health/ready after 10 s, each 10 s, timeout 5 s, 3 failures."
    )
    liveness: V1Probe | None = Field(
        None, description="Liveness probe. Default: GET /health/live after 15 s, each 20 s, timeout 5 s, 3 failures."
    )


class DisruptionBudget(ApiModel):
    """How many pods a drain must leave or may take. At most one of the two."""

    min_available: IntOrPercent | None = Field(
        None,
        description="Pods, or a percentage, that must stay. Lowered where it would block every drain. Default: 2.",
    )
    max_unavailable: IntOrPercent | None = Field(
        None, description="Pods, or a percentage, that may be away; at least 1. Default: not set."
    )


class Scheduling(ApiModel):
    """Where pods may run."""

    topology_spread_constraints: tuple[V1TopologySpreadConstraint, ...] | None = Field(
        None,
        max_length=16,
        description="Spread over topology domains; a missing labelSelector becomes the agent's. Default: over zones, "
        "maxSkew 1, ScheduleAnyway.",
        json_schema_extra=list_atomic(),
    )
    affinity: V1Affinity | None = Field(
        None, description="Affinity rules. Default: prefer one pod of the agent a node."
    )
    node_selector: dict[str, str] | None = Field(
        None, max_length=64, description="Labels that a node must have. Default: none.", json_schema_extra=map_atomic()
    )
    tolerations: tuple[V1Toleration, ...] | None = Field(
        None, max_length=64, description="Taints to tolerate. Default: none.", json_schema_extra=list_atomic()
    )
    priority_class_name: DnsSubdomain | None = Field(None, description="PriorityClass of the pods. Default: none.")


class Dns(ApiModel):
    """How pods resolve names."""

    policy: Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default"] | None = Field(
        None, description="DNS policy of the pods. Default: ClusterFirst."
    )
    options: tuple[V1PodDNSConfigOption, ...] | None = Field(
        None,
        max_length=32,
        description="resolv.conf options, such as ndots. Default: none.",
        json_schema_extra=list_atomic(),
    )

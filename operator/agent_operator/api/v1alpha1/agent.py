"""The AgentDeployment: one agent and all that it needs."""

from typing import Any

from pydantic import Field

from agent_operator.api.base import ApiModel, StatusModel, list_map
from agent_operator.api.kubernetes_models import V1EnvVar
from agent_operator.api.v1alpha1.exposure import GatewaySpec, IngressSpec, Monitoring, NetworkPolicySpec, ServiceSpec
from agent_operator.api.v1alpha1.rollout import Rollout
from agent_operator.api.v1alpha1.sources import ApiKeys, Credentials, Identity, NamespaceSpec, SystemPrompt
from agent_operator.api.v1alpha1.status import AgentDeploymentStatus
from agent_operator.api.v1alpha1.workload import (
    Autoscaling,
    DisruptionBudget,
    Dns,
    ProbesSpec,
    Resources,
    Runtime,
    Scheduling,
)
from agent_runtime.config import AgentConfig


class AgentDeploymentSpec(ApiModel):
    """What the user wants. Only config is required; a default is written where each field is."""

    namespace: NamespaceSpec | None = Field(
        None,
        description="A namespace of the agent's own, made by the operator. Default: children live beside this object.",
    )
    system_prompt: SystemPrompt | None = Field(
        None, description="What the agent is told before every conversation. Default: a helpful assistant."
    )
    config: AgentConfig = Field(description="Models, memory and logging: becomes agent.toml.")
    credentials: Credentials | None = Field(None, description="Secrets, as environment variables. Default: none.")
    api_keys: ApiKeys | None = Field(
        None,
        description="API keys, one of which every caller must send as a bearer token. Default: none; whoever reaches "
        "the agent may call it.",
    )
    identity: Identity | None = Field(
        None, description="ServiceAccount and cloud identity. Default: an account without rights."
    )
    runtime: Runtime | None = Field(None, description="Image. Default: the bundled runtime of this operator's version.")
    replicas: int | None = Field(
        None, ge=0, le=1000, description="Number of pods; not used while autoscaling is set. Default: 3."
    )
    autoscaling: Autoscaling | None = Field(None, description="Scale by load. Default: off; replicas decides.")
    resources: Resources | None = Field(
        None, description="CPU and memory of a pod. Default: 500m and 1Gi, up to 2 and 2Gi."
    )
    env: tuple[V1EnvVar, ...] | None = Field(
        None,
        max_length=128,
        description="Further environment variables, as in a Pod. Default: none.",
        json_schema_extra=list_map("name"),
    )
    probes: ProbesSpec | None = Field(None, description="Changes to the health probes. Default: none.")
    service: ServiceSpec | None = Field(None, description="Service. Default: ClusterIP, ports 80 and 9090.")
    ingress: IngressSpec | None = Field(None, description="Way in from outside by Ingress. Default: none.")
    gateway: GatewaySpec | None = Field(None, description="Way in from outside by Gateway API. Default: none.")
    disruption_budget: DisruptionBudget | None = Field(None, description="Pods that a drain must leave. Default: 2.")
    network_policy: NetworkPolicySpec | None = Field(None, description="Network rules. Default: derived from config.")
    monitoring: Monitoring | None = Field(None, description="Monitoring. Default: a ServiceMonitor.")
    scheduling: Scheduling | None = Field(None, description="Placement. Default: spread over zones and nodes.")
    dns: Dns | None = Field(None, description="Name resolution. Default: the cluster's.")
    pod_template: dict[str, Any] | None = Field(
        None,
        description="Changes to the pods that no other field makes: sidecars, volumes, labels. A PodTemplateSpec, "
        "merged over the rendered one, last, as kubectl patch does. What breaks the hardening is refused. "
        "Default: none.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    rollout: Rollout | None = Field(
        None, description="How a new revision replaces the old one. Default: pod by pod, back again when it fails."
    )
    suspend: bool | None = Field(
        None, description="Leave the children as they are and change nothing, until false. Default: false."
    )


class ObjectMeta(StatusModel):
    """What the operator reads of metadata."""

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()


class AgentDeployment(ApiModel):
    """One AI agent and all that it needs to run in production."""

    api_version: str = "agent-operator.dev/v1alpha1"
    kind: str = "AgentDeployment"
    metadata: ObjectMeta
    spec: AgentDeploymentSpec
    status: AgentDeploymentStatus = AgentDeploymentStatus()

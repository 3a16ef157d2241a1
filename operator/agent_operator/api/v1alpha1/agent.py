"""The AgentDeployment: one agent and all that it needs."""

from typing import Any

from pydantic import Field

from agent_operator.api import bounds
from agent_operator.api.base import AnnotationValue, ApiModel, LabelValue, StatusModel, list_map
from agent_operator.api.kubernetes_models import KUBERNETES_PATCH, V1EnvVar
from agent_operator.api.v1alpha1.exposure import GatewaySpec, IngressSpec, NetworkPolicySpec, ServiceSpec
from agent_operator.api.v1alpha1.monitoring import Monitoring
from agent_operator.api.v1alpha1.outbound import ProxySpec, TrustedCa
from agent_operator.api.v1alpha1.rollout import Rollout
from agent_operator.api.v1alpha1.sources import ApiKeys, Credentials, Identity, NamespaceSpec, SystemPrompt
from agent_operator.api.v1alpha1.status import AgentDeploymentStatus
from agent_operator.api.v1alpha1.workload import (
    Autoscaling,
    DisruptionBudget,
    Dns,
    Isolation,
    ProbesSpec,
    Resources,
    Runtime,
    Scheduling,
)
from agent_runtime.config import AgentConfig


class AgentDeploymentSpec(ApiModel):
    """Desired state of an agent. Only `config` is required."""

    namespace: NamespaceSpec | None = Field(
        None,
        description="Dedicated namespace that the operator creates for the children. Cannot be added or removed later. "
        "Default: the children live in the namespace of this AgentDeployment.",
    )
    system_prompt: SystemPrompt | None = Field(
        None, description="System prompt of the agent. Default: the prompt of a helpful assistant."
    )
    config: AgentConfig = Field(
        description="Configuration of the runtime: models, memory, tools and limits. The operator renders it into "
        "agent.toml."
    )
    credentials: Credentials | None = Field(
        None, description="Secrets that the pods read as environment variables. Default: none."
    )
    api_keys: ApiKeys | None = Field(
        None,
        description="API keys. Every caller must send one as a bearer token. Default: none; every client that can "
        "connect may call the agent.",
    )
    identity: Identity | None = Field(
        None,
        description="ServiceAccount and cloud identity of the pods. Default: a ServiceAccount without permissions.",
    )
    runtime: Runtime | None = Field(
        None, description="Image of the pods. Default: the runtime image of this operator's version."
    )
    replicas: int | None = Field(
        None, ge=0, le=1000, description="Number of desired pods. Has no effect while autoscaling is set. Default: 3."
    )
    autoscaling: Autoscaling | None = Field(
        None, description="HorizontalPodAutoscaler of the agent. Default: none; replicas sets the number of pods."
    )
    resources: Resources | None = Field(
        None,
        description="Compute resources of a pod. Default: requests of 500m CPU and 1Gi memory, limits of 2 CPU and 2Gi "
        "memory.",
    )
    env: tuple[V1EnvVar, ...] | None = Field(
        None,
        max_length=128,
        description="Additional environment variables of the container, as in a Pod. Default: none.",
        json_schema_extra=list_map("name"),
    )
    probes: ProbesSpec | None = Field(None, description="Overrides of the health probes. Default: none.")
    service: ServiceSpec | None = Field(
        None, description="Service of the agent. Default: type ClusterIP with ports 80 (HTTP) and 9090 (metrics)."
    )
    ingress: IngressSpec | None = Field(
        None, description="Ingress that exposes the agent outside of the cluster. Default: none."
    )
    gateway: GatewaySpec | None = Field(
        None, description="HTTPRoute of the Gateway API that exposes the agent outside of the cluster. Default: none."
    )
    disruption_budget: DisruptionBudget | None = Field(
        None, description="PodDisruptionBudget of the pods. Default: minAvailable 2."
    )
    network_policy: NetworkPolicySpec | None = Field(
        None, description="NetworkPolicy of the pods. Default: rules derived from config."
    )
    monitoring: Monitoring | None = Field(None, description="Monitoring of the agent. Default: a ServiceMonitor.")
    scheduling: Scheduling | None = Field(
        None, description="Scheduling constraints of the pods. Default: spread over zones and nodes."
    )
    proxy: ProxySpec | None = Field(
        None, description="HTTP proxy through which the pods reach servers outside of the cluster. Default: none."
    )
    trusted_ca: TrustedCa | None = Field(
        None,
        alias="trustedCA",
        description="Certificate authorities that the pods trust in addition to public ones, for models, MCP servers, "
        "Redis and traces. Restart the pods after a change of the certificates. Default: none.",
    )
    isolation: Isolation | None = Field(
        None, description="Isolation of the pods from their node, by gVisor or Kata Containers. Default: none."
    )
    dns: Dns | None = Field(None, description="DNS configuration of the pods. Default: the cluster's.")
    pod_template: dict[str, Any] | None = Field(
        None,
        description="Strategic merge patch for the rendered PodTemplateSpec, applied last: for sidecars, volumes and "
        "other settings without a field of their own. null removes a field. The API server checks types and sizes. "
        "Patches that weaken the hardening of the pods are rejected. "
        "Default: none.",
        json_schema_extra={KUBERNETES_PATCH: "V1PodTemplateSpec"},
    )
    rollout: Rollout | None = Field(
        None, description="How a new revision replaces the running one. Default: RollingUpdate with automatic rollback."
    )
    common_labels: dict[str, LabelValue] | None = Field(
        None,
        max_length=bounds.LABELS,
        description="Labels of all children and of the pods, such as cost-center: support. A change replaces the pods. "
        "Labels of other fields take precedence. Default: none.",
    )
    common_annotations: dict[str, AnnotationValue] | None = Field(
        None,
        max_length=bounds.ANNOTATIONS,
        description="Annotations of all children and of the pods, like commonLabels. Default: none.",
    )
    suspend: bool | None = Field(
        None, description="Suspend reconciliation. The operator changes no child while this is true. Default: false."
    )


class ObjectMeta(StatusModel):
    """The fields of metadata that the operator reads."""

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()


class AgentDeployment(ApiModel):
    """AgentDeployment describes one AI agent and everything that it needs to run in production."""

    api_version: str = "agent-operator.dev/v1alpha1"
    kind: str = "AgentDeployment"
    metadata: ObjectMeta
    spec: AgentDeploymentSpec
    status: AgentDeploymentStatus = AgentDeploymentStatus()

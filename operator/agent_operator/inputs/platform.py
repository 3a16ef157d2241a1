"""What an agent is rendered from besides its own spec: the operator, its channel, and autoscalers of others."""

from dataclasses import dataclass
from typing import Literal

from agent_operator.api import constants
from agent_operator.api.constants import RUNBOOKS
from agent_runtime import __version__ as runtime_version


@dataclass(frozen=True, slots=True)
class Platform:
    """Settings of the operator and facts about the cluster, the same for every agent."""

    runtime_image: str = "agent-operator/agent-runtime"
    """Repository of the runtime image."""
    runtime_version: str = runtime_version
    runtime_digest: str = ""
    """Digest of the runtime image of the default version; empty to pull by the tag."""
    runtime_image_pull_secrets: tuple[str, ...] = ()
    """Secrets in the namespaces of the agents that pull the runtime image."""
    external_secrets_version: Literal["v1", "v1beta1"] = "v1"
    manage_namespaces: bool = True
    allow_adoption: bool = True
    """Whether the annotation of an agent lets it adopt objects of others."""
    allow_unsafe_pod_templates: bool = False
    """Whether spec.podTemplate may weaken the hardening of the pods."""
    set_pod_user: bool = True
    """Whether pods set user and group. Otherwise the cluster or the image sets them. Pods never run as root."""
    kubernetes_minor: int = 25
    """Minor version of the oldest Kubernetes 1.x that the manifests must work with."""
    operator_namespace: str = "agent-operator-system"
    """Namespace of the operator, which scrapes the metrics of pods during a canary."""
    fqdn_policies: bool = False
    """Whether the operator may use CiliumNetworkPolicies, and the cluster serves them."""
    dns_resolvers: tuple[str, ...] = constants.DNS_RESOLVERS
    """The resolvers of the cluster: NAMESPACE, NAMESPACE/LABEL=VALUE, or a range of addresses."""
    runbook_url: str = RUNBOOKS
    """URL of the folder with the runbooks, to which alerts lead."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """Runtime version that an AgentRuntimeChannel assigned to an agent.

    Attributes:
        version: tag of the image.
        image: repository of the image; empty for the repository of the platform.
    """

    version: str
    image: str = ""


@dataclass(frozen=True, slots=True)
class OtherAutoscaler:
    """A HorizontalPodAutoscaler of others that targets the Deployment of an agent."""

    name: str
    min_replicas: int

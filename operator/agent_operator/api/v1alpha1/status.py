"""What the operator says of an agent."""

from typing import Literal

from pydantic import Field

from agent_operator.api import bounds
from agent_operator.api.base import StatusModel, list_atomic, list_map, longest, most
from agent_operator.api.v1alpha1.rollout import ChannelUse, RolloutStatus


class Condition(StatusModel):
    """Condition with the fields of metav1.Condition."""

    type: str = Field(max_length=316, description="Type of the condition, such as Ready.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: str = Field(max_length=1024, description="Reason in PascalCase. See the table of reasons in the reference.")
    message: str = Field(max_length=bounds.MESSAGE, description="Human-readable details and the remedy.")
    last_transition_time: str = Field(
        description="Time of the last change of status (RFC 3339, UTC).", json_schema_extra={"format": "date-time"}
    )
    observed_generation: int | None = Field(None, description="metadata.generation that the condition describes.")


class LastFailure(StatusModel):
    """Failure of a pod, as Kubernetes or the container reported it."""

    pod: str | None = Field(
        None,
        description="Name of the pod. Not set if the API server rejects the pods.",
        json_schema_extra=longest(bounds.DNS_SUBDOMAIN),
    )
    container: str | None = Field(
        None, description="Name of the container.", json_schema_extra=longest(bounds.DNS_SUBDOMAIN)
    )
    reason: str = Field(
        description="Reason, such as CrashLoopBackOff or ImagePullBackOff.",
        json_schema_extra=longest(bounds.IDENTIFIER),
    )
    exit_code: int | None = Field(None, description="Exit code of the last run of the container.")
    message: str | None = Field(
        None, max_length=4096, description="Message of Kubernetes, or the termination message of the container."
    )
    time: str | None = Field(
        None, description="Time of the failure (RFC 3339, UTC).", json_schema_extra=longest(bounds.TIME)
    )


class WarningStatus(StatusModel):
    """What works, but may not work as the author of the spec expects."""

    reason: str = Field(description="Reason in PascalCase.", json_schema_extra=longest(bounds.IDENTIFIER))
    field: str | None = Field(
        None, description="Path of the field, such as spec.replicas.", json_schema_extra=longest(bounds.FIELD_PATH)
    )
    message: str = Field(max_length=4096, description="The problem and the remedy.")


class SecretUse(StatusModel):
    """Secret that the pods read, and how far its data has reached them."""

    name: str = Field(
        description="Name of the Secret, in the namespace of the children.",
        json_schema_extra=longest(bounds.DNS_SUBDOMAIN),
    )
    hash: str = Field(
        description="Short hash of the data that the pods read, salted per agent, so that the hashes of equal Secrets "
        "differ. The annotation agent-operator.dev/secret-hash of the pods contains it as NAME=HASH.",
        json_schema_extra=longest(bounds.HASH),
    )
    last_rotated: str = Field(
        description="Time when the operator first saw this data (RFC 3339, UTC).",
        json_schema_extra={"format": "date-time"},
    )
    in_use_by: str = Field(
        description="Running pods that started with this data, of all running pods, such as 2/3 pods.",
        json_schema_extra=longest(bounds.COUNT_OF),
    )


class BudgetUsage(StatusModel):
    """How much of a budget the agent has used."""

    budget: Literal["tokensPerDay", "tokensPerMonth", "costPerDay", "costPerMonth"] = Field(
        description="Field of spec.config.budget."
    )
    since: str = Field(description="First day of the period (UTC).", json_schema_extra=longest(bounds.TIME))
    limit: str = Field(description="Tokens, or cost.", json_schema_extra=longest(bounds.COUNT_OF))
    used: str = Field(
        description="Tokens, or cost; rounded like usedPercent.", json_schema_extra=longest(bounds.COUNT_OF)
    )
    used_percent: int = Field(description="Rounded down to 5 %, so that the status changes rarely.")


class ChildStatus(StatusModel):
    """Object that the operator owns for the agent."""

    api_version: str = Field(
        description="API version, such as apps/v1.", json_schema_extra=longest(bounds.QUALIFIED_NAME)
    )
    kind: str = Field(description="Kind, such as Deployment.", json_schema_extra=longest(bounds.DNS_LABEL))
    name: str = Field(description="Name of the object.", json_schema_extra=longest(bounds.DNS_SUBDOMAIN))
    namespace: str | None = Field(
        None,
        description="Namespace of the object; absent for a cluster-scoped object.",
        json_schema_extra=longest(bounds.DNS_LABEL),
    )
    ready: bool | None = Field(None, description="Whether the object is ready.")


class AgentDeploymentStatus(StatusModel):
    """Observed state of an agent. It describes metadata.generation if observedGeneration equals it."""

    observed_generation: int | None = Field(None, description="metadata.generation of the last reconciliation.")
    conditions: tuple[Condition, ...] = Field(
        (),
        description="Ready, Available, Progressing, ConfigValid, SecretsReady and ComponentsHealthy; Reconciling, "
        "Stalled and Warning while they are true.",
        json_schema_extra=list_map("type") | most(bounds.CONDITIONS),
    )
    replicas: int | None = Field(None, description="Number of pods.")
    updated_replicas: int | None = Field(None, description="Number of pods of the current revision.")
    ready_replicas: int | None = Field(None, description="Number of pods whose readiness probe succeeds.")
    ready: str | None = Field(
        None, description="Ready pods of all desired pods, such as 2/3.", json_schema_extra=longest(bounds.COUNT_OF)
    )
    selector: str | None = Field(
        None,
        description="Label selector of the pods, for the scale subresource.",
        json_schema_extra=longest(bounds.IDENTIFIER),
    )
    model: str | None = Field(
        None, description="Name of the default model.", json_schema_extra=longest(bounds.DNS_SUBDOMAIN)
    )
    runtime_version: str | None = Field(
        None, description="Version of the runtime image.", json_schema_extra=longest(bounds.IMAGE)
    )
    revision: str | None = Field(
        None,
        description="Last applied revision: a short hash of image, config, prompt and pod template.",
        json_schema_extra=longest(bounds.HASH),
    )
    last_good_revision: str | None = Field(
        None, description="Last revision of which all pods were ready.", json_schema_extra=longest(bounds.HASH)
    )
    rollout: RolloutStatus | None = Field(None, description="State of the rollout.")
    channel: ChannelUse | None = Field(
        None, description="AgentRuntimeChannel of the agent, and the version that it assigned."
    )
    url: str | None = Field(
        None,
        description="URL of the agent: that of the Ingress, or that of the Service inside the cluster.",
        json_schema_extra=longest(bounds.URL),
    )
    egress: str | None = Field(
        None,
        description="Where pods may connect to outside of the cluster: `None`, `Hosts` (those that the agent names), "
        "`PublicAddresses`, `AllAddresses` (private ones, too), or `Disabled` (no NetworkPolicy).",
        json_schema_extra=longest(bounds.IDENTIFIER),
    )
    last_failure: LastFailure | None = Field(None, description="First failing pod. Not set if no pod fails.")
    warnings: tuple[WarningStatus, ...] = Field(
        (),
        description="What needs attention. The condition Warning summarizes it.",
        json_schema_extra=list_atomic() | most(bounds.WARNINGS),
    )
    secrets: tuple[SecretUse, ...] = Field(
        (),
        description="Secrets that the pods read, and how far their data has reached the pods.",
        json_schema_extra=list_map("name") | most(bounds.SECRETS),
    )
    usage: tuple[BudgetUsage, ...] = Field(
        (),
        description="Used budgets, of the pod that has used most. Without memory.cache, each pod counts separately.",
        json_schema_extra=list_map("budget") | most(bounds.BUDGETS),
    )
    namespace_uid: str | None = Field(
        None,
        description="UID of the Namespace that the operator created for spec.namespace; `requested` until the API "
        "server has confirmed the creation. The operator deletes no other Namespace.",
        json_schema_extra=longest(bounds.HASH),
    )
    children: tuple[ChildStatus, ...] = Field(
        (),
        description="Objects that the operator owns for the agent.",
        json_schema_extra=list_map("kind", "name") | most(bounds.CHILDREN),
    )

"""What the operator says of an agent."""

from typing import Literal

from pydantic import Field

from agent_operator.api.base import StatusModel, list_map
from agent_operator.api.v1alpha1.rollout import ChannelUse, RolloutStatus


class Condition(StatusModel):
    """A metav1.Condition."""

    type: str = Field(max_length=316, description="What this is about, such as Ready.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: str = Field(
        max_length=1024, description="Why, in one CamelCase word; see the table of reasons in the docs."
    )
    message: str = Field(max_length=32768, description="Why, in a sentence that names the remedy.")
    last_transition_time: str = Field(
        description="When status last changed (RFC 3339, UTC).", json_schema_extra={"format": "date-time"}
    )
    observed_generation: int | None = Field(None, description="metadata.generation that this was decided on.")


class LastFailure(StatusModel):
    """The first failing pod, in its own words."""

    pod: str = Field(description="Name of the pod.")
    container: str | None = Field(None, description="Name of the container.")
    reason: str = Field(description="Why it failed, such as CrashLoopBackOff or ImagePullBackOff.")
    exit_code: int | None = Field(None, description="Exit code of the container's last run.")
    message: str | None = Field(None, max_length=4096, description="What Kubernetes or the container said.")
    time: str | None = Field(None, description="When (RFC 3339, UTC).")


class SecretUse(StatusModel):
    """A Secret that the pods read, and how far its data has reached them."""

    name: str = Field(description="Name of the Secret, in the namespace of the children.")
    hash: str = Field(
        description="Short hash of the data that the pods read, salted by the agent: equal Secrets do not look equal. "
        "The pods' annotation agent-operator.dev/secret-hash has it as NAME=HASH, beside others."
    )
    last_rotated: str = Field(
        description="When the operator first saw this data (RFC 3339, UTC).",
        json_schema_extra={"format": "date-time"},
    )
    in_use_by: str = Field(description="Pods that were started with this data, of those that run, such as 2/3 pods.")


class ChildStatus(StatusModel):
    """An object that the operator keeps for the agent."""

    api_version: str = Field(description="API version, such as apps/v1.")
    kind: str = Field(description="Kind, such as Deployment.")
    name: str = Field(description="Name.")
    namespace: str | None = Field(None, description="Namespace; absent for a cluster-scoped object.")
    ready: bool | None = Field(None, description="Whether it is as it should be.")


class AgentDeploymentStatus(StatusModel):
    """Truth as last seen; true of metadata.generation only where observedGeneration says so."""

    observed_generation: int | None = Field(None, description="metadata.generation that was last reconciled.")
    conditions: tuple[Condition, ...] = Field(
        (),
        description="Ready, Available, Progressing, ConfigValid, SecretsReady; Reconciling and Stalled when true.",
        json_schema_extra=list_map("type"),
    )
    replicas: int | None = Field(None, description="Pods that exist.")
    updated_replicas: int | None = Field(None, description="Pods of the current revision.")
    ready_replicas: int | None = Field(None, description="Pods whose readiness probe passes.")
    ready: str | None = Field(None, description="Ready and wanted pods, such as 2/3.")
    selector: str | None = Field(None, description="Label selector of the pods, for the scale subresource.")
    model: str | None = Field(None, description="Name of the default model.")
    runtime_version: str | None = Field(None, description="Version of the runtime image.")
    revision: str | None = Field(
        None,
        description="Revision of the pods as last applied: a short hash of image, config, prompt and pod template.",
    )
    last_good_revision: str | None = Field(None, description="The last revision that was wholly ready.")
    rollout: RolloutStatus | None = Field(None, description="Where the rollout of a revision stands.")
    channel: ChannelUse | None = Field(None, description="What the fleet channel has given to this agent.")
    url: str | None = Field(
        None, description="Where the agent answers: the Ingress, or the Service inside the cluster."
    )
    last_failure: LastFailure | None = Field(None, description="First failing pod; absent when none fails.")
    secrets: tuple[SecretUse, ...] = Field(
        (),
        description="Secrets that the pods read, and how far a change has reached them.",
        json_schema_extra=list_map("name"),
    )
    children: tuple[ChildStatus, ...] = Field(
        (), description="Objects kept for the agent.", json_schema_extra=list_map("kind", "name")
    )

"""The AgentRuntimeChannel: one line in Git that moves many agents to another runtime version, wave by wave."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from agent_operator.api import bounds
from agent_operator.api.base import (
    ApiModel,
    DnsLabel,
    Duration,
    LabelKey,
    SelectorValue,
    StatusModel,
    list_atomic,
    list_map,
    longest,
    map_atomic,
    most,
)
from agent_operator.api.v1alpha1.agent import ObjectMeta
from agent_operator.api.v1alpha1.status import Condition

DEFAULT_MAX_CONCURRENT = 10
DEFAULT_SOAK_SECONDS = 300
# A host may have a port; a tag is what spec.version is for.
_REPOSITORY = r"^([a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?/)?[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$"
_CRON = r"^[-A-Z0-9*/,#]+( [-A-Z0-9*/,#]+){4}$"


class LabelRequirement(ApiModel):
    """Requirement of a label selector."""

    key: LabelKey = Field(description="Label key, such as team or example.com/team.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: tuple[SelectorValue, ...] | None = Field(
        None,
        max_length=64,
        description="Label values. Required by In and NotIn, not allowed with Exists and DoesNotExist. Default: none.",
        json_schema_extra=list_atomic(),
    )


class LabelSelector(ApiModel):
    """Label selector like metav1.LabelSelector, with bounds that limit the cost of the CEL rules."""

    match_labels: dict[LabelKey, SelectorValue] | None = Field(
        None,
        max_length=32,
        description="Labels that an agent must have. Default: none.",
        json_schema_extra=map_atomic(),
    )
    match_expressions: tuple[LabelRequirement, ...] | None = Field(
        None,
        max_length=32,
        description="Requirements that an agent must meet; all of them must hold. Default: none.",
        json_schema_extra=list_atomic(),
    )


class Wave(ApiModel):
    """Agents that receive the version together.

    An agent belongs to the first wave that matches it. Set exactly one of selector and percent.
    """

    name: DnsLabel | None = Field(
        None, description="Name of the wave in status and Events. Default: wave-1, wave-2 and so on."
    )
    selector: LabelSelector | None = Field(None, description="Label selector for AgentDeployments; {} matches all.")
    percent: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Cumulative percentage of all agents of the channel, rounded up, in an order that is stable while "
        "agents come and go. Waves of 10 and 50 cover one half of the agents.",
    )
    max_concurrent: int | None = Field(
        None,
        ge=1,
        le=10000,
        description="Maximum number of agents of the wave that roll out at the same time. Default: "
        f"{DEFAULT_MAX_CONCURRENT}.",
    )
    soak_seconds: int | None = Field(
        None,
        ge=0,
        le=30 * 24 * 3600,
        description="Seconds that all agents of the wave must stay healthy before the next wave starts. Default: "
        f"{DEFAULT_SOAK_SECONDS}.",
    )


class MaintenanceWindow(ApiModel):
    """Times when the channel may assign another version.

    Rollouts in progress, soaks and rollbacks continue outside of the window.
    """

    cron: str = Field(
        pattern=_CRON,
        max_length=128,
        description='Start of the window as a cron expression (minute, hour, day, month, weekday), such as "0 22 * * '
        '1-5".',
    )
    duration: Duration = Field(description="Length of the window, such as 4h or 90m; at least 1m.")
    time_zone: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_+/-]+$",
        max_length=64,
        description="IANA time zone of cron, such as Europe/Berlin. Default: UTC.",
    )


class AgentRuntimeChannelSpec(ApiModel):
    """Desired state of a channel. Only `version` is required."""

    image: str | None = Field(
        None,
        pattern=_REPOSITORY,
        max_length=255,
        description="Repository of the runtime image, without a tag. Default: the repository of the operator.",
    )
    version: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        max_length=128,
        description="Version (tag) of the runtime image for the agents of this channel.",
    )
    waves: tuple[Wave, ...] | None = Field(
        None,
        max_length=32,
        description="Waves of the rollout, in order. Agents that match no wave form the last wave. Default: one wave "
        "with all agents.",
        json_schema_extra=list_atomic(),
    )
    max_failures: int | None = Field(
        None,
        ge=0,
        le=10000,
        description="Maximum number of failed agents. The rollout halts when more agents fail. Default: 0.",
    )
    window: MaintenanceWindow | None = Field(None, description="Maintenance window. Default: always open.")
    paused: bool | None = Field(
        None, description="Pause the rollout: no agent receives another version while this is true. Default: false."
    )


class WavePhase(StrEnum):
    """Phase of a wave."""

    WAITING = "Waiting"
    ROLLING_OUT = "RollingOut"
    SOAKING = "Soaking"
    DONE = "Done"
    HALTED = "Halted"


class WaveStatus(StatusModel):
    """State of a wave."""

    name: str = Field(description="Name of the wave.", json_schema_extra=longest(bounds.DNS_LABEL))
    agents: int = Field(description="Number of agents in the wave.")
    updated: int = Field(description="Number of agents that run the version and are healthy.")
    failed: int = Field(description="Number of agents that failed with the version.")
    phase: WavePhase = Field(
        description="Waiting: an earlier wave is in progress. RollingOut: the agents receive the version. Soaking: the "
        "agents must stay healthy for soakSeconds. Done: the next wave may start. Halted: more than maxFailures "
        "agents failed."
    )
    healthy_since: str | None = Field(
        None,
        description="Time since when all agents of the wave are healthy (RFC 3339, UTC).",
        json_schema_extra={"format": "date-time"},
    )
    definition: str = Field(
        description="Short hash of the definition of the wave. A wave restarts when its definition changes.",
        json_schema_extra=longest(bounds.HASH),
    )


class AgentRuntimeChannelStatus(StatusModel):
    """Observed state of a channel. It describes metadata.generation if observedGeneration equals it."""

    observed_generation: int | None = Field(None, description="metadata.generation of the last reconciliation.")
    version: str | None = Field(
        None, description="Version of the current or last rollout.", json_schema_extra=longest(bounds.IMAGE)
    )
    image: str | None = Field(
        None,
        description="Repository of that version; absent for the repository of the operator.",
        json_schema_extra=longest(bounds.IMAGE),
    )
    stable_version: str | None = Field(
        None, description="Version of the last complete rollout.", json_schema_extra=longest(bounds.IMAGE)
    )
    stable_image: str | None = Field(
        None,
        description="Repository of that version; absent for the repository of the operator.",
        json_schema_extra=longest(bounds.IMAGE),
    )
    agents: int | None = Field(None, description="Number of agents of the channel.")
    updated: int | None = Field(None, description="Number of agents that run the version and are healthy.")
    failed: int | None = Field(None, description="Number of agents that failed with the version.")
    skipped: int | None = Field(
        None,
        description="Number of agents that cannot receive the version now: suspended agents, and agents with an "
        "invalid spec or a missing Secret.",
    )
    progress: str | None = Field(
        None, description="Updated agents of all agents, such as 37/120.", json_schema_extra=longest(bounds.COUNT_OF)
    )
    wave: str | None = Field(
        None, description="Current wave of all waves, such as 2/3.", json_schema_extra=longest(bounds.COUNT_OF)
    )
    summary: str | None = Field(
        None, description="Summary of the status in one line.", json_schema_extra=longest(bounds.IDENTIFIER)
    )
    failed_agents: tuple[Annotated[str, Field(json_schema_extra=longest(bounds.QUALIFIED_NAME))], ...] = Field(
        (),
        description="Namespaces and names of failed agents, at most ten.",
        json_schema_extra=list_atomic() | most(bounds.WAVES),
    )
    waves: tuple[WaveStatus, ...] = Field(
        (), description="State of the waves.", json_schema_extra=list_atomic() | most(bounds.WAVES)
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        description="Ready and Progressing; Halted, Paused, Reconciling and Stalled while they are true.",
        json_schema_extra=list_map("type") | most(bounds.CONDITIONS),
    )


class AgentRuntimeChannel(ApiModel):
    """AgentRuntimeChannel assigns a runtime version to all agents that reference it by spec.runtime.channel."""

    api_version: str = "agent-operator.dev/v1alpha1"
    kind: str = "AgentRuntimeChannel"
    metadata: ObjectMeta
    spec: AgentRuntimeChannelSpec
    status: AgentRuntimeChannelStatus = AgentRuntimeChannelStatus()

"""The AgentRuntimeChannel: one line in Git that moves many agents to another runtime version, wave by wave."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from agent_operator.api.base import (
    ApiModel,
    DnsLabel,
    Duration,
    StatusModel,
    list_atomic,
    list_map,
    map_atomic,
)
from agent_operator.api.v1alpha1.agent import ObjectMeta
from agent_operator.api.v1alpha1.status import Condition

DEFAULT_MAX_CONCURRENT = 10
DEFAULT_SOAK_SECONDS = 300
# A host may have a port; a tag is what spec.version is for.
_REPOSITORY = r"^([a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?/)?[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$"
_CRON = r"^[-A-Z0-9*/,#]+( [-A-Z0-9*/,#]+){4}$"


class LabelRequirement(ApiModel):
    """A requirement of a label selector."""

    key: str = Field(min_length=1, max_length=317, description="Label that it is about.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: tuple[str, ...] | None = Field(
        None,
        max_length=64,
        description="Values of the label, with In and NotIn. Default: none.",
        json_schema_extra=list_atomic(),
    )


class LabelSelector(ApiModel):
    """A metav1.LabelSelector, in bounds that an API server can reckon with."""

    match_labels: dict[str, str] | None = Field(
        None,
        max_length=32,
        description="Labels that an agent must have. Default: none.",
        json_schema_extra=map_atomic(),
    )
    match_expressions: tuple[LabelRequirement, ...] | None = Field(
        None,
        max_length=32,
        description="Requirements that an agent must meet, all of them. Default: none.",
        json_schema_extra=list_atomic(),
    )


class Wave(ApiModel):
    """Agents that get the version together. An agent belongs to the first wave that takes it."""

    name: DnsLabel | None = Field(None, description="Name in status and events. Default: wave-1, wave-2 and so on.")
    selector: LabelSelector | None = Field(
        None, description="Labels of the AgentDeployments that it takes; {} takes all. This or percent."
    )
    percent: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Takes the first so many percent, rounded up, of all agents of the channel, in an order that does "
        "not change while agents come and go. It counts from the start: 10, then 50, makes one half in two waves. "
        "This or selector.",
    )
    max_concurrent: int | None = Field(
        None,
        ge=1,
        le=10000,
        description=f"Agents of the wave that may be under way at once. Default: {DEFAULT_MAX_CONCURRENT}.",
    )
    soak_seconds: int | None = Field(
        None,
        ge=0,
        le=30 * 24 * 3600,
        description="How long all agents of the wave must be well before the next one starts. "
        f"Default: {DEFAULT_SOAK_SECONDS}.",
    )


class MaintenanceWindow(ApiModel):
    """When agents may be given another version. What is under way goes on outside, and so do soaks and rollbacks."""

    cron: str = Field(
        pattern=_CRON,
        max_length=128,
        description='When it opens: minute, hour, day, month, weekday, such as "0 22 * * 1-5".',
    )
    duration: Duration = Field(description="How long it is open, such as 4h or 90m.")
    time_zone: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_+/-]+$",
        max_length=64,
        description="Name of the time zone of cron, such as Europe/Berlin. Default: UTC.",
    )


class AgentRuntimeChannelSpec(ApiModel):
    """What you want. Only version is required."""

    image: str | None = Field(
        None,
        pattern=_REPOSITORY,
        max_length=255,
        description="Repository of the runtime image, without a tag. Default: the operator's.",
    )
    version: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        max_length=128,
        description="Version (tag) of the runtime image that the agents of this channel are to run.",
    )
    waves: tuple[Wave, ...] | None = Field(
        None,
        max_length=32,
        description="In which order. Agents that no wave takes come last, as a wave of their own. Default: that wave.",
        json_schema_extra=list_atomic(),
    )
    max_failures: int | None = Field(
        None, ge=0, le=10000, description="Failed agents with which the roll-out still goes on. Default: 0."
    )
    window: MaintenanceWindow | None = Field(
        None, description="When agents may be given another version. Default: always."
    )
    paused: bool | None = Field(None, description="Give no agent another version, until false. Default: false.")


class WavePhase(StrEnum):
    """How far a wave is."""

    WAITING = "Waiting"
    ROLLING_OUT = "RollingOut"
    SOAKING = "Soaking"
    DONE = "Done"
    HALTED = "Halted"


class WaveStatus(StatusModel):
    """How far a wave is."""

    name: str = Field(description="Name of the wave.")
    agents: int = Field(description="Agents in it.")
    updated: int = Field(description="Agents that run the version and are well.")
    failed: int = Field(description="Agents that failed with it.")
    phase: WavePhase = Field(
        description="Waiting: an earlier one is not done. RollingOut: its agents are being given the version. Soaking: "
        "they must stay well for a while. Done: the next may start. Halted: too many failed."
    )
    healthy_since: str | None = Field(
        None,
        description="Since when all its agents are well (RFC 3339, UTC).",
        json_schema_extra={"format": "date-time"},
    )
    definition: str = Field(description="Short hash of what it selects: a wave that is defined anew begins anew.")


class AgentRuntimeChannelStatus(StatusModel):
    """Truth as last seen; true of metadata.generation only where observedGeneration says so."""

    observed_generation: int | None = Field(None, description="metadata.generation that was last looked at.")
    version: str | None = Field(None, description="Version that is being rolled out, or was last.")
    image: str | None = Field(None, description="Repository that it is of; absent for the operator's.")
    stable_version: str | None = Field(None, description="Version that was last rolled out completely.")
    stable_image: str | None = Field(None, description="Repository that it is of; absent for the operator's.")
    agents: int | None = Field(None, description="Agents that follow the channel.")
    updated: int | None = Field(None, description="Agents that run the version and are well.")
    failed: int | None = Field(None, description="Agents that failed with the version.")
    skipped: int | None = Field(
        None,
        description="Agents passed over for now: suspended, or unable to change for a fault of their spec or Secret.",
    )
    progress: str | None = Field(None, description="Updated agents of all, such as 37/120.")
    wave: str | None = Field(None, description="The current wave of all, such as 2/3.")
    summary: str | None = Field(None, description="All of this in a line.")
    failed_agents: tuple[str, ...] = Field(
        (), description="Namespace and name of agents that failed, at most ten.", json_schema_extra=list_atomic()
    )
    waves: tuple[WaveStatus, ...] = Field((), description="How far each wave is.", json_schema_extra=list_atomic())
    conditions: tuple[Condition, ...] = Field(
        (),
        description="Ready and Progressing; Halted, Paused, Reconciling and Stalled when true.",
        json_schema_extra=list_map("type"),
    )


class AgentRuntimeChannel(ApiModel):
    """The runtime version of many agents, which follow it by spec.runtime.channel, and how they get there."""

    api_version: str = "agent-operator.dev/v1alpha1"
    kind: str = "AgentRuntimeChannel"
    metadata: ObjectMeta
    spec: AgentRuntimeChannelSpec
    status: AgentRuntimeChannelStatus = AgentRuntimeChannelStatus()

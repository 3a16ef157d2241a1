"""How a new revision replaces the old one, and what is known of that."""

from typing import Literal

from pydantic import Field

from agent_operator.api import bounds
from agent_operator.api.base import ApiModel, IntOrPercent, StatusModel, list_atomic, list_map, longest
from agent_operator.api.v1alpha1.sources import ConfigMapKeyRef
from agent_runtime.config.checks import MAX_CHECKS, CheckConfig


class Pause(ApiModel):
    """Pause after a canary step."""

    duration_seconds: int | None = Field(
        None,
        ge=0,
        le=7 * 24 * 3600,
        description="Duration of the step in seconds. The operator evaluates the gates during that time. Default: "
        "until `agentctl promote`.",
    )


class CanaryStep(ApiModel):
    """Weight and duration of one canary step."""

    weight: int = Field(
        ge=1,
        le=99,
        description="Percentage of the pods that run the canary; at least one pod. Behind a Gateway it is also the "
        "percentage of the HTTP requests.",
    )
    pause: Pause | None = Field(None, description="Pause before the next step. Default: 60 seconds.")


class CanaryGates(ApiModel):
    """Limits for the metrics of the canary, compared with those of the stable pods during a step."""

    max_error_rate_percent: int | None = Field(
        None,
        ge=0,
        le=100,
        description="Maximum difference between the error rate (5xx) of the canary and that of the stable pods, in "
        "percentage points. Default: 5.",
    )
    max_latency_percent: int | None = Field(
        None,
        ge=100,
        le=10000,
        description="Maximum 95th percentile of the request duration, in percent of that of the stable pods. A "
        "duration of up to 0.1 seconds always passes. Default: 200.",
    )
    max_tokens_percent: int | None = Field(
        None,
        ge=100,
        le=10000,
        description="Maximum number of tokens per request, in percent of that of the stable pods. Default: 200.",
    )
    min_requests: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Minimum number of requests that both the canary and the stable pods must serve during the step "
        "before the operator compares them. Default: 20.",
    )


class ChecksFrom(ApiModel):
    """Source of the checks."""

    config_map_key_ref: ConfigMapKeyRef = Field(
        description="Key of a ConfigMap that contains a YAML or JSON document with the single field checks, a list "
        "like canary.checks."
    )


class Canary(ApiModel):
    """Steps of a canary, and the conditions for promoting it."""

    steps: tuple[CanaryStep, ...] | None = Field(
        None,
        max_length=20,
        description="Steps of the canary. Default: one step of 20 % for 60 seconds.",
        json_schema_extra=list_atomic(),
    )
    gates: CanaryGates | None = Field(
        None, description="Limits for the metrics of the canary. Default: each field has its default."
    )
    checks: tuple[CheckConfig, ...] | None = Field(
        None,
        min_length=1,
        max_length=MAX_CHECKS,
        description="Prompts that the operator sends to the canary before the first step, with the expected answers. "
        "Default: none.",
        json_schema_extra=list_map("name"),
    )
    checks_from: ChecksFrom | None = Field(None, description="Source of the checks. Default: none.")


class RollingUpdate(ApiModel):
    """Numbers of pods during a rolling update, as in a Deployment."""

    max_surge: IntOrPercent | None = Field(
        None,
        description="Number or percentage of pods above the desired number; a percentage is rounded up. Default: 1.",
    )
    max_unavailable: IntOrPercent | None = Field(
        None,
        description="Number or percentage of pods below the desired number; a percentage is rounded down. It must be 0 "
        "with strategy Canary, which never reduces the capacity. Default: 0, or 1 if maxSurge is 0.",
    )


class Rollout(ApiModel):
    """How a new revision replaces the running one.

    A revision is everything that determines the pods: image, config, prompt and pod template.
    """

    strategy: Literal["RollingUpdate", "Recreate", "Canary"] | None = Field(
        None,
        description="Strategy of the rollout. RollingUpdate: replace pod by pod, with surge. Recreate: delete all pods "
        "before the new ones are created, for example because they share a ReadWriteOnce volume; the agent is down "
        "meanwhile. Canary: run the new revision in a second Deployment, step by step, before promoting it. Default: "
        "RollingUpdate.",
    )
    rolling_update: RollingUpdate | None = Field(
        None,
        description="Surge and unavailability while pods are replaced, also at the promotion of a canary. Not allowed "
        "with strategy Recreate. Default: maxSurge 1 and maxUnavailable 0.",
    )
    progress_deadline_seconds: int | None = Field(
        None,
        ge=10,
        le=86400,
        description="Seconds without progress after which a rollout has failed. Default: 600.",
    )
    auto_rollback: bool | None = Field(
        None, description="Roll back to the last good revision when a rollout fails. Default: true."
    )
    revision_history_limit: int | None = Field(
        None,
        ge=2,
        le=100,
        description="Number of old revisions to retain for rollback, and of old ReplicaSets. Default: 10.",
    )
    canary: Canary | None = Field(
        None, description="Configuration of the canary. Requires strategy Canary. Default: each field has its default."
    )


class CanaryStatus(StatusModel):
    """State of the canary."""

    revision: str = Field(description="Revision of the canary.", json_schema_extra=longest(bounds.HASH))
    step: int = Field(description="Index of the current step, from 0.")
    weight: int = Field(description="Percentage of the current step.")
    phase: str = Field(
        description="Starting: the pods are not ready. Checking: the checks run. Watching: the operator evaluates the "
        "gates. Paused: the canary waits for `agentctl promote`. Promoting: the stable pods are being updated to the "
        "revision.",
        json_schema_extra=longest(bounds.WORD),
    )
    since: str = Field(description="Start of the phase (RFC 3339, UTC).", json_schema_extra=longest(bounds.TIME))
    message: str | None = Field(
        None,
        description="What the canary waits for, or the results of the gates and checks.",
        json_schema_extra=longest(bounds.MESSAGE),
    )
    checks: str | None = Field(
        None, description="Result of the checks, such as `5/5 passed`.", json_schema_extra=longest(bounds.MESSAGE)
    )


class RolledBack(StatusModel):
    """A rollback. It is active until the spec describes another revision."""

    revision: str = Field(description="Revision that failed or was aborted.", json_schema_extra=longest(bounds.HASH))
    to: str = Field(description="Revision that runs instead.", json_schema_extra=longest(bounds.HASH))
    reason: str = Field(description="Reason in PascalCase.", json_schema_extra=longest(bounds.IDENTIFIER))
    message: str = Field(
        description="Details from the pod, the check or the gate.", json_schema_extra=longest(bounds.MESSAGE)
    )
    time: str = Field(description="Time of the rollback (RFC 3339, UTC).", json_schema_extra=longest(bounds.TIME))
    manual: bool | None = Field(None, description="True if a user requested the rollback.")
    asked: str | None = Field(
        None,
        description="Hash of the pods that the spec requested at that time.",
        json_schema_extra=longest(bounds.HASH),
    )


class RolloutStatus(StatusModel):
    """State of the rollout. The operator resumes from it after a restart."""

    target: str | None = Field(
        None, description="Revision that the spec describes.", json_schema_extra=longest(bounds.HASH)
    )
    stable: str | None = Field(
        None, description="Revision of the stable Deployment.", json_schema_extra=longest(bounds.HASH)
    )
    paused: bool | None = Field(None, description="True while a user has paused the canary.")
    canary: CanaryStatus | None = Field(None, description="State of the canary. Not set if no canary is running.")
    rolled_back: RolledBack | None = Field(None, description="The current rollback. Not set if no rollback is active.")
    command: str | None = Field(
        None,
        description="Last rollout command that the operator executed.",
        json_schema_extra=longest(bounds.COMMAND),
    )
    restarted_at: str | None = Field(
        None,
        description="Time of the last command `restart` (RFC 3339). The operator replaces the pods that are older.",
        json_schema_extra=longest(bounds.TIME),
    )


class ChannelUse(StatusModel):
    """AgentRuntimeChannel of the agent, and the version that it assigned."""

    name: str = Field(description="Name of the AgentRuntimeChannel.", json_schema_extra=longest(bounds.DNS_SUBDOMAIN))
    version: str = Field(
        description="Runtime version that the channel assigned to this agent.", json_schema_extra=longest(bounds.IMAGE)
    )
    image: str | None = Field(
        None,
        description="Image repository that the channel assigned to this agent.",
        json_schema_extra=longest(bounds.IMAGE),
    )
    after: str | None = Field(
        None,
        description="Target revision at the time of the assignment. While the target is still this one, the status "
        "does not describe the assigned version yet. Not set if the assignment changed nothing.",
        json_schema_extra=longest(bounds.HASH),
    )

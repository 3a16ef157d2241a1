"""How a new revision replaces the old one, and what is known of that."""

from typing import Literal

from pydantic import Field

from agent_operator.api.base import ApiModel, StatusModel, list_atomic, list_map
from agent_operator.api.v1alpha1.sources import ConfigMapKeyRef
from agent_runtime.config.checks import MAX_CHECKS, CheckConfig


class Pause(ApiModel):
    """A stop between two steps."""

    duration_seconds: int | None = Field(
        None,
        ge=0,
        le=7 * 24 * 3600,
        description="How long the step lasts, with the gates watching. Default: until `agentctl promote`.",
    )


class CanaryStep(ApiModel):
    """How much the canary gets, and for how long."""

    weight: int = Field(
        ge=1,
        le=99,
        description="Percentage of the pods, and where a Gateway leads to the agent of the requests, that the canary "
        "gets. At least one pod.",
    )
    pause: Pause | None = Field(None, description="What comes before the next step. Default: 60 seconds.")


class CanaryGates(ApiModel):
    """What the canary's own metrics must show, beside those of the stable pods, for as long as a step lasts."""

    max_error_rate_percent: int | None = Field(
        None,
        ge=0,
        le=100,
        description="Failed requests (5xx) in percent: how many points the canary may be above the stable pods. "
        "Default: 5.",
    )
    max_latency_percent: int | None = Field(
        None,
        ge=100,
        le=10000,
        description="95th percentile of the request duration, in percent of that of the stable pods; up to 0.1 seconds "
        "pass in any case. Default: 200.",
    )
    max_tokens_percent: int | None = Field(
        None, ge=100, le=10000, description="Tokens a request, in percent of those of the stable pods. Default: 200."
    )
    min_requests: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Requests that both must have answered within the step before they are compared. Default: 20.",
    )


class ChecksFrom(ApiModel):
    """Checks that are kept apart."""

    config_map_key_ref: ConfigMapKeyRef = Field(
        description="A ConfigMap that holds them: YAML or JSON with the one field checks, a list as canary.checks."
    )


class Canary(ApiModel):
    """Steps, and what must hold for the next one."""

    steps: tuple[CanaryStep, ...] | None = Field(
        None, max_length=20, description="Default: one step of 20 % for 60 seconds.", json_schema_extra=list_atomic()
    )
    gates: CanaryGates | None = Field(None, description="Limits for the canary's metrics. Default: as each field says.")
    checks: tuple[CheckConfig, ...] | None = Field(
        None,
        min_length=1,
        max_length=MAX_CHECKS,
        description="Prompts that the canary is asked before the first step lasts, and what the answers must be like. "
        "Default: none.",
        json_schema_extra=list_map("name"),
    )
    checks_from: ChecksFrom | None = Field(None, description="Checks that are kept in a ConfigMap. Default: none.")


class Rollout(ApiModel):
    """How a new revision (image, config, prompt and whatever else the pods are made from) replaces the old one."""

    strategy: Literal["RollingUpdate", "Canary"] | None = Field(
        None,
        description="RollingUpdate: pod by pod, surge first. Canary: a second Deployment first, step by step. "
        "Default: RollingUpdate.",
    )
    progress_deadline_seconds: int | None = Field(
        None,
        ge=10,
        le=86400,
        description="How long a rollout may make no progress before it has failed. Default: 600.",
    )
    auto_rollback: bool | None = Field(
        None, description="Return to the last good revision when a rollout fails. Default: true."
    )
    revision_history_limit: int | None = Field(
        None, ge=2, le=100, description="Revisions that are kept to return to. Default: 10."
    )
    canary: Canary | None = Field(
        None, description="How the canary proceeds; with strategy Canary only. Default: as each field says."
    )


class CanaryStatus(StatusModel):
    """The canary, while there is one."""

    revision: str = Field(description="The revision that it runs.")
    step: int = Field(description="Index of the step, from 0.")
    weight: int = Field(description="Percentage that it gets.")
    phase: str = Field(
        description="Starting: its pods are not ready. Checking: the checks run. Watching: the step lasts. Paused: it "
        "waits for `agentctl promote`. Promoting: the stable pods take its revision over."
    )
    since: str = Field(description="When this phase of this step began (RFC 3339, UTC).")
    message: str | None = Field(None, description="What is awaited, or what the gates and checks have shown.")
    checks: str | None = Field(None, description="Outcome of the checks, such as `5/5 passed`.")


class RolledBack(StatusModel):
    """A revision that the spec asks for and that does not run. In force until the spec asks for another."""

    revision: str = Field(description="The revision that was given up.")
    to: str = Field(description="The revision that runs in its place.")
    reason: str = Field(description="Why, in one CamelCase word.")
    message: str = Field(description="Why, in the words of the pod, the check or the gate.")
    time: str = Field(description="When (RFC 3339, UTC).")
    manual: bool | None = Field(None, description="True when a person asked for it.")
    asked: str | None = Field(None, description="Hash of what the spec said of the pods then.")


class RolloutStatus(StatusModel):
    """Where the rollout stands. The operator goes on from here after a restart."""

    target: str | None = Field(None, description="The revision that the spec asks for.")
    stable: str | None = Field(None, description="The revision that the Deployment is given.")
    paused: bool | None = Field(None, description="True while a person has stopped the canary where it is.")
    canary: CanaryStatus | None = Field(None, description="The canary, while there is one.")
    rolled_back: RolledBack | None = Field(None, description="The revision that was given up, and why.")
    command: str | None = Field(None, description="The command in the annotation that was carried out last.")


class ChannelUse(StatusModel):
    """The AgentRuntimeChannel that the agent follows, and what it was given."""

    name: str = Field(description="Name of the AgentRuntimeChannel.")
    version: str = Field(description="The runtime version that the channel has given to this agent.")
    image: str | None = Field(None, description="The image repository that the channel has given to this agent.")
    after: str | None = Field(
        None,
        description="The revision that was asked of the agent when it was given this: until another is asked for, "
        "what the status says is not about it. Absent when it changed nothing.",
    )

"""Every reason that a condition or an Event of an AgentRuntimeChannel can have. The docs are made from this table."""

from enum import StrEnum


class ChannelReason(StrEnum):
    """Why a condition of a channel is as it is."""

    COMPLETE = "Complete"
    """Every agent that follows the channel runs its version and is well."""
    ROLLING_OUT = "RollingOut"
    """Agents of the current wave are being given the version."""
    SOAKING = "Soaking"
    """The agents of the current wave must stay well for a while."""
    HALTED = "Halted"
    """More agents failed than maxFailures allows: no other is given the version."""
    PAUSED = "Paused"
    """spec.paused is true: no agent is given another version."""
    WINDOW_CLOSED = "WindowClosed"
    """The maintenance window is closed: the roll-out goes on when it opens."""
    INVALID_WINDOW = "InvalidWindow"
    """The maintenance window can never open."""
    INVALID_SPEC = "InvalidSpec"
    """The spec is not what this version of the operator takes."""
    AGENTS_FAILED = "AgentsFailed"
    """The roll-out is complete, but for agents that failed."""
    WAVE_STARTED = "WaveStarted"
    """Event: the agents of a wave are given the version from now on."""
    WAVE_HEALTHY = "WaveHealthy"
    """Event: a wave is done, and the next may start."""

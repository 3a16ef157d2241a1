"""Status, Events and metrics of a channel, from its plan. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.api.reasons import ChannelReason
from agent_operator.api.v1alpha1.channel import AgentRuntimeChannelStatus, WavePhase, WaveStatus
from agent_operator.fleet.members import Member
from agent_operator.fleet.wave_plan import ChannelPlan, ChannelState, has_release
from agent_operator.status.conditions import Condition, merge_conditions

_NAMES_IN_STATUS = 10
_NAMES_IN_MESSAGE = 3
_PAUSED = "spec.paused is true: set it to false to resume"
_STALLED_REASONS = (ChannelReason.HALTED, ChannelReason.INVALID_WINDOW, ChannelReason.AGENTS_FAILED)
_PROGRESSING_REASONS = (ChannelReason.ROLLING_OUT, ChannelReason.SOAKING, ChannelReason.WINDOW_CLOSED)


@dataclass(frozen=True, slots=True)
class ChannelEvent:
    """An Event of a channel."""

    severity: str
    reason: ChannelReason
    note: str


def status(plan: ChannelPlan, now: str) -> dict[str, Any]:
    """Return the whole status of a channel. `now`: RFC 3339 in UTC."""
    target, stable = plan.channel.target, plan.stable
    failed = _failed(plan)
    total, updated = len(plan.agents), sum(wave.updated for wave in plan.waves)
    wave = f"{plan.current_wave + 1}/{len(plan.waves)}"
    found = {
        "observedGeneration": plan.channel.generation,
        "version": target.version,
        "image": target.image or None,
        "stableVersion": stable.version if stable else None,
        "stableImage": (stable.image or None) if stable else None,
        "agents": total,
        "updated": updated,
        "failed": len(failed),
        "skipped": sum(agent.skipped for agent in plan.agents),
        "progress": f"{updated}/{total}",
        "wave": wave,
        "summary": f"{updated}/{total} updated, wave {wave}{_failed_suffix(failed)}",
        "failedAgents": [str(agent) for agent in failed[:_NAMES_IN_STATUS]] or None,
        "waves": [wave.model_dump(mode="json", by_alias=True, exclude_none=True) for wave in plan.waves],
        "conditions": conditions(plan, now),
    }
    return {key: value for key, value in found.items() if value is not None}


def invalid_spec(
    channel: str, generation: int, error: str, before: AgentRuntimeChannelStatus, now: str
) -> dict[str, Any]:
    """Return the fields of the status that change if the spec of a channel is invalid."""
    message = f"the spec of AgentRuntimeChannel {channel} is invalid: {error}"
    statuses = {"Ready": False, "Progressing": False, "Stalled": True}
    found = [_condition(kind, value, ChannelReason.INVALID_SPEC, message) for kind, value in statuses.items()]
    return {"observedGeneration": generation, "conditions": _merged(found, before, generation, now)}


def conditions(plan: ChannelPlan, now: str) -> list[Condition]:
    """Return the conditions. As in kstatus, Halted, Paused, Reconciling and Stalled exist only while true."""
    reason, message = _reason(plan)
    ready, progressing = reason is ChannelReason.COMPLETE, reason in _PROGRESSING_REASONS
    found = [_condition("Ready", ready, reason, message), _condition("Progressing", progressing, reason, message)]
    if plan.halted:
        found.append(_condition("Halted", True, ChannelReason.HALTED, message))
    if plan.channel.spec.paused:
        found.append(_condition("Paused", True, ChannelReason.PAUSED, _PAUSED))
    if reason in _STALLED_REASONS:
        found.append(_condition("Stalled", True, reason, message))
    elif not ready:
        found.append(_condition("Reconciling", True, reason, message))
    return _merged(found, plan.channel.status, plan.channel.generation, now)


def _merged(
    found: Iterable[Condition], before: AgentRuntimeChannelStatus, generation: int, now: str
) -> list[Condition]:
    known = [it.model_dump(mode="json", by_alias=True, exclude_none=True) for it in before.conditions]
    return list(merge_conditions(found, known, generation, now))


def _condition(kind: str, status: bool, reason: ChannelReason, message: str) -> Condition:
    return {"type": kind, "status": str(status), "reason": reason.value, "message": message}


def _reason(plan: ChannelPlan) -> tuple[ChannelReason, str]:
    """Return the reason and message of Ready: the most urgent thing that a user should know."""
    failed, target = _failed(plan), plan.channel.target
    if plan.halted:
        return ChannelReason.HALTED, (
            f"{_count(len(failed))} failed with {target.version}, more than spec.maxFailures "
            f"{plan.channel.spec.max_failures or 0}: {_names(failed)}; the rollout stops: revert spec.version, or fix "
            "these agents, pin their spec.runtime.version, or raise spec.maxFailures"
        )
    if not plan.agents:
        return ChannelReason.COMPLETE, "no agent follows this channel"
    unsettled = [it for it in plan.agents if not (it.skipped or (has_release(it, target) and _has_ended(it)))]
    if unsettled or not plan.complete:
        return _in_progress(plan, [agent for agent in unsettled if has_release(agent, target)])
    if failed:
        message = f"the rollout is complete, but {_count(len(failed))} failed with {target.version}: {_names(failed)}"
        return ChannelReason.AGENTS_FAILED, message
    verb = "runs" if len(plan.agents) == 1 else "run"
    return ChannelReason.COMPLETE, f"{_count(len(plan.agents))} {verb} {target.version}{_skipped_suffix(plan)}"


def _in_progress(plan: ChannelPlan, upgrading: list[Member]) -> tuple[ChannelReason, str]:
    wave = plan.waves[plan.current_wave]
    if plan.channel.spec.paused:
        return ChannelReason.PAUSED, _PAUSED
    if wave.phase == WavePhase.SOAKING:
        soak = plan.members[plan.current_wave].soak_seconds
        message = f"{wave.name} must stay healthy for {soak} s; it is healthy since {wave.healthy_since}"
        return ChannelReason.SOAKING, message
    if plan.gate.invalid:
        return ChannelReason.INVALID_WINDOW, plan.gate.invalid
    if plan.gate.opens_in and not upgrading:
        return ChannelReason.WINDOW_CLOSED, "the maintenance window is closed: the rollout resumes when it opens"
    suffix = f": waiting for {_names(upgrading)}" if upgrading else ""
    return ChannelReason.ROLLING_OUT, f"upgrading {wave.name} to {plan.channel.target.version}{suffix}"


def _has_ended(agent: Member) -> bool:
    return agent.updated or agent.failed


def _failed(plan: ChannelPlan) -> list[Member]:
    failed = (agent for agent in plan.agents if agent.failed and has_release(agent, plan.channel.target))
    return sorted(failed, key=lambda agent: agent.key)


def _names(agents: Iterable[Member]) -> str:
    names = sorted(str(agent) for agent in agents)
    more = len(names) - _NAMES_IN_MESSAGE
    return ", ".join(names[:_NAMES_IN_MESSAGE]) + (f" and {more} more" if more > 0 else "")


def _failed_suffix(failed: list[Member]) -> str:
    return f", {len(failed)} failed: {_names(failed)}" if failed else ""


def _skipped_suffix(plan: ChannelPlan) -> str:
    skipped = [agent for agent in plan.agents if agent.skipped]
    return f"; skipped: {_names(skipped)}" if skipped else ""


def _count(agents: int) -> str:
    return "1 agent" if agents == 1 else f"{agents} agents"


def events(plan: ChannelPlan) -> Iterator[ChannelEvent]:
    """Yield an Event for each change since the last write of the status. The next write keeps it from repeating."""
    channel, version = plan.channel, plan.channel.target.version
    starts = channel.rolling_out != channel.target
    if starts:
        verb = "rolling back" if channel.targets_stable and channel.rolling_out else "upgrading"
        note = f"{verb} {_count(len(plan.agents))} to {version}"
        yield ChannelEvent("Normal", ChannelReason.ROLLING_OUT, note)
    known = {} if starts else {wave.definition: wave for wave in channel.status.waves}
    for wave in () if channel.targets_stable else plan.waves:
        yield from _wave_events(wave, known.get(wave.definition), version)
    was_halted = any(it.type == "Halted" and it.status == "True" for it in channel.status.conditions)
    if plan.halted and not was_halted:
        yield ChannelEvent("Warning", ChannelReason.HALTED, _reason(plan)[1])
    if plan.stable != channel.stable:
        note = f"the rollout of {version} is complete{_failed_suffix(_failed(plan))}"
        yield ChannelEvent("Normal", ChannelReason.COMPLETE, note)


def _wave_events(wave: WaveStatus, before: WaveStatus | None, version: str) -> Iterator[ChannelEvent]:
    phase_before = before.phase if before else WavePhase.WAITING
    if phase_before == wave.phase or not wave.agents:
        return
    if phase_before == WavePhase.WAITING:
        note = f"upgrading {wave.name} of {_count(wave.agents)} to {version}"
        yield ChannelEvent("Normal", ChannelReason.WAVE_STARTED, note)
    if wave.phase == WavePhase.DONE:
        note = f"{wave.name} is done: {wave.updated} of {wave.agents} agents are updated"
        yield ChannelEvent("Normal", ChannelReason.WAVE_HEALTHY, note)


def counts(channel: ChannelState, agents: Iterable[Member]) -> Mapping[str, int]:
    """Count the agents of a channel by state."""
    found = dict.fromkeys(("updated", "failed", "skipped", "rolling", "waiting"), 0)
    for agent in agents:
        if not has_release(agent, channel.target):
            state = "skipped" if agent.skipped else "waiting"
        elif agent.failed:
            state = "failed"
        elif agent.updated:
            state = "updated"
        else:
            state = "skipped" if agent.skipped else "rolling"
        found[state] += 1
    return found

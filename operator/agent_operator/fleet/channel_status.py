"""What a channel's status, Events and metrics say of a step. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.api.reasons import ChannelReason
from agent_operator.api.v1alpha1.channel import AgentRuntimeChannelStatus, WavePhase, WaveStatus
from agent_operator.fleet.members import Member
from agent_operator.fleet.wave_plan import ChannelPlan, ChannelState, has_release
from agent_operator.status.conditions import Condition, merge_conditions

_NAMED = 10
_NAMED_IN_SUMMARY = 3


@dataclass(frozen=True, slots=True)
class ChannelEvent:
    """An Event worth telling."""

    severity: str
    reason: ChannelReason
    note: str


def status(step: ChannelPlan, now: str) -> dict[str, Any]:
    """Return the whole status of the channel."""
    target, stable = step.channel.target, step.stable
    failed = _failed(step)
    total, updated = len(step.agents), sum(wave.updated for wave in step.waves)
    wave = f"{step.current_wave + 1}/{len(step.waves)}"
    found = {
        "observedGeneration": step.channel.generation,
        "version": target.version,
        "image": target.image or None,
        "stableVersion": stable.version if stable else None,
        "stableImage": (stable.image or None) if stable else None,
        "agents": total,
        "updated": updated,
        "failed": len(failed),
        "skipped": sum(agent.skipped for agent in step.agents),
        "progress": f"{updated}/{total}",
        "wave": wave,
        "summary": f"{updated}/{total} updated, wave {wave}{_of_failed(failed)}",
        "failedAgents": [str(agent) for agent in failed[:_NAMED]] or None,
        "waves": [wave.model_dump(mode="json", by_alias=True, exclude_none=True) for wave in step.waves],
        "conditions": conditions(step, now),
    }
    return {key: value for key, value in found.items() if value is not None}


def refused(channel: str, generation: int, fault: str, before: AgentRuntimeChannelStatus, now: str) -> dict[str, Any]:
    """Return what changes in the status of a channel whose spec cannot be read."""
    said = f"the spec of {channel} cannot be used: {fault}"
    found = [_condition(kind, status, ChannelReason.INVALID_SPEC, said) for kind, status in _STALLED]
    return {"observedGeneration": generation, "conditions": _settled(found, before, generation, now)}


_STALLED = (("Ready", False), ("Progressing", False), ("Stalled", True))


def conditions(step: ChannelPlan, now: str) -> list[Condition]:
    """Decide the conditions; Halted, Paused, Reconciling and Stalled are there only while true, as kstatus wants."""
    reason, message = _why(step)
    stalled = reason in (ChannelReason.HALTED, ChannelReason.INVALID_WINDOW, ChannelReason.AGENTS_FAILED)
    ready = reason is ChannelReason.COMPLETE
    moving = reason in (ChannelReason.ROLLING_OUT, ChannelReason.SOAKING, ChannelReason.WINDOW_CLOSED)
    found = [_condition("Ready", ready, reason, message), _condition("Progressing", moving, reason, message)]
    if step.halted:
        found.append(_condition("Halted", True, ChannelReason.HALTED, message))
    if step.channel.spec.paused:
        found.append(_condition("Paused", True, ChannelReason.PAUSED, "spec.paused is true: set it to false to go on"))
    if stalled:
        found.append(_condition("Stalled", True, reason, message))
    elif not ready:
        found.append(_condition("Reconciling", True, reason, message))
    return _settled(found, step.channel.status, step.channel.generation, now)


def _settled(
    found: Iterable[Condition], before: AgentRuntimeChannelStatus, generation: int, now: str
) -> list[Condition]:
    known = [it.model_dump(mode="json", by_alias=True, exclude_none=True) for it in before.conditions]
    return list(merge_conditions(found, known, generation, now))


def _condition(kind: str, status: bool, reason: ChannelReason, message: str) -> Condition:
    return {"type": kind, "status": str(status), "reason": reason.value, "message": message}


def _why(step: ChannelPlan) -> tuple[ChannelReason, str]:
    """Tell what the roll-out waits for, in the order in which one must care."""
    failed, version = _failed(step), step.channel.target.version
    if step.halted:
        may = step.channel.spec.max_failures or 0
        return ChannelReason.HALTED, (
            f"{len(failed)} failed with {version}, {may} may: {_names(failed)}; no other agent is given it: "
            "set version back, or mend these, pin them by runtime.version or raise maxFailures"
        )
    if not step.agents:
        return ChannelReason.COMPLETE, "no agent follows this channel"
    waiting = [it for it in step.agents if not (it.skipped or (has_release(it, step.channel.target) and _over(it)))]
    if waiting or not step.complete:
        return _under_way(step, [agent for agent in waiting if has_release(agent, step.channel.target)])
    if failed:
        return ChannelReason.AGENTS_FAILED, f"complete, but {len(failed)} failed with {version}: {_names(failed)}"
    return ChannelReason.COMPLETE, f"{_agents(len(step.agents))} run {version}{_of_skipped(step)}"


def _under_way(step: ChannelPlan, awaited: list[Member]) -> tuple[ChannelReason, str]:
    wave = step.waves[step.current_wave]
    if step.channel.spec.paused:
        return ChannelReason.PAUSED, "spec.paused is true: set it to false to go on"
    if wave.phase == WavePhase.SOAKING:
        soak = step.members[step.current_wave].soak_seconds
        return ChannelReason.SOAKING, f"{wave.name} must stay well for {soak} s since {wave.healthy_since}"
    if step.gate.invalid:
        return ChannelReason.INVALID_WINDOW, step.gate.invalid
    if step.gate.opens_in and not awaited:
        return ChannelReason.WINDOW_CLOSED, "the maintenance window is closed: the roll-out goes on when it opens"
    on = f": waits for {_names(awaited)}" if awaited else ""
    return ChannelReason.ROLLING_OUT, f"{wave.name} is given {step.channel.target.version}{on}"


def _over(agent: Member) -> bool:
    return agent.updated or agent.failed


def _failed(step: ChannelPlan) -> list[Member]:
    return sorted(
        (it for it in step.agents if it.failed and has_release(it, step.channel.target)), key=lambda it: it.key
    )


def _names(agents: Iterable[Member], limit: int = _NAMED_IN_SUMMARY) -> str:
    named = sorted(str(agent) for agent in agents)
    return ", ".join(named[:limit]) + (f" and {len(named) - limit} more" if len(named) > limit else "")


def _of_failed(failed: list[Member]) -> str:
    return f", {len(failed)} failed: {_names(failed)}" if failed else ""


def _of_skipped(step: ChannelPlan) -> str:
    skipped = [agent for agent in step.agents if agent.skipped]
    return f"; passed over: {_names(skipped)}" if skipped else ""


def _agents(number: int) -> str:
    return "1 agent" if number == 1 else f"{number} agents"


def events(step: ChannelPlan) -> Iterable[ChannelEvent]:
    """Yield what this step has changed, for Events. What was said before is in the status, so it is said once."""
    channel, version = step.channel, step.channel.target.version
    returning = channel.stable == channel.target
    begins = channel.rolling_out != channel.target
    if begins:
        verb = "returning to" if returning and channel.rolling_out else "rolling out"
        yield ChannelEvent("Normal", ChannelReason.ROLLING_OUT, f"{verb} {version} to {_agents(len(step.agents))}")
    known = {} if begins else {wave.definition: wave for wave in channel.status.waves}
    for wave in () if returning else step.waves:
        yield from _of_wave(wave, known.get(wave.definition), version)
    was_halted = any(it.type == "Halted" and it.status == "True" for it in channel.status.conditions)
    if step.halted and not was_halted:
        yield ChannelEvent("Warning", ChannelReason.HALTED, _why(step)[1])
    if step.stable != channel.stable:
        yield ChannelEvent(
            "Normal", ChannelReason.COMPLETE, f"{version} is rolled out completely{_of_failed(_failed(step))}"
        )


def _of_wave(wave: WaveStatus, before: WaveStatus | None, version: str) -> Iterable[ChannelEvent]:
    was = before.phase if before else WavePhase.WAITING
    if was == wave.phase or not wave.agents:
        return
    if was == WavePhase.WAITING:
        yield ChannelEvent(
            "Normal", ChannelReason.WAVE_STARTED, f"{wave.name} of {_agents(wave.agents)} is given {version}"
        )
    if wave.phase == WavePhase.DONE:
        told = f"{wave.name} is done: {wave.updated} of {wave.agents} updated"
        yield ChannelEvent("Normal", ChannelReason.WAVE_HEALTHY, told)


def counts(channel: ChannelState, agents: Iterable[Member]) -> Mapping[str, int]:
    """Count the agents of a channel by state, for the metrics."""
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

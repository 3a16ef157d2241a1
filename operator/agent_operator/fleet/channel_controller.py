"""Leads fleets: looks at every channel and its agents when something changed, gives versions, and says so in status.

Nothing is remembered but what saves work. An agent's version is written to its status.channel, and from there its own
pass takes it; so an operator that ends at any point, and another that goes on, do no harm.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from agent_operator.api import constants
from agent_operator.api.v1alpha1.channel import AgentRuntimeChannelSpec, AgentRuntimeChannelStatus
from agent_operator.fleet import channel_status
from agent_operator.fleet.channel_cache import ChannelCache
from agent_operator.fleet.members import Member, channel_use, followed_channel, read_member
from agent_operator.fleet.wave_plan import ChannelPlan, ChannelState, plan
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.objects import Key, Live, Object
from agent_operator.kube.resources import CHANNEL
from agent_operator.kube.transport import ApiError
from agent_operator.status.builder import changes
from agent_runtime.config import explain

log = logging.getLogger(__name__)

_DEBOUNCE_SECONDS = 0.25
_RETRY_SECONDS = 2.0
_MAX_CONCURRENT_WRITES = 8
# What may have been missed of agents that were deleted is found out this often, while a roll-out waits for somebody.
_RELIST_SECONDS = 300.0
_AGENTS = f"/apis/{constants.API_VERSION}/{constants.PLURAL}"


class ChannelController:
    """Every channel of the cluster, in one loop. `observed` takes in an agent as the API server answered a write."""

    def __init__(  # noqa: PLR0913  (its parts, given once)
        self,
        *,
        channels: ChannelCache,
        store: Store,
        cluster: Cluster,
        recorder: EventRecorder,
        observed: Callable[[Object], None],
        own_image: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._channels = channels
        self._store = store
        self._cluster = cluster
        self._recorder = recorder
        self._observed = observed
        self._own_image = own_image
        self._now = now
        self._changed = asyncio.Event()
        self._write_slots = asyncio.Semaphore(_MAX_CONCURRENT_WRITES)
        self._facts: dict[Key, tuple[Live, Member | None, bool]] = {}
        self._steps: dict[str, ChannelPlan] = {}

    def wake(self) -> None:
        """Have everything looked at: a channel or an agent changed."""
        self._changed.set()

    async def run(self, synced: asyncio.Event) -> None:
        """Lead for ever, once all channels and agents are known."""
        await synced.wait()
        await self._relist()
        while True:
            self._changed.clear()
            wait = await self._round()
            # Changes come in crowds; one look does for all.
            await asyncio.sleep(_DEBOUNCE_SECONDS)
            under_way = any(not step.complete for step in self._steps.values())
            try:
                async with asyncio.timeout(min(wait or _RELIST_SECONDS, _RELIST_SECONDS) if under_way else wait):
                    await self._changed.wait()
            except TimeoutError:
                if under_way and (wait is None or wait >= _RELIST_SECONDS):
                    await self._relist()

    async def _round(self) -> float | None:
        """Look at everything once. Returns in how many seconds to do it again though nothing happens."""
        followers: dict[str, list[Member]] = {}
        for found in self._agents():
            followers.setdefault(found.channel, []).append(found)
        self._steps = {name: step for name, step in self._steps.items() if self._channels.get(name)}
        waits = [await self._release_orphaned_assignments()]
        for raw in self._channels:
            try:
                waits.append(await self._advance(raw, followers.get(raw["metadata"]["name"], ())))
            except ApiError as error:
                extra = {"channel": raw["metadata"]["name"], "code": error.code, "reason": error.reason}
                log.warning("channel not brought on, for the API server is in trouble", extra=extra)
                waits.append(_RETRY_SECONDS)
            except Exception:
                # One channel's trouble, a bug included, must not stop the others.
                log.exception("channel not brought on", extra={"channel": raw["metadata"]["name"]})
                waits.append(_RETRY_SECONDS)
        return min((wait for wait in waits if wait is not None), default=None)

    async def _advance(self, raw: Object, agents: Iterable[Member]) -> float | None:
        """Bring one channel a step on."""
        meta, now = raw["metadata"], self._now()
        before = AgentRuntimeChannelStatus.model_validate(raw["status"])
        try:
            spec = AgentRuntimeChannelSpec.model_validate(raw["spec"])
        except ValidationError as error:
            said = channel_status.refused(meta["name"], meta["generation"], explain(error), before, _text(now))
            await self._write_status(raw, {**raw["status"], **said})
            return None
        channel = ChannelState(meta["name"], meta["uid"], meta["generation"], spec, before, self._own_image)
        step = plan(channel, agents, now)
        self._steps[channel.name] = step
        # What was decided first, then what follows from it: so a wave that is done stays done.
        if await self._write_status(raw, channel_status.status(step, _text(now))):
            for it in channel_status.events(step):
                await self._recorder.emit(CHANNEL.kind, raw, it.severity, it.reason, it.note)
        return await self._assign(step)

    async def _write_status(self, raw: Object, status: Object) -> bool:
        patch = changes(raw["status"], status)
        if not patch:
            return False
        written = await self._cluster.patch_channel_status(raw["metadata"]["name"], patch)
        self._channels.observe(CHANNEL.kind, "MODIFIED", written)
        return True

    async def _assign(self, step: ChannelPlan) -> float | None:
        """Write what agents are given. Returns when to look again."""
        assignments = [(it, channel_use(it, release)) for it, release in step.assignments]
        whole = await asyncio.gather(*(self._write(it.key, it.uid, use) for it, use in assignments))
        waits = [step.requeue_after, *([_RETRY_SECONDS] if not all(whole) else ())]
        return min((wait for wait in waits if wait is not None), default=None)

    async def _write(self, key: Key, uid: str, use: Mapping[str, Any] | None) -> bool:
        """Write status.channel of an agent; False when it must be tried again."""
        try:
            async with self._write_slots:
                self._observed(await self._cluster.patch_status(key, uid, {"channel": use}))
        except ApiError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                self._store.forget(key, uid)
                return True
            extra = {"agent": f"{key.namespace}/{key.name}", "code": error.code, "reason": error.reason}
            log.warning("version not given", extra=extra)
            return error.code == HTTPStatus.UNPROCESSABLE_ENTITY
        return True

    async def _release_orphaned_assignments(self) -> float | None:
        """Take back what was given to agents that follow no channel any more: they must not return to it later."""
        orphaned = [(key, live.uid) for key, (live, _, orphaned) in self._facts.items() if orphaned]
        whole = await asyncio.gather(*(self._write(key, uid, None) for key, uid in orphaned))
        return None if all(whole) else _RETRY_SECONDS

    def _agents(self) -> Iterable[Member]:
        """Yield all agents that follow a channel; only those that changed are read anew."""
        known, self._facts = self._facts, {}
        for key in self._store.agents:
            live = self._store.agent(key)
            if live is None:
                continue
            fact = known.get(key)
            if fact is None or fact[0] is not live:
                raw = live.object
                has_use = "channel" in (raw.get("status") or {})
                leaves = not followed_channel(raw) and not raw["metadata"].get("deletionTimestamp")
                fact = (live, read_member(raw), has_use and leaves)
            self._facts[key] = fact
            if fact[1] is not None:
                yield fact[1]

    async def _relist(self) -> None:
        """Wait until every agent that there is is known, and forget those that are no more.

        Of half a fleet one would say that all are well. And no watch tells who was deleted while it was away.
        """
        while True:
            before = {key: live.uid for key in self._store.agents if (live := self._store.agent(key))}
            try:
                listed = await self._listed()
            except ApiError as error:
                log.warning("agents not listed", extra={"code": error.code, "reason": error.reason})
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for key in before.keys() - listed:
                self._store.forget(key, before[key])
            if all(self._store.agent(key) for key in listed):
                return
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_SECONDS):
                    await self._all_known(listed)

    async def _all_known(self, keys: Iterable[Key]) -> None:
        while not all(self._store.agent(key) for key in keys):
            await self._changed.wait()
            self._changed.clear()

    async def _listed(self) -> set[Key]:
        found = set()
        async for items, _ in self._cluster.list_pages(_AGENTS, constants.KIND, ""):
            found |= {Key(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items}
        return found

    # Metrics

    def counts(self) -> Mapping[tuple[str, str], float]:
        """Count agents by channel and state."""
        found = {name: channel_status.counts(step.channel, step.agents) for name, step in self._steps.items()}
        return {(name, state): number for name, counts in found.items() for state, number in counts.items()}

    def halted(self) -> Mapping[str, float]:
        """Tell which channels are halted."""
        return {name: float(step.halted) for name, step in self._steps.items()}


def _text(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

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
from agent_operator.fleet.channel_cache import Channels
from agent_operator.fleet.members import Agent, agent, follows, use_of
from agent_operator.fleet.wave_plan import Channel, Step, plan
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.objects import Key, Live, Object
from agent_operator.kube.resources import CHANNEL
from agent_operator.kube.transport import ApiError
from agent_operator.status.builder import changes
from agent_runtime.config import explain

log = logging.getLogger(__name__)

_CALM = 0.25
_AFTER_TROUBLE = 2.0
_IN_FLIGHT = 8
# What may have been missed of agents that were deleted is found out this often, while a roll-out waits for somebody.
_CENSUS = 300.0
_AGENTS = f"/apis/{constants.API_VERSION}/{constants.PLURAL}"


class Fleet:
    """Every channel of the cluster, in one loop. `observed` takes in an agent as the API server answered a write."""

    def __init__(  # noqa: PLR0913  (its parts, given once)
        self,
        *,
        channels: Channels,
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
        self._news = asyncio.Event()
        self._room = asyncio.Semaphore(_IN_FLIGHT)
        self._facts: dict[Key, tuple[Live, Agent | None, bool]] = {}
        self._steps: dict[str, Step] = {}

    def wake(self) -> None:
        """Have everything looked at: a channel or an agent changed."""
        self._news.set()

    async def run(self, synced: asyncio.Event) -> None:
        """Lead for ever, once all channels and agents are known."""
        await synced.wait()
        await self._relist()
        while True:
            self._news.clear()
            wait = await self._round()
            # Changes come in crowds; one look does for all.
            await asyncio.sleep(_CALM)
            under_way = any(not step.complete for step in self._steps.values())
            try:
                async with asyncio.timeout(min(wait or _CENSUS, _CENSUS) if under_way else wait):
                    await self._news.wait()
            except TimeoutError:
                if under_way and (wait is None or wait >= _CENSUS):
                    await self._relist()

    async def _round(self) -> float | None:
        """Look at everything once. Returns in how many seconds to do it again though nothing happens."""
        followers: dict[str, list[Agent]] = {}
        for found in self._agents():
            followers.setdefault(found.channel, []).append(found)
        self._steps = {name: step for name, step in self._steps.items() if self._channels.get(name)}
        waits = [await self._release_strays()]
        for raw in self._channels:
            try:
                waits.append(await self._advance(raw, followers.get(raw["metadata"]["name"], ())))
            except ApiError as error:
                extra = {"channel": raw["metadata"]["name"], "code": error.code, "reason": error.reason}
                log.warning("channel not brought on, for the API server is in trouble", extra=extra)
                waits.append(_AFTER_TROUBLE)
            except Exception:
                # One channel's trouble, a bug included, must not stop the others.
                log.exception("channel not brought on", extra={"channel": raw["metadata"]["name"]})
                waits.append(_AFTER_TROUBLE)
        return min((wait for wait in waits if wait is not None), default=None)

    async def _advance(self, raw: Object, agents: Iterable[Agent]) -> float | None:
        """Bring one channel a step on."""
        meta, now = raw["metadata"], self._now()
        before = AgentRuntimeChannelStatus.model_validate(raw["status"])
        try:
            spec = AgentRuntimeChannelSpec.model_validate(raw["spec"])
        except ValidationError as error:
            said = channel_status.refused(meta["name"], meta["generation"], explain(error), before, _text(now))
            await self._write_status(raw, {**raw["status"], **said})
            return None
        channel = Channel(meta["name"], meta["uid"], meta["generation"], spec, before, self._own_image)
        step = plan(channel, agents, now)
        self._steps[channel.name] = step
        # What was decided first, then what follows from it: so a wave that is done stays done.
        if await self._write_status(raw, channel_status.status(step, _text(now))):
            for it in channel_status.news(step):
                await self._recorder.emit(CHANNEL.kind, raw, it.severity, it.reason, it.note)
        return await self._give(step)

    async def _write_status(self, raw: Object, status: Object) -> bool:
        patch = changes(raw["status"], status)
        if not patch:
            return False
        written = await self._cluster.patch_channel_status(raw["metadata"]["name"], patch)
        self._channels.observe(CHANNEL.kind, "MODIFIED", written)
        return True

    async def _give(self, step: Step) -> float | None:
        """Write what agents are given. Returns when to look again."""
        gifts = [(it, use_of(it, release)) for it, release in step.gifts]
        whole = await asyncio.gather(*(self._write(it.key, it.uid, use) for it, use in gifts))
        waits = [step.again, *([_AFTER_TROUBLE] if not all(whole) else ())]
        return min((wait for wait in waits if wait is not None), default=None)

    async def _write(self, key: Key, uid: str, use: Mapping[str, Any] | None) -> bool:
        """Write status.channel of an agent; False when it must be tried again."""
        try:
            async with self._room:
                self._observed(await self._cluster.patch_status(key, uid, {"channel": use}))
        except ApiError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                self._store.forget(key, uid)
                return True
            extra = {"agent": f"{key.namespace}/{key.name}", "code": error.code, "reason": error.reason}
            log.warning("version not given", extra=extra)
            return error.code == HTTPStatus.UNPROCESSABLE_ENTITY
        return True

    async def _release_strays(self) -> float | None:
        """Take back what was given to agents that follow no channel any more: they must not return to it later."""
        strays = [(key, live.uid) for key, (live, _, stray) in self._facts.items() if stray]
        whole = await asyncio.gather(*(self._write(key, uid, None) for key, uid in strays))
        return None if all(whole) else _AFTER_TROUBLE

    def _agents(self) -> Iterable[Agent]:
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
                leaves = not follows(raw) and not raw["metadata"].get("deletionTimestamp")
                fact = (live, agent(raw), has_use and leaves)
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
                await asyncio.sleep(_AFTER_TROUBLE)
                continue
            for key in before.keys() - listed:
                self._store.forget(key, before[key])
            if all(self._store.agent(key) for key in listed):
                return
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_AFTER_TROUBLE):
                    await self._all_known(listed)

    async def _all_known(self, keys: Iterable[Key]) -> None:
        while not all(self._store.agent(key) for key in keys):
            await self._news.wait()
            self._news.clear()

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

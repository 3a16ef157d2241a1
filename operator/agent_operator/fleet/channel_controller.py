"""Reconciles AgentRuntimeChannels: plans each channel, writes its status, and assigns versions to its agents.

The controller can read all its state again from the cluster. It writes assignments to status.channel of the agents,
where the reconcile of each agent reads them. So the operator may stop at any point, and another replica continues.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import ValidationError

from agent_operator.api import constants
from agent_operator.api.v1alpha1.channel import AgentRuntimeChannelSpec, AgentRuntimeChannelStatus
from agent_operator.fleet import channel_status
from agent_operator.fleet.assignment_writer import AssignmentWriter
from agent_operator.fleet.channel_cache import ChannelCache
from agent_operator.fleet.member_index import MemberIndex
from agent_operator.fleet.members import Member, channel_use
from agent_operator.fleet.wave_plan import ChannelPlan, ChannelState, plan
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.objects import Key, Object
from agent_operator.kube.resources import CHANNEL
from agent_operator.kube.transport import ApiError
from agent_operator.status.builder import changes
from agent_operator.tasks import ENDS
from agent_runtime.config import explain

log = logging.getLogger(__name__)

_DEBOUNCE_SECONDS = 0.25
_RETRY_SECONDS = 2.0
# Responses that do not arrive must not stop the other channels. A reconcile continues where the last one ended.
_CHANNEL_SECONDS = 10.0
# While an upgrade is in progress, a relist finds deleted agents whose event the watch missed.
_RELIST_SECONDS = 300.0
_AGENTS = f"/apis/{constants.API_VERSION}/{constants.PLURAL}"


class ChannelController:
    """Reconciles all channels of the cluster in one loop."""

    def __init__(  # noqa: PLR0913  (its parts, given once)
        self,
        *,
        channels: ChannelCache,
        store: Store,
        cluster: Cluster,
        recorder: EventRecorder,
        on_agent_written: Callable[[Object], None],
        default_image: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Create the controller.

        Args:
            channels: cache of the channels.
            store: cache of the agents.
            cluster: client of the API server.
            recorder: emits Events.
            on_agent_written: receives each agent as the API server returned it from a write.
            default_image: repository of the operator's runtime image.
            now: the clock.
        """
        self._channels = channels
        self._store = store
        self._cluster = cluster
        self._recorder = recorder
        self._writer = AssignmentWriter(cluster, store, on_agent_written)
        self._default_image = default_image
        self._now = now
        self._changed = asyncio.Event()
        self._members = MemberIndex(store)
        self._plans: dict[str, ChannelPlan] = {}

    def wake(self) -> None:
        """Reconcile, because a channel or an agent changed."""
        self._changed.set()

    async def run(self, synced: asyncio.Event) -> None:
        """Reconcile until cancelled. Starts when `synced` is set and all agents are cached."""
        await synced.wait()
        await self._relist()
        while True:
            self._changed.clear()
            timeout = await self._reconcile()
            # Changes come in bursts. One reconcile handles a burst.
            await asyncio.sleep(_DEBOUNCE_SECONDS)
            upgrading = any(not channel_plan.complete for channel_plan in self._plans.values())
            relist_is_next = upgrading and (timeout is None or timeout >= _RELIST_SECONDS)
            try:
                async with asyncio.timeout(_RELIST_SECONDS if relist_is_next else timeout):
                    await self._changed.wait()
            except TimeoutError:
                if relist_is_next:
                    await self._relist()

    async def _reconcile(self) -> float | None:
        """Reconcile all channels. Returns the seconds after which to reconcile again, even without a change."""
        members = self._members.refresh()
        self._plans = {name: old for name, old in self._plans.items() if self._channels.get(name)}
        channels = (self._try_reconcile(raw, members.get(raw["metadata"]["name"], ())) for raw in self._channels)
        return _earliest(await asyncio.gather(self._remove_orphaned_assignments(), *channels))

    async def _try_reconcile(self, raw: Object, agents: Iterable[Member]) -> float | None:
        """Reconcile one channel. A failure, even a bug that it triggers, does not stop the others."""
        name = raw["metadata"]["name"]
        try:
            async with asyncio.timeout(_CHANNEL_SECONDS):
                return await self._reconcile_channel(raw, agents)
        except TimeoutError:
            log.warning("channel not reconciled: no response from the API server", extra={"channel": name})
        except ApiError as error:
            extra = {"channel": name, "code": error.code, "reason": error.reason}
            log.warning("channel not reconciled, because the API server returned an error", extra=extra)
        except ENDS:
            raise
        except BaseException:
            log.exception("channel not reconciled", extra={"channel": name})
        return _RETRY_SECONDS

    async def _reconcile_channel(self, raw: Object, agents: Iterable[Member]) -> float | None:
        meta, now = raw["metadata"], self._now()
        before = AgentRuntimeChannelStatus.model_validate(raw["status"])
        try:
            spec = AgentRuntimeChannelSpec.model_validate(raw["spec"])
        except ValidationError as error:
            invalid = channel_status.invalid_spec(meta["name"], meta["generation"], explain(error), before, _text(now))
            await self._write_status(raw, {**raw["status"], **invalid})
            return None
        channel = ChannelState(meta["name"], meta["uid"], meta["generation"], spec, before, self._default_image)
        # Plans 20,000 agents in a quarter of a second, in which the other tasks continue.
        channel_plan = await asyncio.to_thread(plan, channel, agents, now)
        self._plans[channel.name] = channel_plan
        # Write the status before the assignments: if the operator crashes between these writes, the next reconcile
        # writes the assignments again.
        if await self._write_status(raw, channel_status.status(channel_plan, _text(now))):
            for event in channel_status.events(channel_plan):
                await self._recorder.emit(CHANNEL.kind, raw, event.severity, event.reason, event.note)
        return await self._assign(channel_plan)

    async def _write_status(self, raw: Object, status: Object) -> bool:
        """Patch the status of a channel if it changed. Returns whether it did."""
        patch = changes(raw["status"], status)
        if not patch:
            return False
        written = await self._cluster.patch_channel_status(raw["metadata"]["name"], patch)
        self._channels.observe(CHANNEL.kind, "MODIFIED", written)
        return True

    async def _assign(self, channel_plan: ChannelPlan) -> float | None:
        """Write the assignments of a plan. Returns the seconds after which to reconcile again."""
        uses = [(agent.key, agent.uid, channel_use(agent, release)) for agent, release in channel_plan.assignments]
        return _earliest([channel_plan.requeue_after, await self._writer.write(uses)])

    async def _remove_orphaned_assignments(self) -> float | None:
        """Remove assignments of agents that follow no channel.

        Otherwise, an agent that follows the channel again would use its old assignment.
        """
        return await self._writer.write([(key, uid, None) for key, uid in self._members.orphaned()])

    async def _relist(self) -> None:
        """Wait until all listed agents are cached, and forget cached agents that are not listed.

        A partial cache would report the fleet as healthy, and the watch reports no deletions from before it started.
        """
        while True:
            before = {key: live.uid for key in self._store.agents if (live := self._store.agent(key))}
            try:
                listed = await self._list_agents()
            except ApiError as error:
                log.warning("agents not listed", extra={"code": error.code, "reason": error.reason})
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for key in before.keys() - listed:
                self._store.forget(key, before[key])
            if self._are_cached(listed):
                return
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_SECONDS):
                    await self._wait_until_cached(listed)

    def _are_cached(self, keys: Iterable[Key]) -> bool:
        return all(self._store.agent(key) for key in keys)

    async def _wait_until_cached(self, keys: Iterable[Key]) -> None:
        while not self._are_cached(keys):
            await self._changed.wait()
            self._changed.clear()

    async def _list_agents(self) -> set[Key]:
        found = set()
        async for items, _ in self._cluster.list_pages(_AGENTS, constants.KIND, "", metadata_only=True):
            found |= {Key(item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in items}
        return found

    def agent_counts(self) -> Mapping[tuple[str, str], float]:
        """Return the value of agent_operator_channel_agents by channel and state."""
        by_channel = {name: channel_status.counts(it.channel, it.agents) for name, it in self._plans.items()}
        return {(name, state): number for name, counts in by_channel.items() for state, number in counts.items()}

    def halted_channels(self) -> Mapping[str, float]:
        """Return the value of agent_operator_channel_halted by channel: 1 while it is halted, or 0."""
        return {name: float(channel_plan.halted) for name, channel_plan in self._plans.items()}


def _earliest(waits: Iterable[float | None]) -> float | None:
    return min((wait for wait in waits if wait is not None), default=None)


def _text(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""One pass over one agent: gather, validate, render, plan the rollout, diff, apply, report.

The pass is level-triggered: it looks only at the present state. Between passes the operator remembers nothing but
caches, and every write is idempotent. So a pass may be interrupted after any write, and the next one, in this process
or in another, continues.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from agent_operator.api.problems import Problem
from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from agent_operator.reconcile.apply import Applier, ApplyResult
from agent_operator.reconcile.body_reader import BodyReader, large
from agent_operator.reconcile.children import ChildPlanner
from agent_operator.reconcile.context import ReconcileContext, Result, start_pass, with_children
from agent_operator.reconcile.dry_run import DryRun
from agent_operator.reconcile.gather import Gatherer
from agent_operator.reconcile.report import Reporter, summarize
from agent_operator.reconcile.unreadable_agent import UnreadableAgentReporter


class Reconciler:
    """Brings the children of agents to what the specs say. With a dry run, nothing is written."""

    def __init__(  # noqa: PLR0913  (the stages)
        self,
        *,
        store: Store,
        gatherer: Gatherer,
        planner: ChildPlanner,
        applier: Applier,
        reporter: Reporter,
        bodies: BodyReader,
        unreadable: UnreadableAgentReporter,
        finalize: Callable[[ReconcileContext], Awaitable[bool]],
        now: Callable[[], str],
        manage_namespaces: bool,
        dry_run: DryRun | None = None,
    ) -> None:
        self._store = store
        self._gatherer = gatherer
        self._planner = planner
        self._applier = applier
        self._reporter = reporter
        self._bodies = bodies
        self._unreadable = unreadable
        self._clean_up = finalize
        self._now = now
        self._manage_namespaces = manage_namespaces
        self._dry_run = dry_run

    async def reconcile(self, key: Key) -> Result:
        """Do one pass.

        A problem of one stage leaves the results of the later stages empty, and the report describes it.

        Raises:
            StaleCacheError: the cache is behind the cluster. Nothing is reported.
            ApiError: not even the status could be written.
        """
        agent = self._store.agent(key)
        if agent is None:
            return Result()
        if agent.is_partial:
            agent = await self._bodies.read_agent(key, agent)
        children = self._store.children(key)
        context = start_pass(key, agent, children, self._now(), manage_namespaces=self._manage_namespaces)
        if context.is_deleted:
            return await self._finalize(context)
        if agent.unreadable:
            if self._dry_run is None:
                await self._unreadable.report(context, agent.unreadable)
            return Result()
        return await self._bring_to_spec(key, context)

    async def _bring_to_spec(self, key: Key, context: ReconcileContext) -> Result:
        if any(live.is_partial for live in context.children.values()):
            read = await self._bodies.read(key, context.children, large(context.children))
            context = with_children(context, read)
        gathered = await self._gatherer.gather(context)
        await _pause(context)
        rendered = self._planner.validate_and_render(gathered)
        await _pause(context)
        rollout = await self._planner.plan_rollout(context, gathered, rendered)
        if any(live.is_partial for live in context.children.values()):
            gathered = replace(gathered, live=await self._bodies.read(key, gathered.live, rollout.desired))
        await _pause(context)
        diff = self._planner.diff(context, gathered, rendered, rollout)
        await _pause(context)
        if self._dry_run is not None:
            self._dry_run.note_changes(key, diff.changes)
            return summarize(gathered, diff, ApplyResult(context, gathered.live))
        applied = await self._applier.apply(context, gathered.live, diff)
        await _pause(context)
        return await self._reporter.report(gathered, diff, applied)

    async def report_error(self, key: Key, problem: Problem) -> None:
        """Report a pass that raised an error, without a look at what the pass works on.

        Raises:
            ApiError: the status cannot be written.
        """
        agent = self._store.agent(key)
        if agent is not None and self._dry_run is None:
            await self._reporter.report_error(ReconcileContext(key, agent.object, {}, self._now()), problem)

    async def report_expense(self, key: Key, seconds: float) -> None:
        """Emit an Event about a pass that took this CPU time."""
        agent = self._store.agent(key)
        if agent is not None and self._dry_run is None:
            await self._reporter.report_expense(agent.object, seconds)

    async def _finalize(self, context: ReconcileContext) -> Result:
        if self._dry_run is not None:
            self._dry_run.note_deletion(context.key, context.agent)
            return Result()
        self._planner.forget(context.uid)
        return Result(incomplete=not await self._clean_up(context))


async def _pause(context: ReconcileContext) -> None:
    """Let the event loop run between two stages over large objects."""
    if context.is_large:
        await asyncio.sleep(0)

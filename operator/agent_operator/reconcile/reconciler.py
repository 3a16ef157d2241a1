"""One pass over one agent: gather, validate, render, plan the rollout, diff, apply, report.

The pass is level-triggered: it looks only at the present state. Between passes the operator remembers nothing but
caches, and every write is idempotent. So a pass may be interrupted after any write, and the next one, in this process
or in another, continues.
"""

from collections.abc import Awaitable, Callable

from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from agent_operator.reconcile.apply import Applier, ApplyResult
from agent_operator.reconcile.children import ChildPlanner
from agent_operator.reconcile.context import ReconcileContext, Result, start_pass
from agent_operator.reconcile.dry_run import DryRun
from agent_operator.reconcile.gather import Gatherer
from agent_operator.reconcile.report import Reporter, summarize


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
        finalize: Callable[[ReconcileContext], Awaitable[bool]],
        now: Callable[[], str],
        dry_run: DryRun | None = None,
    ) -> None:
        self._store = store
        self._gatherer = gatherer
        self._planner = planner
        self._applier = applier
        self._reporter = reporter
        self._clean_up = finalize
        self._now = now
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
        context = start_pass(key, agent, self._store.children(key), self._now())
        if context.is_deleted:
            return await self._finalize(context)
        gathered = await self._gatherer.gather(context)
        rendered = self._planner.validate_and_render(gathered)
        rollout = await self._planner.plan_rollout(context, gathered, rendered)
        diff = self._planner.diff(context, gathered, rendered, rollout)
        if self._dry_run is not None:
            self._dry_run.note_changes(key, diff.changes)
            return summarize(gathered, diff, ApplyResult(context, gathered.live))
        applied = await self._applier.apply(context, gathered.live, diff)
        return await self._reporter.report(gathered, diff, applied)

    async def _finalize(self, context: ReconcileContext) -> Result:
        if self._dry_run is not None:
            self._dry_run.note_deletion(context.key, context.agent)
            return Result()
        self._planner.forget(context.uid)
        return Result(incomplete=not await self._clean_up(context))

"""One pass over one agent: gather → render → plan → apply → report. Level-triggered: only the present counts.

Nothing is remembered between passes but caches, and every write is idempotent; so a pass may be cut off after any
write, and the next one, in this process or another, goes on.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from http import HTTPStatus

from agent_operator.api import constants
from agent_operator.api.problems import ProblemError
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import RolloutStatus
from agent_operator.fleet.version_resolver import VersionDecision
from agent_operator.inputs import secret_problems
from agent_operator.inputs.agent_inputs import Inputs, Platform
from agent_operator.inputs.gather import References
from agent_operator.inputs.own_secrets import OwnSecrets
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.objects import Key, Object, Ref, ref, version
from agent_operator.kube.resources import FOUNDATIONS
from agent_operator.kube.transport import ApiError
from agent_operator.reconcile.apply import Applier
from agent_operator.reconcile.context import Outcome, Pass, parse, warnings, where_they_belong
from agent_operator.reconcile.dry_run import Preview, of_end, of_plan
from agent_operator.render.cache import Renderer
from agent_operator.render.plan import plan
from agent_operator.rollout import deployments
from agent_operator.rollout.planner import RolloutPlan, RolloutPlanner
from agent_operator.rollout.state_machine import must_persist_first
from agent_operator.status.builder import changes, first_failure, own, pods, status
from agent_operator.status.observed import Facts
from agent_operator.status.problems import Blocked, Stale, from_api, namespace_not_watched
from agent_operator.validation import workload_identity

log = logging.getLogger(__name__)

# A new agent hears of its channel by a watch; this is for the case that the channel halts meanwhile.
_PENDING_SECONDS = 5.0


class Reconciler:
    """Brings agents to what their specs say."""

    def __init__(  # noqa: PLR0913  (its parts, given once)
        self,
        *,
        store: Store,
        cluster: Cluster,
        references: References,
        own_secrets: OwnSecrets,
        recorder: EventRecorder,
        served: Callable[[str], str | None],
        platform: Platform,
        planner: RolloutPlanner,
        resolve_version: Callable[[Object], VersionDecision],
        namespaces: Collection[str],
        now: Callable[[], str],
        preview: Preview | None = None,
    ) -> None:
        """With a preview nothing is written: a pass ends when it knows what it would do."""
        self._store = store
        self._cluster = cluster
        self._references = references
        self._own_secrets = own_secrets
        self._recorder = recorder
        self._served = served
        self._platform = platform
        self._planner = planner
        self._resolve_version = resolve_version
        self._namespaces = namespaces
        self._now = now
        self._preview = preview
        self._renderer = Renderer()
        self._applier = Applier(store, cluster, own_secrets, served)

    async def reconcile(self, key: Key) -> Outcome:
        """Do one pass; ApiError only when not even the status could be written."""
        agent = self._store.agent(key)
        if agent is None:
            return Outcome()
        raw = agent.object
        if raw["metadata"].get("deletionTimestamp"):
            return await self._finish(key, raw)
        facts = Facts(
            generation=raw["metadata"].get("generation", 0),
            suspended=bool(raw["spec"].get("suspend")),
            rollout=RolloutStatus.model_validate((raw.get("status") or {}).get("rollout") or {}),
        )
        this = Pass(key, raw, where_they_belong(raw, key, self._store.children(key)), facts)
        try:
            await self._converge(this)
        except Stale:
            # What was decided on is old, and a status made of it would be, too. The news is on its way.
            return replace(this.outcome, failed=True)
        if self._preview is not None:
            self._preview.note(key, of_plan(this.todo))
            return this.outcome
        return await self._report(this)

    async def _finish(self, key: Key, raw: Object) -> Outcome:
        if self._preview is not None:
            self._preview.note(key, of_end(raw))
            return Outcome()
        self._planner.forget(raw["metadata"]["uid"])
        manage = self._platform.manage_namespaces
        return Outcome(failed=not await self._applier.finish(key, raw, manage_namespaces=manage))

    async def _converge(self, this: Pass) -> None:
        """Make it so, as far as possible; what stands in the way becomes a fact. Stale when it is not known."""
        try:
            secret = await self._own_secrets.get(this.key, this.raw)
            this.live |= secret or {}
            this.outcome = replace(this.outcome, refers=secret is not None)
            if not this.facts.suspended:
                await self._apply(this, await self._gather(this))
        except ProblemError as error:
            this.facts = replace(this.facts, invalid=error.problem)
            this.outcome = replace(this.outcome, failed=error.problem.retry)
        except Blocked as error:
            this.facts = replace(this.facts, blocked=error.problem)
            pending = error.problem.reason is Reason.CHANNEL_PENDING
            this.outcome = replace(this.outcome, failed=not pending, wait=_PENDING_SECONDS if pending else None)
        except ApiError as error:
            this.facts = replace(this.facts, blocked=from_api(error))
            this.outcome = replace(this.outcome, failed=True)

    async def _gather(self, this: Pass) -> Inputs:
        agent = parse(this.raw)
        guidance = self._resolve_version(this.raw)
        if guidance.pending:
            raise Blocked(guidance.pending)
        secrets_version = self._served("ExternalSecret") or ""
        found = await self._references.gather(
            agent,
            replace(self._platform, external_secrets_version="v1beta1" if secrets_version.endswith("beta1") else "v1"),
            guidance.assigned,
        )
        trouble = secret_problems.sync_problem(found.inputs, this.live, served=bool(secrets_version))
        secrets = found.secrets and (trouble or found.secrets)
        # What was synced once goes on serving when External Secrets fails later; but it must be told.
        stale = (trouble,) if trouble and not secrets else ()
        signing_in = (
            workload_identity.preflight(found.inputs, pods(this.live), found.account) if agent.spec.identity else ()
        )
        told = (*stale, *signing_in, *((guidance.warning,) if guidance.warning else ()))
        this.facts = replace(this.facts, uses_secrets=found.uses_secrets, secrets=secrets, warnings=told)
        refers = found.refers or this.outcome.refers
        this.outcome = replace(this.outcome, refers=refers, failed=found.secrets is not None)
        return found.inputs

    async def _apply(self, this: Pass, inputs: Inputs) -> None:
        if inputs.spec.namespace and self._namespaces and inputs.namespace not in self._namespaces:
            raise Blocked(namespace_not_watched(inputs.namespace))
        rendered = self._renderer.render(inputs)
        rollout_plan = await self._planner.plan(inputs, rendered, this.raw, this.live, self._now())
        # Without its credentials an agent cannot start: lay the ground, and leave what runs as it is.
        ready = this.facts.secrets is None
        if ready:
            await self._decided(this, rollout_plan)
        rendered = rollout_plan.manifests.rendered if ready else rendered
        served = tuple(manifest for manifest in rendered.manifests if self._served(manifest["kind"]))
        missing = {manifest["kind"] for manifest in rendered.manifests} - {manifest["kind"] for manifest in served}
        this.rendered = replace(rendered, manifests=served)
        this.facts = replace(this.facts, warnings=(*this.facts.warnings, *warnings(inputs, missing)))
        desired = [m for m in served if ready or m["kind"] in FOUNDATIONS]
        held = {ref(manifest["kind"], manifest) for manifest in rendered.manifests} | rollout_plan.manifests.retained
        held |= set() if ready else {target for target in this.live if target.kind not in FOUNDATIONS}
        this.todo = todo = plan(desired, this.live, this.raw["metadata"]["uid"], held=held)
        if self._preview is not None:
            return
        await self._applier.carry_out(this.key, this.raw, todo, this.live)
        if todo.conflict:
            raise Blocked(todo.conflict)
        this.facts = replace(this.facts, applied=ready)

    async def _decided(self, this: Pass, rollout_plan: RolloutPlan) -> None:
        """Take in a decision; write down first what must not be forgotten when it is acted on."""
        this.facts = replace(this.facts, rollout=rollout_plan.after)
        this.outcome = replace(this.outcome, wait=rollout_plan.requeue_after)
        this.refusal = rollout_plan.refusal
        if self._preview is not None or not must_persist_first(rollout_plan.before, rollout_plan.after):
            return
        await self._applier.make_sure_of(this.key, this.raw)
        before = this.raw.get("status") or {}
        after = before | {"rollout": rollout_plan.after.model_dump(mode="json", by_alias=True, exclude_none=True)}
        written = await self._cluster.patch_status(this.key, this.raw["metadata"]["uid"], changes(before, after))
        self._store.expect_write(this.key, Ref(constants.KIND, *this.key), version(written))
        # As the server has it: a CustomResourceDefinition that is behind drops what it does not know.
        this.raw = this.raw | {"status": written.get("status") or {}}

    async def _report(self, this: Pass) -> Outcome:
        uid = this.raw["metadata"]["uid"]
        live = own(this.live, uid)
        stable, canary = deployments.stable_and_canary(this.live, this.key.name)
        running = pods(this.live)
        facts = replace(this.facts, deployment=stable, canary=canary, failure=first_failure(running), pods=running)
        before = this.raw.get("status") or {}
        after = status(facts, before, live, this.rendered, name=this.key.name, now=self._now())
        patch = changes(before, after)
        if patch:
            try:
                patched = await self._cluster.patch_status(this.key, uid, patch)
            except ApiError as error:
                if error.code in (404, 409, 422):
                    # Deleted, or made anew: the watch will say so. But a conflict may be one of many writers, too.
                    log.info("status not written", extra={"agent": str(this.key), "code": error.code})
                    return replace(this.outcome, failed=this.outcome.failed or error.code == HTTPStatus.CONFLICT)
                raise
            self._store.expect_write(this.key, Ref(constants.KIND, *this.key), version(patched))
        await self._tell(this, before, after)
        return replace(this.outcome, wrote=bool(patch))

    async def _tell(self, this: Pass, before: Object, after: Object) -> None:
        await self._recorder.record(this.raw, before.get("conditions") or (), after["conditions"])
        if this.refusal:
            await self._recorder.emit(constants.KIND, this.raw, "Warning", Reason.COMMAND_REFUSED, this.refusal)
        command = (this.raw["metadata"].get("annotations") or {}).get(constants.ANNOTATION_ROLLOUT)
        if command and this.facts.applied and this.facts.rollout.command == command:
            # Carried out, and on record as such; should it come back, it is a new wish.
            await self._cluster.remove_command(this.key, command)

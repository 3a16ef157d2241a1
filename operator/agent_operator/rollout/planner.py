"""Plans the rollout of an agent: reads what a decision needs, decides, and composes the manifests of each revision."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

from agent_operator.api import bounds, constants
from agent_operator.api.problems import Problem
from agent_operator.api.v1alpha1.rollout import CanaryStatus, Rollout, RolloutStatus
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Live, Object, Ref, pack, ref
from agent_operator.kube.transport import ApiError
from agent_operator.render import Rendered, Revision
from agent_operator.render.plan import owner_of
from agent_operator.rollout import checks_job, checks_result, deployments, revisions
from agent_operator.rollout.analysis import thresholds
from agent_operator.rollout.analysis.client import Scraper, ScrapeResult, ScrapeTarget
from agent_operator.rollout.analysis.window import AnalysisWindows, MeasuredStep
from agent_operator.rollout.commands import Command, refusal
from agent_operator.rollout.manifests import RolloutManifests, compose, required_revisions
from agent_operator.rollout.rollout_inputs import CanaryPhase, RolloutInputs
from agent_operator.rollout.state_machine import decide, requeue_after
from agent_operator.status.builder import pods
from agent_operator.status.observed import Pods

# The stable Deployment and that of the canary, trimmed.
Deployments = tuple[Object | None, Object | None]
_CACHED_REVISIONS = 64
# A revision with a larger config is read in each pass that needs it, so that the cache needs little memory.
_MAX_CACHED_CHARS = 128 * 1024
# A sample of this many pods is enough for an analysis.
_SCRAPED_PODS = 20


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """The result of a rollout decision.

    Attributes:
        manifests: the manifests to apply, and the objects to leave alone.
        before: status.rollout before the decision.
        after: status.rollout after the decision.
        requeue_after: seconds after which to reconcile, even without a change; None if only a change matters.
        refusal: why a rollout command cannot be carried out; empty if no command was refused.
        warnings: stored revisions that are not used.
    """

    manifests: RolloutManifests
    before: RolloutStatus
    after: RolloutStatus
    requeue_after: float | None = None
    refusal: str = ""
    warnings: tuple[Problem, ...] = ()


class RolloutPlanner:
    """Plans rollouts. Keeps the windows of running analyses, and a cache of revisions."""

    def __init__(self, cluster: Cluster, scraper: Scraper, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._scraper = scraper
        self._windows = AnalysisWindows(clock)
        # By UID and resourceVersion of the ControllerRevision; least recently used first.
        self._revisions: OrderedDict[str, Revision] = OrderedDict()

    def forget(self, uid: str) -> None:
        """Drop the cached data of a deleted agent."""
        self._windows.forget(uid)

    async def plan(
        self, inputs: Inputs, rendered: Rendered, agent: Object, live: Mapping[Ref, Live], now: str
    ) -> RolloutPlan:
        """Plan the rollout of an agent.

        Args:
            inputs: what the agent is rendered from.
            rendered: the manifests of the current spec.
            agent: the AgentDeployment.
            live: its live children and pods, trimmed.
            now: RFC 3339 in UTC.

        Raises:
            ApiError: a ControllerRevision or the pods of the checks cannot be read.
        """
        before = RolloutStatus.model_validate((agent.get("status") or {}).get("rollout") or {})
        # Parsed once, because others may enlarge a Deployment.
        running = deployments.stable_and_canary(live, owner_of(inputs))
        live = await self._with_running_revisions(inputs, live, running)
        observed = _observe(inputs, rendered.revision, agent, live, running, now)
        if observed.checks is not None and not observed.checks.is_reported:
            observed = replace(observed, checks=await self._read_checks(inputs, observed.target, live))
        observed = await self._analyse(inputs, observed, before.canary, live)
        after, contents, unusable = await self._decide(inputs, rendered, observed, before, live)
        if unusable:
            observed = _without_records(observed, unusable)
        if before.canary is not None and after.canary is None:
            self._windows.forget(inputs.agent.metadata.uid)
        canary = contents.get(after.canary.revision) if after.canary else None
        checks = checks_job.manifests(inputs, canary) if canary else ()
        manifests = compose(inputs, rendered, observed, after, contents, checks=checks)
        refused = refusal(observed, before) if observed.command and observed.command != before.command else ""
        plan = RolloutPlan(manifests, before, after, requeue_after(observed, after), refused)
        if unusable:
            warnings = tuple(revisions.forged(_record_ref(inputs, name)) for name in sorted(unusable))
            plan = replace(plan, warnings=warnings)
        return plan

    async def _decide(
        self,
        inputs: Inputs,
        rendered: Rendered,
        observed: RolloutInputs,
        before: RolloutStatus,
        live: Mapping[Ref, Live],
    ) -> tuple[RolloutStatus, dict[str, Revision], frozenset[str]]:
        """Return the decision, the revisions that it needs, and the names of stored ones with other content.

        The content of a record is read only if a decision needs it. If it is not usable, decide again without it.
        """
        unusable: frozenset[str] = frozenset()
        while True:
            usable = _without_records(observed, unusable) if unusable else observed
            after = decide(usable, before)
            needed = required_revisions(usable, after) - unusable
            contents = await self._read(inputs, live, needed, rendered.revision)
            missing = needed - contents.keys()
            if missing:
                missing = frozenset(name for name in missing if _record_ref(inputs, name) in live)
            if not missing:
                return after, contents, unusable
            unusable |= missing

    async def _with_running_revisions(
        self, inputs: Inputs, live: Mapping[Ref, Live], running: Deployments
    ) -> Mapping[Ref, Live]:
        """Add the ControllerRevisions of running pods that the watch has not shown, because it was interrupted.

        Without its record, a revision that an upgrade has just started would give way to the one before.
        """
        names = {deployments.running_revision(it) for it in running}
        unseen = [target for name in names - {""} if (target := _record_ref(inputs, name)) not in live]
        found = {target: await self._cluster.find(target, "apps/v1") for target in unseen}
        return {**live, **{target: pack(target.kind, obj) for target, obj in found.items() if obj is not None}}

    async def _read_checks(
        self, inputs: Inputs, target: str, live: Mapping[Ref, Live]
    ) -> checks_result.ChecksResult | None:
        """Return the result of the checks with the pods of their Job, because the watch of pods may lag behind."""
        selector = f"{checks_job.LABEL_JOB}={checks_job.job_name(inputs, target)}"
        found = await self._cluster.list_in("Pod", inputs.namespace, selector)
        read = {ref("Pod", pod): pack("Pod", pod) for pod in found}
        return checks_result.find_result({**live, **read}, inputs, target)

    async def _analyse(
        self, inputs: Inputs, observed: RolloutInputs, canary: CanaryStatus | None, live: Mapping[Ref, Live]
    ) -> RolloutInputs:
        """Add the analysis of the running canary step, which compares the metrics of canary pods and stable pods."""
        if canary is None or canary.revision != observed.target:
            return observed
        if canary.phase not in (CanaryPhase.WATCHING, CanaryPhase.PAUSED):
            return observed
        targets = [_scrape_targets(live, app) for app in (constants.canary(inputs.name), inputs.name)]
        scraped = await self._scraper.scrape([target for group in targets for target in group])
        of_canary, of_stable = (scraped.of(group) for group in targets)
        step = MeasuredStep(canary.revision, canary.step)
        metrics = self._windows.observe(inputs.agent.metadata.uid, step, of_canary, of_stable)
        gates = observed.rollout.canary.gates if observed.rollout.canary else None
        analysis = thresholds.analyse(metrics.canary, metrics.stable, gates)
        if not of_canary and scraped.failures:
            analysis = replace(analysis, message=f"{analysis.message}: {_first_failure(scraped)}")
        return replace(observed, analysis=analysis, elapsed=metrics.seconds)

    async def _read(
        self, inputs: Inputs, live: Mapping[Ref, Live], names: frozenset[str], rendered: Revision
    ) -> dict[str, Revision]:
        """Return revisions by name. Leaves out those whose ControllerRevision is gone or has unexpected content."""
        found = {rendered.name: rendered} if rendered.name in names else {}
        for name in names - found.keys():
            target = _record_ref(inputs, name)
            if target in live:
                revision = await self._read_one(target, live[target], inputs.name)
            else:
                # The name of a revision is the hash of its content, so the cache is right even for a deleted object.
                revision = next((cached for cached in self._revisions.values() if cached.name == name), None)
            if revision is not None:
                found[name] = revision
        return found

    async def _read_one(self, target: Ref, live: Live, agent: str) -> Revision | None:
        # The API server lets nobody change the data of a ControllerRevision, but everything else.
        key = f"{live.uid}/{live.version}"
        revision = self._revisions.pop(key, None)
        if revision is None:
            obj = await self._cluster.find(target, "apps/v1")
            if obj is None:
                # One of them is stale. A decision without the revision would refuse a rollback, or end a canary.
                raise ApiError(HTTPStatus.NOT_FOUND, "NotFound", f"{target} is only in the cache")
            revision = revisions.read_controller_revision(obj, agent)
        if revision is not None and sum(map(len, revision.config.values())) <= _MAX_CACHED_CHARS:
            self._revisions[key] = revision
            if len(self._revisions) > _CACHED_REVISIONS:
                self._revisions.popitem(last=False)
        return revision


def _record_ref(inputs: Inputs, revision: str) -> Ref:
    return Ref("ControllerRevision", inputs.namespace, constants.revision(inputs.name, revision))


def _without_records(observed: RolloutInputs, names: frozenset[str]) -> RolloutInputs:
    """Return the inputs of a decision without these records."""
    return replace(observed, records=tuple(record for record in observed.records if record.name not in names))


def _observe(
    inputs: Inputs, rendered: Revision, agent: Object, live: Mapping[Ref, Live], running: Deployments, now: str
) -> RolloutInputs:
    spec_hash = revisions.spec_hash(inputs)
    inputs_hash = revisions.inputs_hash(spec_hash, inputs.assigned)
    owner = owner_of(inputs)
    records = revisions.list_records(live, owner)
    command = (agent["metadata"].get("annotations") or {}).get(constants.ANNOTATION_ROLLOUT, "")[: bounds.COMMAND]
    is_upgrade = command == Command.UPGRADE
    target = rendered.name if is_upgrade else revisions.target_revision(rendered.name, inputs_hash, records)
    stable, canary = running
    return RolloutInputs(
        target=target,
        inputs_hash=inputs_hash,
        spec_hash=spec_hash,
        now=now,
        rollout=inputs.spec.rollout or Rollout(),
        records=records,
        last_good=(agent.get("status") or {}).get("lastGoodRevision"),
        running_revision=deployments.running_revision(stable),
        stable=Pods.of(stable),
        canary=Pods.of(canary) if deployments.running_revision(canary) == target else Pods(),
        live_canary=Pods.of(canary),
        min_serving=inputs.fewest_replicas,
        no_room=deployments.lack_of_room(pods(live), stable, canary),
        failures=deployments.revision_failures(
            pods(live), stable, canary, reported=(agent.get("status") or {}).get("lastFailure")
        ),
        checks=checks_result.find_result(live, inputs, target) if inputs.has_canary else None,
        has_checks=inputs.has_canary and checks_job.has_checks(inputs),
        command=command,
    )


def _scrape_targets(live: Mapping[Ref, Live], app: str) -> list[ScrapeTarget]:
    """Return the running pods with this label `app`, which tells canary pods from stable ones."""
    running = (pod for pod in pods(live) if pod.get("app") == app and not pod.get("ended") and pod.get("ip"))
    return [ScrapeTarget(pod["metadata"]["name"], pod["ip"]) for pod in running][:_SCRAPED_PODS]


def _first_failure(scraped: ScrapeResult) -> str:
    name, message = min(scraped.failures.items())
    return f"pod {name} {message}"

"""Steers the rollout of an agent: reads what deciding needs, and decides. All the IO there is in rollouts."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from agent_operator.api import constants
from agent_operator.api.v1alpha1.rollout import Rollout, RolloutStatus
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Live, Object, Ref
from agent_operator.render import Rendered, Revision
from agent_operator.rollout import checks_job, deployments, revisions
from agent_operator.rollout.analysis import thresholds
from agent_operator.rollout.analysis.client import Scraper, ScrapeTarget
from agent_operator.rollout.analysis.window import AnalysisWindows, MeasuredStep, StepMetrics
from agent_operator.rollout.commands import Command, refusal
from agent_operator.rollout.manifests import RolloutManifests, compose, required_revisions
from agent_operator.rollout.state import CanaryPhase, RolloutInputs
from agent_operator.rollout.state_machine import decide, requeue_after
from agent_operator.status.builder import pods
from agent_operator.status.observed import Pods

_REMEMBERED = 64
# So many pods tell as much as all.
_ASKED = 20


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """What is to be done.

    Attributes:
        manifests: the manifests, and what is to be left alone.
        before: where the rollout stood.
        after: where it stands.
        requeue_after: seconds until to look again though nothing happens; None: not at all.
        refusal: why a person's command cannot be carried out.
    """

    manifests: RolloutManifests
    before: RolloutStatus
    after: RolloutStatus
    requeue_after: float | None = None
    refusal: str = ""


class RolloutPlanner:
    """Decides on rollouts."""

    def __init__(self, cluster: Cluster, scraper: Scraper, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._scraper = scraper
        self._windows = AnalysisWindows(clock)
        # Content of ControllerRevisions by uid; it never changes.
        self._contents: OrderedDict[str, Revision] = OrderedDict()

    def forget(self, uid: str) -> None:
        """Forget an agent that is gone."""
        self._windows.forget(uid)

    async def plan(
        self, inputs: Inputs, rendered: Rendered, agent: Object, live: Mapping[Ref, Live], now: str
    ) -> RolloutPlan:
        """Decide on an agent's rollout; ApiError when a revision cannot be read."""
        before = RolloutStatus.model_validate((agent.get("status") or {}).get("rollout") or {})
        fresh = rendered.revision
        seen = self._seen(inputs, fresh, agent, live, now)
        if before.canary is not None and before.canary.phase in (CanaryPhase.WATCHING, CanaryPhase.PAUSED):
            seen = await self._watch(inputs, seen, before, live)
        after = decide(seen, before)
        if before.canary is not None and after.canary is None:
            self._windows.forget(inputs.agent.metadata.uid)
        contents = await self._read(inputs, live, required_revisions(seen, after), fresh)
        canary = contents.get(after.canary.revision) if after.canary else None
        job = checks_job.manifests(inputs, canary) if canary else ()
        composed = compose(inputs, rendered, seen, after, contents, checks=job)
        said = refusal(seen, before) if seen.command and seen.command != before.command else ""
        return RolloutPlan(composed, before, after, requeue_after(seen, after), said)

    def _seen(
        self, inputs: Inputs, fresh: Revision, agent: Object, live: Mapping[Ref, Live], now: str
    ) -> RolloutInputs:
        asked = revisions.spec_hash(inputs)
        made_from = revisions.inputs_hash(asked, inputs.assigned)
        known = revisions.list_records(live, inputs.name, inputs.agent.metadata.uid)
        command = (agent["metadata"].get("annotations") or {}).get(constants.ANNOTATION_ROLLOUT, "")
        upgrade = command == Command.UPGRADE
        stable, canary = deployments.stable_and_canary(live, inputs.name)
        target = fresh.name if upgrade else revisions.target_revision(fresh.name, made_from, known)
        return RolloutInputs(
            target=target,
            inputs_hash=made_from,
            spec_hash=asked,
            now=now,
            rollout=inputs.spec.rollout or Rollout(),
            records=known,
            last_good=(agent.get("status") or {}).get("lastGoodRevision"),
            running_revision=deployments.running_revision(stable),
            stable=Pods.of(stable),
            canary=Pods.of(canary) if deployments.running_revision(canary) == target else Pods(),
            failures=deployments.revision_failures(pods(live), stable, canary),
            checks=checks_job.checks_result(live, inputs, target) if inputs.has_canary else None,
            has_checks=inputs.has_canary and checks_job.has_checks(inputs),
            command=command,
        )

    async def _watch(
        self, inputs: Inputs, seen: RolloutInputs, before: RolloutStatus, live: Mapping[Ref, Live]
    ) -> RolloutInputs:
        """Look at what the pods have answered since the step began."""
        canary = before.canary
        if canary is None or canary.revision != seen.target:
            return seen
        by_app: dict[str, list[ScrapeTarget]] = {}
        for pod in pods(live):
            if not pod.get("ended") and pod.get("ip"):
                by_app.setdefault(pod.get("app", ""), []).append(ScrapeTarget(pod["metadata"]["name"], pod["ip"]))
        groups = [by_app.get(app, [])[:_ASKED] for app in (constants.canary(inputs.name), inputs.name)]
        scraped = await self._scraper.scrape([pod for group in groups for pod in group])
        new, old = ({pod.name: scraped.samples[pod.name] for pod in g if pod.name in scraped.samples} for g in groups)
        uid = inputs.agent.metadata.uid
        watched: StepMetrics = self._windows.observe(uid, MeasuredStep(canary.revision, canary.step), new, old)
        limits = seen.rollout.canary.gates if seen.rollout.canary else None
        verdict = thresholds.analyse(watched.canary, watched.stable, limits)
        if not new and scraped.failures:
            unread = "; ".join(f"pod {name} {why}" for name, why in sorted(scraped.failures.items())[:1])
            verdict = replace(verdict, message=f"{verdict.message}: {unread}")
        return replace(seen, analysis=verdict, elapsed=watched.seconds)

    async def _read(
        self, inputs: Inputs, live: Mapping[Ref, Live], wanted: frozenset[str], fresh: Revision
    ) -> dict[str, Revision]:
        """Get at the content of revisions; one that is gone, or none of ours, is left out."""
        found = {fresh.name: fresh} if fresh.name in wanted else {}
        for name in wanted - found.keys():
            target = Ref("ControllerRevision", inputs.namespace, constants.revision(inputs.name, name))
            # Its name is the hash of its content: what is remembered of one that was deleted is still true.
            remembered = (it for it in self._contents.values() if it.name == name)
            revision = await self._content(target, live[target].uid) if target in live else next(remembered, None)
            if revision is not None:
                found[name] = revision
        return found

    async def _content(self, target: Ref, uid: str) -> Revision | None:
        known = self._contents.pop(uid, None)
        if known is None:
            obj = await self._cluster.find(target, "apps/v1")
            try:
                known = revisions.parse_record(obj) if obj is not None else None
            except (KeyError, TypeError):
                return None
        if known is not None:
            self._contents[uid] = known
            if len(self._contents) > _REMEMBERED:
                self._contents.popitem(last=False)
        return known

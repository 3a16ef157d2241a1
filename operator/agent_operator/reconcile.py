"""One pass over one agent: gather → render → plan → apply → report. Level-triggered: only the present counts.

Nothing is remembered between passes but caches, and every write is idempotent; so a pass may be cut off after any
write, and the next one, in this process or another, goes on.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from agent_operator import errors, identity, names, policies, secret_problems
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.apply import Applier
from agent_operator.cluster import Cluster
from agent_operator.conditions import Facts, Problem
from agent_operator.errors import AgentError, Failure, InvalidSpec
from agent_operator.events import Recorder
from agent_operator.gather import References
from agent_operator.kinds import BY_NAME, FOUNDATIONS
from agent_operator.objects import Key, Live, Object, Ref, ref, version
from agent_operator.plan import plan
from agent_operator.problems import (
    Blocked,
    Stale,
    from_api,
    from_error,
    namespace_not_managed,
    namespace_not_watched,
    obstacle,
)
from agent_operator.reasons import Reason
from agent_operator.render import Rendered
from agent_operator.renderer import Renderer
from agent_operator.report import changes, first_failure, own, pods, status
from agent_operator.spec.inputs import Inputs, Platform
from agent_operator.store import Store
from agent_operator.transport import ApiError
from agent_runtime.config import explain

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a pass ended. `failed`: try again with backoff. `refers`: look at the references again in time."""

    failed: bool = False
    refers: bool = False
    wrote: bool = False


@dataclass(slots=True)
class _Pass:
    """What a pass has found so far."""

    key: Key
    raw: Object
    live: dict[Ref, Live]
    facts: Facts
    rendered: Rendered | None = None
    outcome: Outcome = field(default_factory=Outcome)


class Reconciler:
    """Brings agents to what their specs say."""

    def __init__(  # noqa: PLR0913  (its parts, given once)
        self,
        *,
        store: Store,
        cluster: Cluster,
        references: References,
        recorder: Recorder,
        served: Callable[[str], str | None],
        platform: Platform,
        namespaces: Collection[str],
        now: Callable[[], str],
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._references = references
        self._recorder = recorder
        self._served = served
        self._platform = platform
        self._namespaces = namespaces
        self._now = now
        self._renderer = Renderer()
        self._applier = Applier(store, cluster, served)

    async def reconcile(self, key: Key) -> Outcome:
        """Do one pass; ApiError only when not even the status could be written."""
        agent = self._store.agent(key)
        if agent is None:
            return Outcome()
        raw = agent.object
        if raw["metadata"].get("deletionTimestamp"):
            manage = self._platform.manage_namespaces
            return Outcome(failed=not await self._applier.finish(key, raw, manage_namespaces=manage))
        facts = Facts(generation=raw["metadata"].get("generation", 0), suspended=bool(raw["spec"].get("suspend")))
        this = _Pass(key, raw, self._store.children(key), facts)
        if not facts.suspended:
            try:
                await self._converge(this)
            except Stale:
                # What was decided on is old, and a status made of it would be, too. The news is on its way.
                return replace(this.outcome, failed=True)
        return await self._report(this)

    async def _converge(self, this: _Pass) -> None:
        """Make it so, as far as possible; what stands in the way becomes a fact. Stale when it is not known."""
        try:
            inputs = await self._gather(this)
            await self._apply(this, inputs)
        except AgentError as error:
            this.facts = replace(this.facts, invalid=from_error(error))
            this.outcome = replace(this.outcome, failed=error.retry)
        except Blocked as error:
            this.facts = replace(this.facts, blocked=error.problem)
            this.outcome = replace(this.outcome, failed=True)
        except ApiError as error:
            this.facts = replace(this.facts, blocked=from_api(error))
            this.outcome = replace(this.outcome, failed=True)

    async def _gather(self, this: _Pass) -> Inputs:
        agent = parse(this.raw)
        secrets_version = self._served("ExternalSecret") or ""
        found = await self._references.gather(
            agent,
            replace(self._platform, external_secrets_version="v1beta1" if secrets_version.endswith("beta1") else "v1"),
        )
        trouble = secret_problems.sync_trouble(found.inputs, this.live, served=bool(secrets_version))
        secrets = found.secrets and (trouble or found.secrets)
        # What was synced once goes on serving when External Secrets fails later; but it must be told.
        stale = (trouble,) if trouble and not secrets else ()
        signing_in = identity.preflight(found.inputs, pods(this.live), found.account) if agent.spec.identity else ()
        warnings = (*stale, *signing_in)
        this.facts = replace(this.facts, uses_secrets=found.uses_secrets, secrets=secrets, warnings=warnings)
        this.outcome = replace(this.outcome, refers=found.refers, failed=found.secrets is not None)
        return found.inputs

    async def _apply(self, this: _Pass, inputs: Inputs) -> None:
        if inputs.spec.namespace and self._namespaces and inputs.namespace not in self._namespaces:
            raise Blocked(namespace_not_watched(inputs.namespace))
        rendered = self._renderer.render(inputs)
        served = tuple(manifest for manifest in rendered.manifests if self._served(manifest["kind"]))
        missing = {manifest["kind"] for manifest in rendered.manifests} - {manifest["kind"] for manifest in served}
        this.rendered = replace(rendered, manifests=served)
        this.facts = replace(this.facts, warnings=(*this.facts.warnings, *_warnings(inputs, missing)))
        # Without its credentials an agent cannot start: lay the ground, and leave what runs as it is.
        desired = [m for m in served if this.facts.secrets is None or m["kind"] in FOUNDATIONS]
        held = {ref(manifest["kind"], manifest) for manifest in rendered.manifests}
        held |= {target for target in this.live if this.facts.secrets is not None and target.kind == "ConfigMap"}
        uid = this.raw["metadata"]["uid"]
        todo = plan(desired, this.live, uid, held=held)
        await self._applier.carry_out(this.key, this.raw, todo, this.live)
        if todo.obstacle:
            raise Blocked(obstacle(todo.obstacle))
        this.facts = replace(this.facts, applied=this.facts.secrets is None)

    async def _report(self, this: _Pass) -> Outcome:
        uid = this.raw["metadata"]["uid"]
        live = own(this.live, uid)
        deployment = next((obj for target, obj in live.items() if target.kind == "Deployment"), None)
        running = pods(this.live)
        facts = replace(this.facts, deployment=deployment, failure=first_failure(running), pods=running)
        before = this.raw.get("status") or {}
        after = status(facts, before, live, this.rendered, name=this.key.name, now=self._now())
        patch = changes(before, after)
        if patch:
            try:
                patched = await self._cluster.patch_status(this.key, uid, patch)
            except ApiError as error:
                if error.code in (404, 409, 422):
                    # Deleted, or made anew: the watch will say so.
                    log.info("status not written", extra={"agent": str(this.key), "code": error.code})
                    return this.outcome
                raise
            self._store.wrote(this.key, Ref(names.KIND, *this.key), version(patched))
            await self._recorder.record(this.raw, before.get("conditions") or (), after["conditions"])
        return replace(this.outcome, wrote=bool(patch))


def parse(raw: Object) -> AgentDeployment:
    """Read an AgentDeployment; InvalidSpec when it is not what the schema of this version takes."""
    try:
        # Whatever is in status is not ours to refuse.
        return AgentDeployment.model_validate({key: value for key, value in raw.items() if key != "status"})
    except ValidationError as error:
        raise InvalidSpec(Failure(errors.Reason.SPEC_NOT_RENDERABLE, "", explain(error))) from None


def _warnings(inputs: Inputs, missing: set[str]) -> tuple[Problem, ...]:
    # Offline one can only say that an account must be annotated; here its annotations were looked at.
    said = [it for it in policies.warnings(inputs) if it.reason is not errors.Reason.IDENTITY_NOT_ANNOTATED]
    found = [Problem(warning.reason, str(warning)) for warning in said]
    if inputs.spec.namespace and not inputs.platform.manage_namespaces:
        found.append(namespace_not_managed(inputs.namespace))
    found += [
        Problem(
            Reason.API_MISSING,
            f"{kind} is left out, for the cluster has no CustomResourceDefinition {BY_NAME[kind].crd}, or the operator "
            "no right to use it: install it, grant the right, or turn off what needs it",
        )
        for kind in sorted(missing)
    ]
    return tuple(found)

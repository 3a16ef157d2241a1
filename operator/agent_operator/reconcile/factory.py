"""Puts the stages of the reconciler together."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from agent_operator.api import image_reference
from agent_operator.diagnosis.inspector import Inspector
from agent_operator.diagnosis.monitor import PodMonitor
from agent_operator.diagnosis.pod_client import PodClient
from agent_operator.fleet.assigned_version import VersionDecision
from agent_operator.inputs.agent_inputs import Platform
from agent_operator.inputs.autoscalers import Autoscalers
from agent_operator.inputs.gather import References
from agent_operator.inputs.own_secrets import OwnSecrets
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.objects import Object
from agent_operator.kube.workqueue import Queue, Trigger
from agent_operator.reconcile.apply import Applier, StatusWriter
from agent_operator.reconcile.body_reader import BodyReader
from agent_operator.reconcile.children import ChildPlanner
from agent_operator.reconcile.dry_run import DryRun
from agent_operator.reconcile.finalizer import Finalizer
from agent_operator.reconcile.gather import Gatherer
from agent_operator.reconcile.reconciler import Reconciler
from agent_operator.reconcile.report import Reporter
from agent_operator.reconcile.unreadable_agent import UnreadableAgentReporter
from agent_operator.render.children import Renderer
from agent_operator.rollout.planner import RolloutPlanner
from agent_operator.sandbox.evaluator import Evaluator
from agent_operator.sandbox.sandbox import Sandbox
from agent_operator.settings import Settings


def make_reconciler(  # noqa: PLR0913  (all that the stages share)
    *,
    store: Store,
    cluster: Cluster,
    recorder: EventRecorder,
    rollout_planner: RolloutPlanner,
    resolve_version: Callable[[Object], VersionDecision],
    served: Callable[[str], str | None],
    platform: Platform,
    namespaces: Collection[str],
    references_lifetime: float,
    clock: Callable[[], float],
    now: Callable[[], str],
    sandbox: Sandbox,
    monitor: PodMonitor,
    dry_run: DryRun | None = None,
) -> Reconciler:
    """Return a reconciler.

    Args:
        store: the cache of AgentDeployments and their children.
        cluster: the API server.
        recorder: emits Events.
        rollout_planner: decides on rollouts.
        resolve_version: returns the version that a channel assigns to an agent.
        served: returns the version in which the cluster serves a kind; None when it does not.
        platform: what all agents have in common.
        namespaces: where children are watched; empty means everywhere.
        references_lifetime: seconds for which referenced objects are cached.
        clock: monotonic, in seconds.
        now: returns the time, RFC 3339 in UTC.
        sandbox: evaluates prompts and checks.
        monitor: looks at the pods.
        dry_run: notes the changes instead of writing them.
    """
    own_secrets = OwnSecrets(cluster, clock, references_lifetime)
    status_writer = StatusWriter(cluster, store)
    manage = platform.manage_namespaces
    return Reconciler(
        store=store,
        gatherer=Gatherer(
            references=References(cluster, clock, references_lifetime),
            autoscalers=Autoscalers(cluster, clock, references_lifetime),
            evaluator=Evaluator(sandbox),
            own_secrets=own_secrets,
            resolve_version=resolve_version,
            shared_routes=store.routes.shared,
            served=served,
            platform=platform,
            namespaces=namespaces,
        ),
        planner=ChildPlanner(Renderer(), rollout_planner, served),
        applier=Applier(
            store,
            cluster,
            own_secrets,
            status_writer,
            served,
            manage_namespaces=manage,
            allow_adoption=platform.allow_adoption,
        ),
        reporter=Reporter(cluster, recorder, status_writer, monitor),
        bodies=BodyReader(cluster, store, served),
        unreadable=UnreadableAgentReporter(recorder, status_writer),
        finalize=Finalizer(cluster, own_secrets, served, manage_namespaces=manage).finalize,
        now=now,
        manage_namespaces=manage,
        dry_run=dry_run,
    )


def make_monitor(
    cluster: Cluster, pods: PodClient, store: Store, queue: Queue, clock: Callable[[], float], period: float
) -> PodMonitor:
    """Return a monitor that queues agents whose pods report something new. `period`: seconds between two looks."""
    return PodMonitor(
        Inspector(cluster, pods),
        exists=lambda key: store.agent(key) is not None,
        changed=lambda key: queue.add(key, Trigger.HEALTH),
        clock=clock,
        period=period,
    )


def timestamp() -> str:
    """Return the current time, RFC 3339 in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def platform(settings: Settings) -> Platform:
    """Return what all agents have in common."""
    image, bundled = image_reference.parse(settings.runtime_image), Platform()
    return Platform(
        runtime_image=image.repository,
        runtime_version=image.tag or ("" if image.digest else bundled.runtime_version),
        runtime_digest=image.digest,
        runtime_image_pull_secrets=settings.runtime_image_pull_secrets,
        manage_namespaces=settings.manage_namespaces,
        allow_adoption=settings.allow_adoption,
        allow_unsafe_pod_templates=settings.allow_unsafe_pod_templates,
        set_pod_user=settings.set_pod_user,
        fqdn_policies=settings.fqdn_policies,
        runbook_url=settings.runbook_url.rstrip("/"),
        dns_resolvers=settings.dns_resolvers,
        operator_namespace=settings.operator_namespace or bundled.operator_namespace,
    )

"""A canary never reduces the number of serving pods below spec.replicas: at its start, abort and promotion.

A simulated cluster applies the manifests of each pass. Its pods become available some time after they are created.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import RolloutStatus
from agent_operator.kube.objects import Ref
from agent_operator.render import Revision, render
from agent_operator.rollout.analysis.thresholds import AnalysisPhase, AnalysisResult
from agent_operator.rollout.manifests import RolloutManifests, compose
from agent_operator.rollout.revisions import RevisionRecord
from agent_operator.rollout.rollout_inputs import RolloutInputs
from agent_operator.rollout.state_machine import decide
from agent_operator.status.observed import Pods
from tests.unit.agent_operator.rollout.revision_inputs import NOW, find, inputs_of, pods, revision_of

# Ticks of the simulation.
_STARTUP = 2
_LIMIT = 60
FAILURE = Problem(Reason.GATE_FAILED, "", "too many errors")
LABEL = "agent-operator.dev/revision"


@dataclass
class Pod:
    revision: str
    age: int = 0

    @property
    def available(self) -> bool:
        return self.age >= _STARTUP


@dataclass
class SimulatedDeployment:
    """A Deployment with maxSurge 1 and maxUnavailable 0."""

    revision: str = ""
    replicas: int = 0
    pods: list[Pod] = field(default_factory=list)

    def tick(self, room: int) -> None:
        """Create and delete pods. `room`: how many pods the cluster can still run."""
        new = [pod for pod in self.pods if pod.revision == self.revision]
        old = [pod for pod in self.pods if pod.revision != self.revision]
        available = sum(pod.available for pod in self.pods)
        surplus = (
            sorted(old, key=lambda pod: pod.available) + sorted(new, key=lambda pod: pod.available)[self.replicas :]
        )
        for pod in surplus:
            if not pod.available or available > self.replicas:
                self.pods.remove(pod)
                available -= pod.available
        missing = min(self.replicas - len(new), self.replicas + 1 - len(self.pods), room)
        self.pods += [Pod(self.revision) for _ in range(missing)]
        for pod in self.pods:
            pod.age += 1

    def counts(self) -> Pods:
        updated = sum(pod.revision == self.revision for pod in self.pods)
        available = sum(pod.available for pod in self.pods)
        return Pods(self.replicas, len(self.pods), updated, available, available, observed=True)


class Simulation:
    """An agent with a running revision whose spec changes, on a cluster for `room` pods."""

    def __init__(self, replicas: int, weights: tuple[int, ...], room: int, **spec: Any) -> None:
        steps = [{"weight": weight, "pause": {"durationSeconds": 1}} for weight in weights]
        given = {"rollout": {"strategy": "Canary", "canary": {"steps": steps}}, "replicas": replicas} | spec
        self.replicas, self.room = replicas, room
        self.old, self.new = revision_of(**given), revision_of(**given, systemPrompt={"text": "New."})
        self.inputs = inputs_of(**given, systemPrompt={"text": "New."})
        self.rendered = render(self.inputs)
        stable = [Pod(self.old.name, _STARTUP) for _ in range(replicas)]
        self.deployments = {"web": SimulatedDeployment(self.old.name, replicas, stable)}
        self.status = RolloutStatus(target=self.old.name, stable=self.old.name)
        self.fewest = replicas
        self.fails = False

    def run(self, *, fails_at: int | None = None, ticks: int = _LIMIT) -> None:
        """Run until nothing changes: every later tick would be the same."""
        for tick in range(ticks):
            before = self.state()
            self.fails |= tick == fails_at
            self.reconcile()
            for deployment in self.deployments.values():
                used = sum(len(it.pods) for it in self.deployments.values())
                deployment.tick(self.room - used)
            self.fewest = min(self.fewest, self.serving())
            if self.state() == before and tick >= (fails_at or 0):
                return

    def state(self) -> Any:
        cluster = {
            name: (own.revision, own.replicas, [(pod.revision, min(pod.age, _STARTUP)) for pod in own.pods])
            for name, own in self.deployments.items()
        }
        return self.status, cluster

    def run_until_canary_replaces_a_pod(self) -> None:
        while self.deployments["web"].replicas == self.replicas:
            self.run(ticks=1)

    def serving(self) -> int:
        return sum(pod.available for it in self.deployments.values() for pod in it.pods)

    def reconcile(self) -> None:
        observed = self.observe()
        self.status = decide(observed, self.status)
        contents = {it.name: it for it in (self.old, self.new)}
        self.apply(compose(self.inputs, self.rendered, observed, self.status, contents))

    def observe(self) -> RolloutInputs:
        stable, canary = self.deployments["web"], self.deployments.get("web-canary", SimulatedDeployment())
        rollout = self.inputs.spec.rollout
        assert rollout
        return RolloutInputs(
            self.new.name,
            "in",
            "spec",
            NOW,
            rollout,
            records=tuple(record(it, number) for number, it in enumerate((self.new, self.old))),
            last_good=self.old.name,
            running_revision=stable.revision,
            stable=stable.counts(),
            canary=canary.counts(),
            live_canary=canary.counts(),
            min_serving=self.inputs.fewest_replicas,
            no_room={stable.revision: "no room"} if self.is_full and len(stable.pods) < stable.replicas else {},
            failures={self.new.name: FAILURE} if self.fails else {},
            analysis=AnalysisResult(AnalysisPhase.SUCCESSFUL, ""),
            elapsed=2.0,
        )

    @property
    def is_full(self) -> bool:
        return sum(len(it.pods) for it in self.deployments.values()) >= self.room

    def apply(self, composed: RolloutManifests) -> None:
        for name in ("web", "web-canary"):
            manifests = [it for it in composed.rendered.manifests if it["kind"] == "Deployment"]
            manifest = next((it for it in manifests if it["metadata"]["name"] == name), None)
            if manifest is not None:
                deployment = self.deployments.setdefault(name, SimulatedDeployment())
                deployment.revision = manifest["spec"]["template"]["metadata"]["labels"][LABEL]
                deployment.replicas = manifest["spec"].get("replicas", deployment.replicas)
            elif Ref("Deployment", "team", name) not in composed.retained:
                self.deployments.pop(name, None)


def record(revision: Revision, number: int) -> RevisionRecord:
    return RevisionRecord(revision.name, number, "in", revision.config_map, str(number))


SHAPES = [(1, (50,)), (2, (50,)), (3, (34, 67)), (4, (25, 50, 75)), (10, (10, 90)), (3, (99,))]


@pytest.mark.parametrize(("replicas", "weights"), SHAPES)
def test_promotion_keeps_all_replicas_serving(replicas: int, weights: tuple[int, ...]) -> None:
    simulation = Simulation(replicas, weights, room=3 * replicas + 1)

    simulation.run()

    assert simulation.fewest == replicas
    assert set(simulation.deployments) == {"web"}
    assert simulation.deployments["web"].counts() == pods(replicas, replicas)
    assert simulation.deployments["web"].revision == simulation.new.name


@pytest.mark.parametrize(("replicas", "weights"), SHAPES)
@pytest.mark.parametrize("moment", range(1, 16))
def test_abort_at_any_moment_keeps_all_replicas_serving(replicas: int, weights: tuple[int, ...], moment: int) -> None:
    simulation = Simulation(replicas, weights, room=3 * replicas + 1)

    simulation.run(fails_at=moment)

    assert simulation.fewest == replicas
    assert set(simulation.deployments) == {"web"}
    assert simulation.deployments["web"].counts() == pods(replicas, replicas)


def test_abort_on_a_full_cluster_gives_the_room_of_the_canary_to_the_stable_pods() -> None:
    # The cluster has room for one more pod than the agent needs, which another workload takes during the canary.
    simulation = Simulation(2, (50,), room=3)
    simulation.run_until_canary_replaces_a_pod()
    simulation.room = 2

    simulation.run(fails_at=0)

    assert set(simulation.deployments) == {"web"}
    assert simulation.deployments["web"].counts() == pods(2, 2)


def test_a_canary_without_room_waits_and_leaves_the_stable_pods() -> None:
    simulation = Simulation(2, (50,), room=2)

    simulation.run()

    assert simulation.fewest == 2
    assert simulation.status.canary
    assert simulation.status.canary.phase == "Starting"


def test_the_reason_for_a_lack_of_room_is_in_the_status() -> None:
    simulation = Simulation(2, (50,), room=2)
    simulation.run(ticks=3)
    observed = simulation.observe()

    waiting = decide(replace(observed, no_room={simulation.new.name: "0/1 nodes are available"}), simulation.status)
    again = decide(observed, waiting)

    assert waiting.canary
    assert waiting.canary.message == "waits for room in the cluster: 0/1 nodes are available"
    assert again.canary
    assert again.canary.message is None


def test_an_http_route_gets_all_stable_pods_back_at_once() -> None:
    gateway = {"parentRefs": [{"name": "public"}]}
    simulation = Simulation(4, (50,), room=20, gateway=gateway)
    simulation.run(ticks=5)
    assert simulation.deployments["web"].replicas == 4

    simulation.run(fails_at=0, ticks=1)

    assert set(simulation.deployments) == {"web"}
    assert simulation.fewest == 4


def test_a_change_of_the_strategy_keeps_the_canary_pods_behind_the_service() -> None:
    simulation = Simulation(2, (50,), room=9)
    simulation.run_until_canary_replaces_a_pod()

    simulation.inputs = inputs_of(replicas=2, systemPrompt={"text": "New."}, rollout={"strategy": "RollingUpdate"})
    observed = simulation.observe()
    status = decide(observed, simulation.status)
    contents = {it.name: it for it in (simulation.old, simulation.new)}
    composed = compose(simulation.inputs, render(simulation.inputs), observed, status, contents)

    assert Ref("Deployment", "team", "web-canary") in composed.retained
    assert "app" not in find(composed, "Service")["spec"]["selector"]

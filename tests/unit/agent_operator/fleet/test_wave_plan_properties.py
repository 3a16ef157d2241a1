"""Random events in random order: no rollout exceeds its limits, and a good version reaches all agents."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent_operator.api.v1alpha1.channel import DEFAULT_MAX_CONCURRENT
from agent_operator.fleet.members import Member
from tests.unit.agent_operator.fleet.simulation import SimulatedFleet, make_fleet, make_member

SOAK = 60
CONCURRENT = 2
GOOD, BAD = ("1", "2", "4"), "3"
WAVES = {"a": 3, "b": 4, "": 3}


def build_fleet() -> SimulatedFleet:
    agents = [make_member(f"{wave or 'c'}{n}", wave=wave) for wave, number in WAVES.items() for n in range(number)]
    limits = {"soakSeconds": SOAK, "maxConcurrent": CONCURRENT}
    return make_fleet(agents, [("a", limits), ("b", limits)], maxFailures=1)


class FleetMachine(RuleBasedStateMachine):
    """A fleet of three waves."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = build_fleet()
        self.healthy_since: dict[str, float] = {}
        self.soaked: set[str] = set()
        self.clock = 0.0
        self.rolling_out = "1"

    @rule(crash=st.sampled_from(["no", "before the assignments", "before the status", "during the assignments"]))
    def reconcile(self, crash: str) -> None:
        fleet = self.fleet
        status, agents, stable = fleet.status, dict(fleet.agents), fleet.status.get("stableVersion")
        known = self.rolling_out, self.healthy_since, self.soaked
        if fleet.spec["version"] != self.rolling_out:
            self.rolling_out, self.healthy_since, self.soaked = fleet.spec["version"], {}, set()
        assigned = fleet.reconcile()
        self.check(assigned, agents, stable)
        if crash == "before the status":
            # The next reconcile does not know of this one. What soaked before is still proven.
            fleet.status = status
            self.rolling_out, self.healthy_since, self.soaked = known
        written = {"before the assignments": 0, "during the assignments": len(assigned) // 2}
        for name in list(assigned)[written.get(crash, len(assigned)) :]:
            fleet.agents[name] = agents[name]

    @rule(data=st.data())
    def upgrades_finish(self, data: st.DataObject) -> None:
        if upgrading := sorted(self.upgrading()):
            for name in data.draw(st.lists(st.sampled_from(upgrading), unique=True)):
                self.fleet.finish_upgrades(name, fails=self.fleet.agents[name].assigned.version == BAD)

    @rule(seconds=st.sampled_from([20, SOAK - 1, SOAK]), data=st.data())
    def time_passes_and_upgrades_finish(self, seconds: int, data: st.DataObject) -> None:
        """The usual sequence. Without it, few random sequences would get beyond the first wave."""
        self.reconcile("no")
        self.upgrades_finish(data)
        self.record_soaks()
        self.reconcile("no")
        self.time_passes(seconds)
        self.record_soaks()
        self.reconcile("no")

    @rule(seconds=st.sampled_from([1, 20, SOAK, 10 * SOAK]))
    def time_passes(self, seconds: int) -> None:
        self.fleet.advance_clock(seconds)
        self.clock += seconds

    @rule(seconds=st.sampled_from([SOAK // 2, 1000]))
    def clock_is_set_back(self, seconds: int) -> None:
        self.fleet.advance_clock(-seconds)

    @rule(version=st.sampled_from([*GOOD, BAD]))
    def version_changes(self, version: str) -> None:
        self.fleet.edit_spec(version=version)

    @rule(paused=st.booleans())
    def paused_changes(self, paused: bool) -> None:
        self.fleet.edit_spec(paused=paused)

    @precondition(lambda self: self.fleet.spec["version"] == BAD)
    @rule(name=st.sampled_from(["a0", "b0"]))
    def failed_agent_is_retried(self, name: str) -> None:
        if self.fleet.agents[name].failed:
            self.fleet.assign(name, self.fleet.agents[name].assigned)

    def wave(self, name: str) -> list[Member]:
        return [agent for agent in self.fleet.agents.values() if agent.key.name[0] == name]

    def upgrading(self) -> list[str]:
        return [it.key.name for it in self.fleet.agents.values() if not (it.updated or it.failed)]

    def check(self, assigned: dict[str, str], before: dict[str, Member], stable: str | None) -> None:
        version = self.fleet.spec["version"]
        assert set(assigned.values()) <= {version}
        assert not (assigned and self.fleet.spec.get("paused"))
        for name in assigned:
            assert before[name].assigned.version != version, "the agent already had this version"
        if not assigned or version == stable:
            return
        failed = [it for it in before.values() if it.failed and it.assigned.version == version]
        assert len(failed) <= self.fleet.spec["maxFailures"]
        for wave in {name[0] for name in assigned}:
            upgrading = [
                it for it in self.wave(wave) if it.assigned.version == version and not (it.updated or it.failed)
            ]
            assert len(upgrading) <= (CONCURRENT if wave in "ab" else DEFAULT_MAX_CONCURRENT)
            assert {earlier for earlier in "ab" if earlier < wave} <= self.soaked, "an earlier wave has not soaked"

    @invariant()
    def record_soaks(self) -> None:
        """Measure soaks by a monotonic clock. The operator may notice later, because it reconciles less often."""
        version = self.fleet.spec["version"]
        for wave in "ab":
            healthy = all(it.assigned.version == version and (it.updated or it.failed) for it in self.wave(wave))
            if not healthy:
                self.healthy_since.pop(wave, None)
            elif self.clock - self.healthy_since.setdefault(wave, self.clock) >= SOAK and version == self.rolling_out:
                self.soaked.add(wave)

    @invariant()
    def failures_stay_within_the_limit(self) -> None:
        failed = [it for it in self.fleet.agents.values() if it.failed and it.assigned.version == BAD]

        assert len(failed) <= self.fleet.spec["maxFailures"] + CONCURRENT

    def teardown(self) -> None:
        """With a good version and enough time, all agents upgrade, and then nothing is written."""
        self.fleet.edit_spec(version="5", paused=False)
        for _ in range(40):
            self.fleet.reconcile()
            self.fleet.finish_upgrades(*self.upgrading())
            self.fleet.advance_clock(SOAK)
        assert {agent.assigned.version for agent in self.fleet.agents.values()} == {"5"}
        assert self.fleet.condition("Ready")["reason"] == "Complete"
        before = self.fleet.status
        assert self.fleet.reconcile() == {}
        assert self.fleet.status == before


TestFleet = FleetMachine.TestCase
TestFleet.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)

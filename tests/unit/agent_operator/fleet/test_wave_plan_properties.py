"""Whatever happens and in whatever order: no roll-out goes faster, or further, than it may."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent_operator.api.v1alpha1.channel import DEFAULT_MAX_CONCURRENT

SOAK = 60
CONCURRENT = 2
GOOD, BAD = ("1", "2", "4"), "3"
WAVES = {"a": 3, "b": 4, "": 3}


class FleetMachine(RuleBasedStateMachine):
    """A fleet of three waves in which everything happens."""

    build: ClassVar[Callable[[], Any]]

    def __init__(self) -> None:
        super().__init__()
        self.made = type(self).build()
        self.well_since: dict[str, float] = {}
        self.soaked: set[str] = set()
        self.clock = 0.0
        self.rolling_out = "1"

    # What happens

    @rule(crash=st.sampled_from(["no", "before the gifts", "before the status", "amid the gifts"]))
    def step(self, crash: str) -> None:
        made = self.made
        status, agents, stable = made.status, dict(made.agents), made.status.get("stableVersion")
        if made.spec["version"] != self.rolling_out:
            self.rolling_out, self.well_since, self.soaked = made.spec["version"], {}, set()
        given = made.step()
        self.check(given, agents, stable)
        if crash == "before the status":
            made.status = status
        kept = {"no": len(given), "amid the gifts": len(given) // 2, "before the status": len(given)}.get(crash, 0)
        for name in list(given)[kept:]:
            made.agents[name] = agents[name]

    @rule(data=st.data())
    def rollouts_end(self, data: st.DataObject) -> None:
        if under_way := sorted(self.under_way()):
            for name in data.draw(st.lists(st.sampled_from(under_way), unique=True)):
                self.made.end(name, fails=self.made.agents[name].assigned.version == BAD)

    @rule(seconds=st.sampled_from([20, SOAK - 1, SOAK]), data=st.data())
    def all_goes_on(self, seconds: int, data: st.DataObject) -> None:
        """What mostly happens: without this, few sequences would get beyond the first wave."""
        self.step("no")
        self.rollouts_end(data)
        self.soaks_are_watched()
        self.step("no")
        self.time_passes(seconds)
        self.soaks_are_watched()
        self.step("no")

    @rule(seconds=st.sampled_from([1, 20, SOAK, 10 * SOAK]))
    def time_passes(self, seconds: int) -> None:
        self.made.tick(seconds)
        self.clock += seconds

    @rule(seconds=st.sampled_from([SOAK // 2, 1000]))
    def the_clock_is_set_back(self, seconds: int) -> None:
        self.made.tick(-seconds)

    @rule(version=st.sampled_from([*GOOD, BAD]))
    def another_version(self, version: str) -> None:
        self.made.edit(version=version)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.made.edit(paused=paused)

    @precondition(lambda self: self.made.spec["version"] == BAD)
    @rule(name=st.sampled_from(["a0", "b0"]))
    def a_failed_one_is_retried_in_vain(self, name: str) -> None:
        if self.made.agents[name].failed:
            self.made.give(name, self.made.agents[name].assigned)

    # What must hold

    def wave(self, name: str) -> list[Any]:
        return [agent for agent in self.made.agents.values() if agent.key.name[0] == name]

    def under_way(self, agents: Iterable[Any] = ()) -> list[str]:
        found = agents or self.made.agents.values()
        return [it.key.name for it in found if not (it.updated or it.failed)]

    def check(self, given: dict[str, str], before: dict[str, Any], stable: str | None) -> None:
        version = self.made.spec["version"]
        assert set(given.values()) <= {version}
        assert not (given and self.made.spec.get("paused"))
        for name in given:
            assert before[name].assigned.version != version, "nobody is given what it has"
        if not given or version == stable:
            return
        failed = [it for it in before.values() if it.failed and it.assigned.version == version]
        assert len(failed) <= self.made.spec["maxFailures"]
        for wave in {name[0] for name in given}:
            now = [it for it in self.wave(wave) if it.assigned.version == version and not (it.updated or it.failed)]
            assert len(now) <= (CONCURRENT if wave in "ab" else DEFAULT_MAX_CONCURRENT)
            assert {earlier for earlier in "ab" if earlier < wave} <= self.soaked, "an earlier wave has not soaked"

    @invariant()
    def soaks_are_watched(self) -> None:
        """By the true clock, which nobody sets back; where the operator looks less often, it sees later."""
        version = self.made.spec["version"]
        for wave in "ab":
            well = all(it.assigned.version == version and (it.updated or it.failed) for it in self.wave(wave))
            if not well:
                self.well_since.pop(wave, None)
            elif self.clock - self.well_since.setdefault(wave, self.clock) >= SOAK and version == self.rolling_out:
                self.soaked.add(wave)

    @invariant()
    def failures_are_few(self) -> None:
        failed = [it for it in self.made.agents.values() if it.failed and it.assigned.version == BAD]

        assert len(failed) <= self.made.spec["maxFailures"] + CONCURRENT

    def teardown(self) -> None:
        """Given a good version and time, all agents get there, and then nothing is written any more."""
        self.made.edit(version="5", paused=False)
        for _ in range(40):
            self.made.step()
            self.made.end(*self.under_way())
            self.made.tick(SOAK)
        assert {agent.assigned.version for agent in self.made.agents.values()} == {"5"}
        assert self.made.condition("Ready")["reason"] == "Complete"
        before = self.made.status
        assert self.made.step() == {}
        assert self.made.status == before


def test_a_fleet_never_goes_too_far(world: Any, make: Any) -> None:
    """The whole machine."""

    def build() -> Any:
        agents = [make(f"{wave or 'c'}{n}", wave=wave) for wave, number in WAVES.items() for n in range(number)]
        more = {"soakSeconds": SOAK, "maxConcurrent": CONCURRENT}
        return world(agents, [("a", more), ("b", more)], maxFailures=1)

    machine: Any = type("Fleet", (FleetMachine,), {"build": staticmethod(build)})
    case = machine.TestCase
    case.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
    case().runTest()

"""The responses of /healthz and /readyz.

/healthz fails if only a restart helps: a watch gets no more responses, or a pass does not end. It also fails by a
timeout while the event loop is blocked, because it is served by this loop.
/readyz fails while the operator cannot work, and names what is missing. A restart would not help.
"""

from collections.abc import Callable, Iterable, Mapping

from agent_operator.api import constants
from agent_operator.kube.agent_watch import AgentWatch
from agent_operator.kube.heartbeat import Heartbeat
from agent_operator.kube.informer import Informer
from agent_operator.kube.lease_thread import LeaseThread
from agent_operator.kube.reachability import Reachability
from agent_operator.reconcile.workers import Workers

# Every watch is renewed within five minutes, even if nothing changes. A longer silence means that its loop hangs.
SILENT_AFTER = 420.0


class HealthChecks:
    """Checks the parts of the operator. A part that is not built yet is None.

    Attributes:
        standby: whether another replica leads. A standby replica watches nothing.
        working: whether the workers run.
    """

    def __init__(
        self, reachability: Reachability, informers: Mapping[str, Informer], clock: Callable[[], float]
    ) -> None:
        self.standby = False
        self.working = False
        self.agents: AgentWatch | None = None
        self.lease: LeaseThread | None = None
        self.workers: Workers | None = None
        self._reachability = reachability
        self._informers = informers
        self._clock = clock

    def dead(self) -> Iterable[str]:
        """Yield the problems that only a restart resolves."""
        answered = self._reachability.first_answer
        # As long as the API server has never responded, a restart does not help.
        for heartbeat in self._heartbeats() if answered is not None else ():
            age = self._clock() - max(heartbeat.last_seen, answered or 0.0)
            if age > SILENT_AFTER:
                yield f"{heartbeat.activity} has been silent for {age:.0f} s"
        yield from self.workers.stuck() if self.workers else ()

    def unready(self) -> Iterable[str]:
        """Yield what the operator waits for before it can work."""
        if self._reachability.unreachable:
            yield "the API server is unreachable"
            return
        for heartbeat in self._heartbeats():
            if failure := heartbeat.lasting_failure():
                yield failure
        if not self.standby:
            yield from self._missing()

    def ages(self) -> dict[str, float]:
        """Return the seconds since the last answer on a watch, by kind. A kind that is not served has no entry."""
        now = self._clock()
        served = {kind: one.heartbeat for kind, one in self._informers.items() if one.version is not None}
        if self.agents is not None and self.agents.served:
            served[constants.KIND] = self.agents.heartbeat
        return {kind: now - heartbeat.last_seen for kind, heartbeat in served.items()}

    def _heartbeats(self) -> Iterable[Heartbeat]:
        if self.lease is not None:
            yield self.lease.heartbeat
        if self.standby:
            return
        for informer in self._informers.values():
            yield informer.heartbeat
        if self.agents is not None and self.working:
            yield self.agents.heartbeat

    def _missing(self) -> Iterable[str]:
        waiting = [kind for kind, informer in self._informers.items() if not informer.synced.is_set()]
        if waiting:
            yield "initial list not complete: " + ", ".join(waiting)
        elif self.agents is not None and self.agents.served is False:
            yield "the AgentDeployment CRD is not installed: kubectl apply -f crds/"
        elif self.agents is None or not self.agents.synced:
            yield f"initial list not complete: {constants.KIND}"

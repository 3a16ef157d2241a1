"""The revisions that a cluster keeps of an agent, and what each of them is to it now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from agent_operator.api import constants
from agent_operator.api.v1alpha1.rollout import RolloutStatus
from agent_operator.render import Revision
from agent_operator.render.plan import owned
from agent_operator.rollout import revisions
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import Object, childrens_namespace, find
from agentctl.cluster.states import Colour, State
from agentctl.errors import CommandError
from agentctl.offline.input_files import dig
from agentctl.ui import differences

RESOURCE = "controllerrevisions.apps"
_STEPS = ((86400, "d"), (3600, "h"), (60, "m"))


@dataclass(frozen=True, slots=True)
class Entry:
    """A revision that is kept.

    Attributes:
        revision: what it is made of.
        number: the higher, the later it was wanted.
        created: RFC 3339 in UTC.
        state: what it is to the agent now.
        changes: what differs from the entry before; empty for the first.
    """

    revision: Revision
    number: int
    created: str
    state: State
    changes: tuple[str, ...] = ()

    @property
    def age(self) -> str:
        """How long ago it was made, as kubectl says it."""
        return age((datetime.now(UTC) - datetime.fromisoformat(self.created)).total_seconds())

    def to_json(self) -> dict[str, Any]:
        """Return it as `history -o json` prints it."""
        return {
            "revision": self.revision.name,
            "number": self.number,
            "runtimeVersion": self.revision.runtime_version,
            "image": differences.image(self.revision),
            "model": self.revision.model,
            "state": self.state.text,
            "created": self.created,
            "changes": list(self.changes),
        }


@dataclass(frozen=True, slots=True)
class History:
    """An agent and its revisions, the first wanted first."""

    agent: Object
    entries: tuple[Entry, ...]

    def entry(self, wanted: str) -> Entry:
        """Find a revision by its name or number.

        Raises:
            CommandError: there is none.
        """
        for entry in self.entries:
            if wanted in (entry.revision.name, str(entry.number)):
                return entry
        kept = ", ".join(f"{it.revision.name} ({it.number})" for it in self.entries) or "none yet"
        raise CommandError(f"no revision {wanted} of {dig(self.agent, 'metadata', 'name')}: kept are {kept}")

    @property
    def running(self) -> Entry:
        """The revision that the stable pods run.

        Raises:
            CommandError: there is none.
        """
        return self.entry(str(dig(self.agent, "status", "revision") or "that runs"))


def read(kubectl: Kubectl, name: str) -> History:
    """Read an agent and its revisions.

    Raises:
        CommandError: there is no such agent, or the cluster does not answer.
    """
    agent = find(kubectl, name)
    there = kubectl.within(childrens_namespace(agent))
    return History(agent, entries(agent, there.get(RESOURCE, f"--selector={constants.LABEL_AGENT}={name}")))


def entries(agent: Object, found: Iterable[Object]) -> tuple[Entry, ...]:
    """Return the revisions of an agent among ControllerRevisions, the first wanted first."""
    kept = sorted(_kept(agent, found), key=lambda it: (it[0], it[1].name))
    known = _states(agent)
    changed = [(), *(differences.changes(old[1], new[1]) for old, new in pairwise(kept))]
    return tuple(
        Entry(revision, number, created, known.get(revision.name, State("")), changes)
        for (number, revision, created), changes in zip(kept, changed, strict=False)
    )


def _kept(agent: Object, found: Iterable[Object]) -> Iterable[tuple[int, Revision, str]]:
    for obj in found:
        try:
            if owned(obj, agent["metadata"]["uid"]):
                yield obj["revision"], revisions.parse_controller_revision(obj), obj["metadata"]["creationTimestamp"]
        except (KeyError, TypeError):
            # Somebody else's, or spoilt: the operator passes it over, too.
            continue


def _states(agent: Object) -> Mapping[str, State]:
    """Tell what revisions are to the agent; what is told last counts."""
    status = dig(agent, "status") or {}
    rollout = RolloutStatus.model_validate(status.get("rollout") or {})
    found = {}
    if rollout.target:
        found[rollout.target] = State("wanted", Colour.WAITING)
    if last := status.get("lastGoodRevision"):
        found[last] = State("last good")
    if rolled := rollout.rolled_back:
        why = "left by hand" if rolled.manual else f"given up: {rolled.reason}"
        found[rolled.revision] = State(why, Colour.WAITING if rolled.manual else Colour.BAD)
    if running := status.get("revision"):
        found[running] = State("running", Colour.GOOD)
    if canary := rollout.canary:
        found[canary.revision] = State(f"canary {canary.weight} %", Colour.WAITING)
    return found


def age(seconds: float) -> str:
    """Return a duration in the largest unit of which it has two, such as 90s and 5m."""
    for size, unit in _STEPS:
        if seconds >= 2 * size:
            return f"{seconds // size:.0f}{unit}"
    return f"{max(0, seconds):.0f}s"


def rows(found: Sequence[Entry]) -> Iterable[tuple[str | State, ...]]:
    """Yield what a table shows of each."""
    for entry in found:
        version = entry.revision.runtime_version
        # A digest would fill the line, and says no more when it is whole.
        short = version if len(version) <= 20 else f"{version[:19]}…"  # noqa: PLR2004 - a column's width
        yield (entry.revision.name, str(entry.number), short, entry.state, entry.age, ", ".join(entry.changes))

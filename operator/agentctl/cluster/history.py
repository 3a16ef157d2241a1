"""The revisions of an agent that the cluster stores, and the state of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from agent_operator.api import constants
from agent_operator.api.v1alpha1.rollout import RolloutStatus
from agent_operator.kube.objects import ref
from agent_operator.render import Revision
from agent_operator.render.plan import owner_from
from agent_operator.rollout import revisions
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import children_namespace, get_agent
from agentctl.cluster.states import Colour, DisplayState
from agentctl.errors import CommandError
from agentctl.objects import Object, nested_field
from agentctl.ui import revision_diff

RESOURCE = "controllerrevisions.apps"
VERSION_WIDTH = 20
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored revision.

    Attributes:
        revision: its content.
        number: revision number; the revision that became the target last has the highest.
        created: RFC 3339 in UTC.
        state: role of the revision for the agent; empty for an older revision.
        changes: the parts that differ from the entry before; empty for the first.
    """

    revision: Revision
    number: int
    created: str
    state: DisplayState
    changes: tuple[str, ...] = ()

    @property
    def age(self) -> str:
        """Time since its creation, as kubectl prints ages."""
        return short_duration((datetime.now(UTC) - datetime.fromisoformat(self.created)).total_seconds())

    def to_json(self) -> Object:
        """Return the entry as `history -o json` prints it."""
        return {
            "revision": self.revision.name,
            "number": self.number,
            "runtimeVersion": self.revision.runtime_version,
            "image": revision_diff.agent_image(self.revision),
            "model": self.revision.model,
            "state": self.state.text,
            "created": self.created,
            "changes": list(self.changes),
        }


@dataclass(frozen=True, slots=True)
class History:
    """An agent and its revisions, by ascending number."""

    agent: Object
    entries: tuple[Entry, ...]

    def entry(self, revision: str) -> Entry:
        """Return a revision by its name or number.

        Raises:
            CommandError: it does not exist.
        """
        for entry in self.entries:
            if revision in (entry.revision.name, str(entry.number)):
                return entry
        existing = ", ".join(f"{entry.revision.name} ({entry.number})" for entry in self.entries) or "none"
        name = nested_field(self.agent, "metadata", "name")
        raise CommandError(f'revision "{revision}" of {name} not found: existing revisions are {existing}')

    @property
    def running(self) -> Entry:
        """The revision of the stable pods.

        Raises:
            CommandError: no revision runs yet.
        """
        running = nested_field(self.agent, "status", "revision")
        if not running:
            name = nested_field(self.agent, "metadata", "name")
            raise CommandError(f"{name} runs no revision yet: run agentctl status {name} to see why")
        return self.entry(str(running))


def read(kubectl: Kubectl, name: str) -> History:
    """Read an agent and its revisions.

    Raises:
        CommandError: the agent does not exist, or the API server does not respond.
    """
    agent = get_agent(kubectl, name)
    children_kubectl = kubectl.in_namespace(children_namespace(agent))
    return History(agent, entries(agent, children_kubectl.get(RESOURCE, f"--selector={constants.LABEL_AGENT}={name}")))


def entries(agent: Object, controller_revisions: Iterable[Object]) -> tuple[Entry, ...]:
    """Return the revisions of an agent among ControllerRevisions, by ascending number."""
    parsed = sorted(_parse_owned(agent, controller_revisions), key=lambda item: (item[0], item[1].name))
    states = _states(agent)
    changes = [(), *(revision_diff.changed_parts(old[1], new[1]) for old, new in pairwise(parsed))]
    return tuple(
        Entry(revision, number, created, states.get(revision.name, DisplayState("")), changed)
        for (number, revision, created), changed in zip(parsed, changes, strict=False)
    )


def _parse_owned(agent: Object, controller_revisions: Iterable[Object]) -> Iterable[tuple[int, Revision, str]]:
    owner = owner_from(agent)
    for obj in controller_revisions:
        try:
            if owner.owns(ref("ControllerRevision", obj), obj, obj["metadata"]["uid"]):
                yield obj["revision"], revisions.parse_controller_revision(obj), obj["metadata"]["creationTimestamp"]
        except (KeyError, TypeError, AttributeError):
            # The object is damaged or was not written by the operator, which ignores it, too.
            continue


def _states(agent: Object) -> Mapping[str, DisplayState]:
    """Return states by revision name. A later assignment takes precedence."""
    status = nested_field(agent, "status") or {}
    rollout = RolloutStatus.model_validate(status.get("rollout") or {})
    states = {}
    if rollout.target:
        states[rollout.target] = DisplayState("target", Colour.WAITING)
    if last_good := status.get("lastGoodRevision"):
        states[last_good] = DisplayState("last good")
    if rolled_back := rollout.rolled_back:
        reason = "manually" if rolled_back.manual else rolled_back.reason
        colour = Colour.WAITING if rolled_back.manual else Colour.BAD
        states[rolled_back.revision] = DisplayState(f"rolled back: {reason}", colour)
    if running := status.get("revision"):
        states[running] = DisplayState("running", Colour.GOOD)
    if canary := rollout.canary:
        states[canary.revision] = DisplayState(f"canary {canary.weight} %", Colour.WAITING)
    return states


def short_duration(seconds: float) -> str:
    """Return a duration in the largest unit of which it has at least two, such as 90s and 5m."""
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds // size:.0f}{unit}"
    return f"{max(0, seconds):.0f}s"


def rows(found: Sequence[Entry], *, shorten: bool) -> Iterable[tuple[str | DisplayState, ...]]:
    """Yield the table row of each entry. `shorten`: cut long versions, for people."""
    for entry in found:
        version = entry.revision.runtime_version
        # A digest is longer than the column; its start identifies it.
        short = version if len(version) <= VERSION_WIDTH or not shorten else f"{version[: VERSION_WIDTH - 1]}…"
        yield (entry.revision.name, str(entry.number), short, entry.state, entry.age, ", ".join(entry.changes))

"""The Events of an agent: of the AgentDeployment, of its children and of its pods."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from agent_operator.api import constants
from agentctl.cluster.history import short_duration
from agentctl.cluster.kubectl import TIMEOUT, Kubectl
from agentctl.cluster.snapshot import children_namespace
from agentctl.cluster.states import Colour, DisplayState
from agentctl.objects import Object, nested_field

HEADER = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")
# Anyone may create any number of Events, so they are read in pages, of which only those of the agent are kept.
_PAGE = 500
_MAX_PAGES = 200
_MAX_KEPT = 1_000
# The hashes in the names of ReplicaSets and pods have neither vowels nor digits that look like letters.
_HASH = "[bcdfghjklmnpqrstvwxz2456789]"


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects whose Events belong to an agent.

    Attributes:
        names: kind and name of the agent and its children.
        generated: matches the names of ReplicaSets and pods, also of deleted ones.
    """

    names: frozenset[tuple[str, str]]
    generated: re.Pattern[str]

    def has(self, event: Object) -> bool:
        """Return whether an Event belongs to the agent."""
        kind, name = _involved(event)
        if kind in ("Pod", "ReplicaSet") and self.generated.fullmatch(name):
            return True
        return (kind, name) in self.names


def selection(agent: Object) -> Selection:
    """Return which Events belong to an agent."""
    name = str(agent["metadata"]["name"])
    children = nested_field(agent, "status", "children") or ()
    names = {(constants.KIND, name), *((str(it.get("kind")), str(it.get("name"))) for it in children)}
    jobs = [re.escape(it) + f"-{_HASH}{{5}}" for kind, it in sorted(names) if kind == "Job"]
    deployments = [f"{re.escape(it)}-{_HASH}{{6,10}}(-{_HASH}{{5}})?" for it in (name, constants.canary(name))]
    return Selection(frozenset(names), re.compile("|".join((*deployments, *jobs))))


def namespaces(agent: Object) -> list[str]:
    """Return the namespaces with Events of an agent."""
    return sorted({str(agent["metadata"]["namespace"]), children_namespace(agent)})


def read(kubectl: Kubectl, agent: Object) -> tuple[list[Object], bool]:
    """Return the latest Events of an agent, the last at the end, and whether all Events were read.

    Raises:
        CommandError: the API server does not respond.
    """
    wanted, kept, complete = selection(agent), list[Object](), True
    for namespace in namespaces(agent):
        for number, page in enumerate(_pages(kubectl, namespace)):
            kept = sorted((*kept, *filter(wanted.has, page)), key=last_seen)[-_MAX_KEPT:]
            if number + 1 == _MAX_PAGES:
                complete = False
                break
    return kept, complete


def _pages(kubectl: Kubectl, namespace: str) -> Iterator[list[Object]]:
    path = f"/api/v1/namespaces/{namespace}/events?limit={_PAGE}"
    token = ""
    while True:
        suffix = f"&continue={quote(token)}" if token else ""
        found = json.loads(kubectl.run("get", f"--raw={path}{suffix}", f"--request-timeout={TIMEOUT}"))
        yield found.get("items") or []
        token = str(nested_field(found, "metadata", "continue") or "")
        if not token:
            return


def last_seen(event: Object) -> str:
    """Return the time of the last occurrence, RFC 3339 in UTC."""
    series = nested_field(event, "series", "lastObservedTime")
    created = nested_field(event, "metadata", "creationTimestamp")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or created or "")


def cells(event: Object, now: datetime) -> tuple[str | DisplayState, ...]:
    """Return the row of an Event."""
    kind, name = _involved(event)
    is_warning = event.get("type") == "Warning"
    state = DisplayState(str(event.get("type") or ""), Colour.BAD if is_warning else Colour.PLAIN)
    message = " ".join(str(event.get("message") or "").split())
    return (_age(last_seen(event), now), state, str(event.get("reason") or ""), f"{kind.lower()}/{name}", message)


def only_warnings(events: Iterable[Object]) -> Sequence[Object]:
    """Return the Events of type Warning."""
    return [event for event in events if event.get("type") == "Warning"]


def _involved(event: Object) -> tuple[str, str]:
    found = event.get("involvedObject")
    return str(nested_field(found, "kind") or ""), str(nested_field(found, "name") or "")


def _age(time: str, now: datetime) -> str:
    try:
        return short_duration((now - datetime.fromisoformat(time)).total_seconds())
    except (TypeError, ValueError):
        return ""

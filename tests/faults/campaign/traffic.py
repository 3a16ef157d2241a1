"""What a request or a watch event is, without what differs from run to run. Pure."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.faults.shape import POD

Object = dict[str, Any]
# Hashes of contents and of addresses, and the suffixes of pods.
_VARYING = re.compile(rf"{POD}(-[a-z0-9]{{5}})?\b")
_PATH = re.compile(r"^/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)(?:/(?P<rest>.*))?$")
_JSON_PATCH = "application/json-patch+json"
_VERBS = {"POST": "create", "PUT": "update", "DELETE": "delete"}
_READS = frozenset({"discover", "get", "list", "watch"})
# Writes that are not a part of the end state: the operator neither retries nor compares them.
_INCIDENTAL = frozenset({"events", "leases"})


class Request(NamedTuple):
    """A request of the operator.

    Attributes:
        verb: discover, get, list, watch, create, apply, update, status, patch or delete.
        kind: the plural of the kind; the group for discovery.
        name: masked name of the object; empty for a collection.
    """

    verb: str
    kind: str
    name: str = ""

    @property
    def writes(self) -> bool:
        return self.verb not in _READS

    @property
    def counts(self) -> bool:
        """Whether the request writes an agent or a child."""
        return self.writes and self.kind not in _INCIDENTAL


class Event(NamedTuple):
    """An event of a watch: the plural of the kind, the type and the masked name of the object."""

    kind: str
    type: str
    name: str


@dataclass
class Traffic:
    """The requests and the events of a run, with the number of each among its equals, from 1."""

    requests: list[tuple[Request, int]] = field(default_factory=list)
    events: list[tuple[Event, int]] = field(default_factory=list)
    _counts: Counter[Request | Event] = field(default_factory=Counter)

    def count(self, item: Request | Event) -> int:
        """Record a request or an event; return its number."""
        self._counts[item] += 1
        number = self._counts[item]
        if isinstance(item, Request):
            self.requests.append((item, number))
        else:
            self.events.append((item, number))
        return number


def identify(method: str, path: str, query: Mapping[str, str], content_type: str, body: bytes) -> Request:
    """Return which request this is."""
    found = _PATH.match(path)
    parts = (found["rest"] or "").split("/") if found else []
    group = (found and found["group"]) or "core"
    if not parts or not parts[0]:
        return Request("discover", group)
    if parts[0] == "namespaces" and len(parts) > 2:
        parts = parts[2:]
    kind, name, sub = (*parts, "", "", "")[:3]
    return Request(_verb(method, query, content_type, name, sub, body), kind, masked_name(name))


def _verb(method: str, query: Mapping[str, str], content_type: str, name: str, sub: str, body: bytes) -> str:
    if method == "GET":
        return "watch" if "watch" in query else ("get" if name else "list")
    if method != "PATCH":
        return _VERBS[method]
    if sub:
        return sub
    if content_type == _JSON_PATCH:
        return "patch"
    # The operator creates by server-side apply with a resourceVersion that no object has.
    return "create" if "resourceVersion" in (json.loads(body).get("metadata") or {}) else "apply"


def event(kind: str, line: bytes) -> Event:
    """Return which event a line of a watch is."""
    found = json.loads(line)
    return Event(kind, found["type"], masked_name((found["object"].get("metadata") or {}).get("name", "")))


def masked_name(name: str) -> str:
    """Return the name of an object without its namespace's and its content's part."""
    return _VARYING.sub("-HASH", name)

"""Indexes the agents of the cluster by the channel that they follow."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent_operator.fleet.members import Member, followed_channel, read_member
from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key, Live
from agent_operator.tasks import ENDS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A cached agent and what was read from it. `is_orphaned`: it has an assignment but follows no channel."""

    live: Live
    member: Member | None
    is_orphaned: bool


class MemberIndex:
    """Members by channel, and the agents with an orphaned assignment. Reads only agents that changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: dict[Key, _Entry] = {}

    def refresh(self) -> Mapping[str, Iterable[Member]]:
        """Read the agents that changed since the last refresh, and return all members by name of their channel."""
        before, self._entries = self._entries, {}
        by_channel: dict[str, list[Member]] = {}
        for key in self._store.agents:
            live = self._store.agent(key)
            if live is None:
                continue
            entry = before.get(key)
            if entry is None or entry.live is not live:
                entry = _try_read(key, live)
            self._entries[key] = entry
            if entry.member is not None:
                by_channel.setdefault(entry.member.channel, []).append(entry.member)
        return by_channel

    def orphaned(self) -> list[tuple[Key, str]]:
        """Return key and UID of the agents that have an assignment but follow no channel."""
        return [(key, entry.live.uid) for key, entry in self._entries.items() if entry.is_orphaned]


def _try_read(key: Key, live: Live) -> _Entry:
    """Read an agent. One that cannot be read follows no channel; this is logged once per version.

    Everybody who may write an agent decides what it contains. It must not keep the other agents from updates.
    """
    try:
        return _read(live)
    except ENDS:
        raise
    except BaseException:
        log.exception("agent not read: it follows no channel until it changes", extra={"agent": str(key)})
        return _Entry(live, None, is_orphaned=False)


def _read(live: Live) -> _Entry:
    raw = live.object
    has_assignment = "channel" in (raw.get("status") or {})
    follows_none = not followed_channel(raw) and not raw["metadata"].get("deletionTimestamp")
    return _Entry(live, read_member(raw), has_assignment and follows_none and not live.unreadable)

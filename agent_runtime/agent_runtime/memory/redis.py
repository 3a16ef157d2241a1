"""Sessions in Redis, so that any replica can continue them: one round trip to read, and one to write a turn.

A session is a Redis list with one entry per turn, written in one transaction, so turns of concurrent requests do not
interleave. While Redis fails, this pod keeps new turns, continues conversations with the turns that it has seen, and
writes the new ones when Redis is back.
"""

import asyncio
import logging
from typing import Any

from redis.exceptions import ResponseError

from agent_runtime.config import CacheConfig
from agent_runtime.environment import Environment
from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError
from agent_runtime.memory.base import MAX_TURNS, Turn, decode, encode, newest
from agent_runtime.memory.cluster import Cluster
from agent_runtime.memory.connection import Command
from agent_runtime.memory.local import LocalStore
from agent_runtime.memory.login import Login
from agent_runtime.memory.parsed import ParsedSessions
from agent_runtime.memory.recent import RecentTurns
from agent_runtime.memory.redis_faults import FAILURES, BrokenKeys, concerns_one_key, even_after_failover, explain
from agent_runtime.memory.topology import Redis, SinglePrimary

# Seconds for a round trip, which usually takes a millisecond. Users must not wait for a slow Redis.
TIMEOUT = 1.0
SESSIONS_AT_ONCE = 100

log = logging.getLogger(__name__)


class RedisStore:
    """Keeps sessions in Redis; see SessionStore. As a health component it is called redis."""

    name = "redis"

    def __init__(self, config: CacheConfig, environment: Environment, probe_now: asyncio.Event) -> None:
        self._probe_now = probe_now
        self._prefix = config.prefix
        self._ttl = config.ttl
        self._address = config.address
        self._login = Login(config, environment, TIMEOUT)
        self._is_cluster = bool(config.cluster)
        # With replicas, turns of the last seconds may be lost in a failover.
        self._has_replicas = self._is_cluster or config.sentinel is not None
        topology = Cluster if self._is_cluster else SinglePrimary
        self._redis: Redis = topology(config, self._login, TIMEOUT)
        self._seen = LocalStore(config.ttl)
        self._parsed = ParsedSessions(config.ttl)
        self._recent = RecentTurns()
        self._unwritten = LocalStore(config.ttl)
        # While False, requests do not try Redis. probe() sets it to True.
        self._available = True
        self._broken_keys = BrokenKeys()

    async def history(self, session_id: str) -> list[Turn]:
        """Return the turns of a session; see SessionStore."""
        if not self._available:
            return await self._seen.history(session_id)
        try:
            if (turns := await self._unchanged(session_id)) is not None:
                return turns
            # The list may be longer if something else wrote it.
            stored = await self._last(session_id, MAX_TURNS)
        except FAILURES as error:
            self._failed(error, session_id)
            return await self._seen.history(session_id)
        unwritten = self._unwritten.stored(session_id)
        missing = self._recent.missing(session_id, (*stored, *unwritten))
        self._seen.put(session_id, (*stored, *missing, *unwritten))
        turns = decode((*stored, *missing, *unwritten))
        if len(kept := newest(stored)) < len(stored):
            await self.transact(("LTRIM", self.key(session_id), -max(1, len(kept)), -1))
        elif not missing and not unwritten:
            self._parsed.keep(session_id, stored, turns)
        return turns

    async def _unchanged(self, session_id: str) -> list[Turn] | None:
        """Return the turns of a session that this pod has parsed, if Redis has no others."""
        last = self._parsed.last(session_id)
        if not last or self._unwritten.stored(session_id):
            return None
        found = await self._last(session_id, len(last))
        return self._parsed.unchanged(session_id, last) if tuple(found) == last else None

    async def _last(self, session_id: str, number: int) -> list[bytes]:
        """Return the last turns of a session in Redis."""
        turns: list[bytes] = await self._redis.execute(("LRANGE", self.key(session_id), -number, -1))
        return turns

    async def append(self, session_id: str, turn: Turn) -> None:
        """Add a turn; see SessionStore."""
        stored = encode(turn)
        new, written = [stored], False
        self._seen.add(session_id, stored)
        try:
            if self._available:
                written = await even_after_failover(lambda: self._write(session_id, new)) == (stored,)
        except FAILURES as error:
            self._failed(error, session_id)
        finally:
            # Also after a cancellation, or if another failure came before the write.
            if new:
                self._unwritten.add(session_id, *new)
            if written:
                self._parsed.add(session_id, stored, turn)
            else:
                self._parsed.forget(session_id)

    async def delete(self, session_id: str) -> bool:
        """Delete a session; see SessionStore."""
        try:
            known = bool(await self._redis.execute(("DEL", self.key(session_id))))
        except FAILURES as error:
            self._failed(error)
            raise Problem(503, "memory_unavailable", "Redis cannot be reached", retry_after=5) from None
        unwritten = await self._unwritten.delete(session_id)
        await self._seen.delete(session_id)
        self._parsed.forget(session_id)
        self._recent.forget(session_id)
        return known or unwritten

    def drop_expired(self) -> None:
        """Drop this pod's copies of expired sessions; see SessionStore."""
        self._seen.drop_expired()
        self._parsed.drop_expired()
        self._recent.drop_expired()
        self._unwritten.drop_expired()

    async def add(self, name: str, amount: int, ttl: int) -> int | None:
        """Add to a counter; see budget.Counter."""
        replies = await self.transact(("INCRBY", self.key(name), amount), ("EXPIRE", self.key(name), ttl))
        return int(replies[0]) if replies else None

    async def transact(self, *commands: Command) -> list[Any] | None:
        """Execute commands in one transaction; see a2a.shared.KeyValueStore. Returns None while Redis fails."""
        if not self._available:
            return None
        try:
            return await even_after_failover(lambda: self._transaction(*commands))
        except FAILURES as error:
            self._failed(error, str(commands[0][1]) if commands else "")
            return None

    async def probe(self) -> dict[str, Any]:
        """Check the connection, and write the turns that are not written yet."""
        try:
            await self._redis.check()
            await self._find_lost_turns()
            for session_id in self._unwritten.sessions():
                await self._write_later(session_id)
        except FAILURES as error:
            self._failed(error)
            fault = explain(error, self._address)
            raise UnhealthyError(fault.message, fault.reason) from None
        self._available = True
        return {}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._login.aclose()

    def key(self, name: str) -> str:
        """Return the Redis key of a name of this agent. In a Cluster, the keys of A2A tasks are in one slot."""
        if self._is_cluster and name.startswith("a2a:"):
            return f"{{{self._prefix}a2a}}{name.removeprefix('a2a')}"
        return f"{self._prefix}{name}"

    async def _find_lost_turns(self) -> None:
        """After a failover, find the turns that the present primary does not have, to write them again."""
        self._recent.note_failovers(self._redis.failovers)
        if not self._available:
            self._recent.doubt()
        sessions = list(self._recent.unverified)
        for first in range(0, len(sessions), SESSIONS_AT_ONCE):
            await asyncio.gather(*map(self._verify, sessions[first : first + SESSIONS_AT_ONCE]))

    async def _verify(self, session_id: str) -> None:
        """Add the turns of a session that the present primary does not have to those that are not written yet."""
        try:
            stored = await self._last(session_id, MAX_TURNS)
        except ResponseError as error:
            if not concerns_one_key(error):
                raise
            stored = []
        waiting = self._unwritten.stored(session_id)
        if lost := self._recent.missing(session_id, (*stored, *waiting)):
            self._unwritten.put(session_id, (*lost, *waiting))
        self._recent.unverified.discard(session_id)

    async def _write_later(self, session_id: str) -> None:
        """Write turns that could not be written before. An error of their key does not concern the other sessions."""
        self._parsed.forget(session_id)
        try:
            await self._write(session_id, [])
        except ResponseError as error:
            if not concerns_one_key(error):
                raise
            self._failed(error, session_id)

    async def _write(self, session_id: str, new: list[bytes]) -> tuple[bytes, ...]:
        """Write the turns that are not written yet, and the new ones, which the list no longer has then.

        Return what was written.
        """
        self._recent.note_failovers(self._redis.failovers)
        if session_id in self._recent.unverified:
            await self._verify(session_id)
        turns = (*self._unwritten.take(session_id), *new)
        new.clear()
        if not turns:
            return ()
        key = self.key(session_id)
        try:
            await self._transaction(("RPUSH", key, *turns), ("LTRIM", key, -MAX_TURNS, -1), ("EXPIRE", key, self._ttl))
            if self._has_replicas:
                self._recent.add(session_id, turns)
        except BaseException as error:  # also a cancelled write: it may not have arrived, and a duplicate is harmless
            if not concerns_one_key(error):
                self._unwritten.put(session_id, (*turns, *self._unwritten.stored(session_id)))
            raise
        return turns

    async def _transaction(self, *commands: Command) -> list[Any]:
        """Return the replies to commands in one transaction."""
        replies: list[Any] = await self._redis.execute(("MULTI",), *commands, ("EXEC",))
        return replies

    def _failed(self, error: Exception, name: str = "") -> None:
        """Record a failure; stop to use Redis until the next probe unless only the key of this name is broken."""
        if concerns_one_key(error):
            self._broken_keys.report(name, error)
            return
        if self._available:
            log.warning("redis failed", extra={"fields": {"reason": explain(error, self._address).message}})
        self._available = False
        self._probe_now.set()

"""Sessions in Redis, so that any replica can continue them: one round trip to read, and one to write a turn.

A session is a Redis list with one entry per turn, written in one transaction, so turns of concurrent requests do not
interleave. While Redis fails, this pod keeps new turns, continues conversations with the turns that it has seen, and
writes the new ones when Redis is back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.exceptions import AuthenticationError, AuthorizationError, ReadOnlyError, RedisError, ResponseError

from agent_runtime import connection_faults
from agent_runtime.config import CacheConfig
from agent_runtime.connection_faults import ConnectionFault
from agent_runtime.environment import Environment
from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError
from agent_runtime.logs import pseudonym
from agent_runtime.memory.base import MAX_TURNS, Turn, decode, newest
from agent_runtime.memory.cluster import Cluster
from agent_runtime.memory.connection import Command
from agent_runtime.memory.local import LocalStore
from agent_runtime.memory.login import Login
from agent_runtime.memory.recent import RecentTurns
from agent_runtime.memory.topology import Redis, SinglePrimary

# Seconds for a round trip, which usually takes a millisecond. Users must not wait for a slow Redis.
TIMEOUT = 1.0
MAX_BROKEN_KEYS = 1000
SESSIONS_AT_ONCE = 100
_FAILURES = (RedisError, OSError, TimeoutError, UnhealthyError)
# Beginnings of errors that concern one key: it has another type or no number, or the number would overflow.
_KEY_ERRORS = ("WRONGTYPE", "value is not an integer", "increment or decrement would overflow")

T = TypeVar("T")

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
        self._recent = RecentTurns()
        self._unwritten = LocalStore(config.ttl)
        # While False, requests do not try Redis. probe() sets it to True.
        self._available = True
        # Keys that are already logged.
        self._broken_keys: set[str] = set()

    async def history(self, session_id: str) -> list[Turn]:
        """Return the turns of a session; see SessionStore."""
        if not self._available:
            return await self._seen.history(session_id)
        try:
            # The list may be longer if something else wrote it.
            command = ("LRANGE", self.key(session_id), -MAX_TURNS, -1)
            stored: list[bytes] = await self._redis.execute(command)
        except _FAILURES as error:
            self._failed(error, session_id)
            return await self._seen.history(session_id)
        if len(kept := newest(stored)) < len(stored):
            await self.transact(("LTRIM", self.key(session_id), -max(1, len(kept)), -1))
        unwritten = self._unwritten.stored(session_id)
        turns = (*stored, *self._recent.missing(session_id, (*stored, *unwritten)), *unwritten)
        self._seen.put(session_id, turns)
        return decode(turns)

    async def append(self, session_id: str, turn: Turn) -> None:
        """Add a turn; see SessionStore."""
        await self._seen.append(session_id, turn)
        await self._unwritten.append(session_id, turn)
        if self._available:
            try:
                await _even_after_failover(lambda: self._write(session_id))
            except _FAILURES as error:
                self._failed(error, session_id)

    async def delete(self, session_id: str) -> bool:
        """Delete a session; see SessionStore."""
        try:
            known = bool(await self._redis.execute(("DEL", self.key(session_id))))
        except _FAILURES as error:
            self._failed(error)
            raise Problem(503, "memory_unavailable", "Redis cannot be reached", retry_after=5) from None
        unwritten = await self._unwritten.delete(session_id)
        await self._seen.delete(session_id)
        self._recent.forget(session_id)
        return known or unwritten

    def drop_expired(self) -> None:
        """Drop this pod's copies of expired sessions; see SessionStore."""
        self._seen.drop_expired()
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
            return await _even_after_failover(lambda: self._transaction(*commands))
        except _FAILURES as error:
            self._failed(error, str(commands[0][1]) if commands else "")
            return None

    async def probe(self) -> dict[str, Any]:
        """Check the connection, and write the turns that are not written yet."""
        try:
            await self._redis.check()
            await self._find_lost_turns()
            for session_id in self._unwritten.sessions():
                await self._write_later(session_id)
        except _FAILURES as error:
            self._failed(error)
            fault = self._explain(error)
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
            stored: list[bytes] = await self._redis.execute(("LRANGE", self.key(session_id), -MAX_TURNS, -1))
        except ResponseError as error:
            if not _concerns_one_key(error):
                raise
            stored = []
        waiting = self._unwritten.stored(session_id)
        if lost := self._recent.missing(session_id, (*stored, *waiting)):
            self._unwritten.put(session_id, (*lost, *waiting))
        self._recent.unverified.discard(session_id)

    async def _write_later(self, session_id: str) -> None:
        """Write turns that could not be written before. An error of their key does not concern the other sessions."""
        try:
            await self._write(session_id)
        except ResponseError as error:
            if not _concerns_one_key(error):
                raise
            self._failed(error, session_id)

    async def _write(self, session_id: str) -> None:
        self._recent.note_failovers(self._redis.failovers)
        if session_id in self._recent.unverified:
            await self._verify(session_id)
        turns = self._unwritten.take(session_id)
        if not turns:
            return
        key = self.key(session_id)
        try:
            await self._transaction(("RPUSH", key, *turns), ("LTRIM", key, -MAX_TURNS, -1), ("EXPIRE", key, self._ttl))
            if self._has_replicas:
                self._recent.add(session_id, turns)
        except BaseException as error:  # also a cancelled write: it may not have arrived, and a duplicate is harmless
            if not _concerns_one_key(error):
                self._unwritten.put(session_id, (*turns, *self._unwritten.stored(session_id)))
            raise

    async def _transaction(self, *commands: Command) -> list[Any]:
        """Return the replies to commands in one transaction."""
        replies: list[Any] = await self._redis.execute(("MULTI",), *commands, ("EXEC",))
        return replies

    def _failed(self, error: Exception, name: str = "") -> None:
        """Record a failure; stop to use Redis until the next probe unless only the key of this name is broken."""
        if _concerns_one_key(error):
            self._report_key(name, error)
            return
        if self._available:
            log.warning("redis failed", extra={"fields": {"reason": self._explain(error).message}})
        self._available = False
        self._probe_now.set()

    def _report_key(self, name: str, error: Exception) -> None:
        """Log a broken key once. Only this pod remembers its session; the key may belong to something else."""
        if name in self._broken_keys:
            return
        if len(self._broken_keys) >= MAX_BROKEN_KEYS:
            self._broken_keys.clear()
        self._broken_keys.add(name)
        fields = {"key": pseudonym(name), "reason": str(error)[:100]}
        log.warning("a key in redis is broken", extra={"fields": fields})

    def _explain(self, error: Exception) -> ConnectionFault:
        if isinstance(error, UnhealthyError):
            return ConnectionFault(error.reason, str(error))
        if isinstance(error, AuthenticationError | AuthorizationError):
            message = f"Redis at {self._address} refuses the password: check REDIS_PASSWORD"
            return ConnectionFault("CredentialsRefused", message)
        if isinstance(error, ReadOnlyError):
            message = f"Redis at {self._address} is a replica: wait for the failover, or name the primary"
            return ConnectionFault("ReadOnly", message)
        found = connection_faults.explain(error, self._address)
        if found.reason != connection_faults.FAILED:
            return ConnectionFault(found.reason, f"Redis cannot be reached: {found.message}")
        return ConnectionFault(found.reason, f"Redis at {self._address} fails: {type(error).__name__}")


async def _even_after_failover(action: Callable[[], Awaitable[T]]) -> T:
    """Return the result of an action, which is repeated if the server has become a replica and has done nothing."""
    try:
        return await action()
    except ReadOnlyError:
        return await action()


def _concerns_one_key(error: BaseException) -> bool:
    return isinstance(error, ResponseError) and str(error).startswith(_KEY_ERRORS)

"""Sessions in Redis, so that any replica can continue them: one round trip to read, and one to write a turn.

A session is a Redis list with one entry per turn, written in one transaction, so turns of concurrent requests do not
interleave. While Redis fails, this pod keeps new turns, continues conversations with the turns that it has seen, and
writes the new ones when Redis is back.
"""

import asyncio
import logging
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError, ResponseError

from agent_runtime import connection_faults
from agent_runtime.config import CacheConfig
from agent_runtime.connection_faults import ConnectionFault
from agent_runtime.environment import Environment
from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError
from agent_runtime.logs import pseudonym
from agent_runtime.memory.base import MAX_TURNS, Turn, decode
from agent_runtime.memory.connection import Command, SharedConnection
from agent_runtime.memory.local import LocalStore

# Seconds for a round trip, which usually takes a millisecond. Users must not wait for a slow Redis.
TIMEOUT = 1.0
MAX_BROKEN_KEYS = 1000
_FAILURES = (RedisError, OSError, TimeoutError)
# Beginnings of errors that concern one key: it has another type or no number, or the number would overflow.
_KEY_ERRORS = ("WRONGTYPE", "value is not an integer", "increment or decrement would overflow")

log = logging.getLogger(__name__)


class RedisStore:
    """Keeps sessions in Redis; see SessionStore. As a health component it is called redis."""

    name = "redis"

    def __init__(self, config: CacheConfig, environment: Environment, probe_now: asyncio.Event) -> None:
        self._probe_now = probe_now
        self._prefix = config.prefix
        self._ttl = config.ttl
        self._address = f"{config.host}:{config.port}"
        self._redis = SharedConnection(lambda: _connection(config, environment), TIMEOUT)
        self._seen = LocalStore(config.ttl)
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
        turns = (*stored, *self._unwritten.stored(session_id))
        self._seen.put(session_id, turns)
        return decode(turns)

    async def append(self, session_id: str, turn: Turn) -> None:
        """Add a turn; see SessionStore."""
        await self._seen.append(session_id, turn)
        await self._unwritten.append(session_id, turn)
        if self._available:
            try:
                await self._write(session_id)
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
        return known or unwritten

    def drop_expired(self) -> None:
        """Drop this pod's copies of expired sessions; see SessionStore."""
        self._seen.drop_expired()
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
            return await self._transaction(*commands)
        except _FAILURES as error:
            self._failed(error, str(commands[0][1]) if commands else "")
            return None

    async def probe(self) -> dict[str, Any]:
        """Ping, and write the turns that are not written yet."""
        try:
            await self._redis.execute(("PING",))
            for session_id in self._unwritten.sessions():
                await self._write_later(session_id)
        except _FAILURES as error:
            self._failed(error)
            fault = self._explain(error)
            raise UnhealthyError(fault.message, fault.reason) from None
        self._available = True
        return {}

    async def aclose(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    def key(self, name: str) -> str:
        """Return the Redis key of a name of this agent."""
        return f"{self._prefix}{name}"

    async def _write_later(self, session_id: str) -> None:
        """Write turns that could not be written before. An error of their key does not concern the other sessions."""
        try:
            await self._write(session_id)
        except ResponseError as error:
            if not _concerns_one_key(error):
                raise
            self._failed(error, session_id)

    async def _write(self, session_id: str) -> None:
        turns = self._unwritten.take(session_id)
        if not turns:
            return
        key = self.key(session_id)
        try:
            await self._transaction(("RPUSH", key, *turns), ("LTRIM", key, -MAX_TURNS, -1), ("EXPIRE", key, self._ttl))
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
        if isinstance(error, AuthenticationError | AuthorizationError):
            message = f"Redis at {self._address} refuses the password: check REDIS_PASSWORD"
            return ConnectionFault("CredentialsRefused", message)
        found = connection_faults.explain(error, self._address)
        if found.reason != connection_faults.FAILED:
            return ConnectionFault(found.reason, f"Redis cannot be reached: {found.message}")
        return ConnectionFault(found.reason, f"Redis at {self._address} fails: {type(error).__name__}")


def _concerns_one_key(error: BaseException) -> bool:
    return isinstance(error, ResponseError) and str(error).startswith(_KEY_ERRORS)


def _connection(config: CacheConfig, environment: Environment) -> AbstractConnection:
    password = environment.redis_password
    kind = SSLConnection if config.ssl else Connection
    return kind(
        host=config.host or "",
        port=config.port,
        username=environment.redis_username,
        password=password.get_secret_value() if password else None,
        # SharedConnection limits the time of a round trip.
        socket_timeout=None,
        socket_connect_timeout=TIMEOUT,
        socket_keepalive=True,
        protocol=2,
    )

"""Sessions in Redis, so that any replica can go on with them: one round trip to read, one to write a turn.

A session is a list, one entry a turn, written in one transaction: turns of concurrent requests never interleave. When
Redis fails, turns are kept here and written once it is back; a conversation goes on with what this pod has seen of it.
"""

import asyncio
import logging
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError

from agent_runtime.config import CacheConfig
from agent_runtime.environment import Environment
from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError
from agent_runtime.memory.base import MAX_TURNS, Turn, decode
from agent_runtime.memory.connection import Command, SharedConnection
from agent_runtime.memory.local import LocalStore

# Redis answers within a millisecond; a user should not wait for one that does not.
TIMEOUT = 1.0
_FAILURES = (RedisError, OSError, TimeoutError)

log = logging.getLogger(__name__)


class RedisStore:
    """Keeps sessions in Redis; see SessionStore. As a health component it is called redis."""

    name = "redis"

    def __init__(self, config: CacheConfig, environment: Environment, alarm: asyncio.Event) -> None:
        self._alarm = alarm
        self._prefix = config.prefix
        self._ttl = config.ttl
        self._address = f"{config.host}:{config.port}"
        self._redis = SharedConnection(lambda: _connection(config, environment), TIMEOUT)
        self._seen = LocalStore(config.ttl)
        self._unwritten = LocalStore(config.ttl)
        # While False requests do not wait for Redis; probe() sets it again.
        self._available = True

    async def history(self, session_id: str) -> list[Turn]:
        """The turns of a session; see SessionStore."""
        if not self._available:
            return await self._seen.history(session_id)
        try:
            stored: list[bytes] = await self._redis.ask(("LRANGE", self.key(session_id), 0, -1))
        except _FAILURES as error:
            self._failed(error)
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
                self._failed(error)

    async def delete(self, session_id: str) -> bool:
        """Forget a session; see SessionStore."""
        try:
            known = bool(await self._redis.ask(("DEL", self.key(session_id))))
        except _FAILURES as error:
            self._failed(error)
            raise Problem(503, "memory_unavailable", "Redis cannot be reached", retry_after=5) from None
        unwritten = await self._unwritten.delete(session_id)
        await self._seen.delete(session_id)
        return known or unwritten

    def forget_expired(self) -> None:
        """Let go of what this pod has seen of sessions that Redis has forgotten; see SessionStore."""
        self._seen.forget_expired()
        self._unwritten.forget_expired()

    async def add(self, name: str, amount: int, ttl: int) -> int | None:
        """Add to a count; see budget.Counter."""
        answers = await self.transact(("INCRBY", self.key(name), amount), ("EXPIRE", self.key(name), ttl))
        return int(answers[0]) if answers else None

    async def transact(self, *commands: Command) -> list[Any] | None:
        """Carry out commands all together or not at all; see a2a.shared.Keys."""
        if not self._available:
            return None
        try:
            return await self._transaction(*commands)
        except _FAILURES as error:
            self._failed(error)
            return None

    async def probe(self) -> dict[str, Any]:
        """Ping, and write what could not be written before."""
        try:
            await self._redis.ask(("PING",))
            for session_id in self._unwritten.sessions():
                await self._write(session_id)
        except _FAILURES as error:
            self._failed(error)
            raise UnhealthyError(self._explain(error)) from None
        self._available = True
        return {}

    async def aclose(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    def key(self, name: str) -> str:
        """What Redis calls something of this agent's."""
        return f"{self._prefix}{name}"

    async def _write(self, session_id: str) -> None:
        turns = self._unwritten.take(session_id)
        if not turns:
            return
        key = self.key(session_id)
        try:
            await self._transaction(("RPUSH", key, *turns), ("LTRIM", key, -MAX_TURNS, -1), ("EXPIRE", key, self._ttl))
        except BaseException:  # a cancelled write as well: it may not have arrived, and twice is harmless
            self._unwritten.put(session_id, (*turns, *self._unwritten.stored(session_id)))
            raise

    async def _transaction(self, *commands: Command) -> list[Any]:
        """The answers to commands that Redis carries out all together or not at all."""
        answers: list[Any] = await self._redis.ask(("MULTI",), *commands, ("EXEC",))
        return answers

    def _failed(self, error: Exception) -> None:
        if self._available:
            log.warning("redis failed", extra={"fields": {"reason": self._explain(error)}})
        self._available = False
        self._alarm.set()

    def _explain(self, error: Exception) -> str:
        if isinstance(error, AuthenticationError | AuthorizationError):
            return f"Redis at {self._address} refuses the password: check REDIS_PASSWORD"
        return f"Redis at {self._address} fails: {type(error).__name__}"


def _connection(config: CacheConfig, environment: Environment) -> AbstractConnection:
    password = environment.redis_password
    kind = SSLConnection if config.ssl else Connection
    return kind(
        host=config.host or "",
        port=config.port,
        username=environment.redis_username,
        password=password.get_secret_value() if password else None,
        # The whole of a round trip is timed by who asks for it.
        socket_timeout=None,
        socket_connect_timeout=TIMEOUT,
        socket_keepalive=True,
        protocol=2,
    )

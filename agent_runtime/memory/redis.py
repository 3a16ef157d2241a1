"""Sessions in Redis, so that any replica can go on with them: one round trip to read, one to write a turn.

A session is a list, one entry a turn, written in one transaction: turns of concurrent requests never interleave. When
Redis fails, turns are kept here and written once it is back; a conversation goes on with what this pod has seen of it.
"""

import asyncio
import logging
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError
from redis.exceptions import ConnectionError as Disconnected

from agent_runtime.config import CacheConfig
from agent_runtime.environment import Environment
from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError
from agent_runtime.memory.base import MAX_TURNS, Turn, decode
from agent_runtime.memory.local import LocalStore

# Redis answers within a millisecond; a user should not wait for one that does not.
TIMEOUT = 1.0
MAX_CONNECTIONS = 64
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
        self._redis = _connect(config, environment)
        self._seen = LocalStore(config.ttl)
        self._unwritten = LocalStore(config.ttl)
        # While False requests do not wait for Redis; probe() sets it again.
        self._available = True

    async def history(self, session_id: str) -> list[Turn]:
        """The turns of a session; see SessionStore."""
        if not self._available:
            return await self._seen.history(session_id)
        try:
            stored = cast("list[bytes]", await self._redis.lrange(self._key(session_id), 0, -1))
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
            known = bool(await self._redis.delete(self._key(session_id)))
        except _FAILURES as error:
            self._failed(error)
            raise Problem(503, "memory_unavailable", "Redis cannot be reached", retry_after=5) from None
        unwritten = await self._unwritten.delete(session_id)
        await self._seen.delete(session_id)
        return known or unwritten

    async def add(self, name: str, amount: int, ttl: int) -> int | None:
        """Add to a count; see budget.Counter."""
        if not self._available:
            return None
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.incrby(self._key(name), amount)
        pipeline.expire(self._key(name), ttl)
        try:
            total, _ = await pipeline.execute()
        except _FAILURES as error:
            self._failed(error)
            return None
        return int(total)

    async def probe(self) -> dict[str, Any]:
        """Ping, and write what could not be written before."""
        try:
            await self._redis.ping()
            for session_id in self._unwritten.sessions():
                await self._write(session_id)
        except _FAILURES as error:
            self._failed(error)
            raise UnhealthyError(self._explain(error)) from None
        self._available = True
        return {}

    async def aclose(self) -> None:
        """Close every connection."""
        await self._redis.aclose(close_connection_pool=True)

    def _key(self, session_id: str) -> str:
        return f"{self._prefix}{session_id}"

    async def _write(self, session_id: str) -> None:
        turns = self._unwritten.take(session_id)
        if not turns:
            return
        key = self._key(session_id)
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.rpush(key, *turns)
        pipeline.ltrim(key, -MAX_TURNS, -1)
        pipeline.expire(key, self._ttl)
        try:
            await pipeline.execute()
        except BaseException:  # a cancelled write as well: it may not have arrived, and twice is harmless
            self._unwritten.put(session_id, (*turns, *self._unwritten.stored(session_id)))
            raise

    def _failed(self, error: Exception) -> None:
        if self._available:
            log.warning("redis failed", extra={"fields": {"reason": self._explain(error)}})
        self._available = False
        self._alarm.set()

    def _explain(self, error: Exception) -> str:
        if isinstance(error, AuthenticationError | AuthorizationError):
            return f"Redis at {self._address} refuses the password: check REDIS_PASSWORD"
        return f"Redis at {self._address} fails: {type(error).__name__}"


def _connect(config: CacheConfig, environment: Environment) -> Redis:
    password = environment.redis_password
    options: dict[str, Any] = {"connection_class": SSLConnection} if config.ssl else {}
    pool = BlockingConnectionPool(
        host=config.host,
        port=config.port,
        username=environment.redis_username,
        password=password.get_secret_value() if password else None,
        max_connections=MAX_CONNECTIONS,
        timeout=TIMEOUT,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        socket_keepalive=True,
        # A connection that Redis closed while idle is opened anew; anything else is for probe() to see.
        retry=Retry(NoBackoff(), 1, supported_errors=(Disconnected,)),
        **options,
    )
    return Redis(connection_pool=pool)

"""Failures of Redis: what they concern, and their cause in words."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import AuthenticationError, AuthorizationError, ReadOnlyError, RedisError, ResponseError

from agent_runtime import connection_faults
from agent_runtime.connection_faults import ConnectionFault
from agent_runtime.health import UnhealthyError
from agent_runtime.logs import pseudonym

FAILURES = (RedisError, OSError, TimeoutError, UnhealthyError)
MAX_BROKEN_KEYS = 1000
# Beginnings of errors that concern one key: it has another type or no number, or the number would overflow.
_KEY_ERRORS = ("WRONGTYPE", "value is not an integer", "increment or decrement would overflow")

T = TypeVar("T")

log = logging.getLogger(__name__)


class BrokenKeys:
    """Logs each broken key once."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def report(self, name: str, error: Exception) -> None:
        """Log a broken key. Only this pod remembers its session; the key may belong to something else."""
        if name in self._logged:
            return
        if len(self._logged) >= MAX_BROKEN_KEYS:
            self._logged.clear()
        self._logged.add(name)
        log.warning("a key in redis is broken", extra={"fields": {"key": pseudonym(name), "reason": str(error)[:100]}})


def concerns_one_key(error: BaseException) -> bool:
    """Return whether an error concerns one key, not Redis as a whole."""
    return isinstance(error, ResponseError) and str(error).startswith(_KEY_ERRORS)


async def even_after_failover(action: Callable[[], Awaitable[T]]) -> T:
    """Return the result of an action, which is repeated if the server has become a replica and has done nothing."""
    try:
        return await action()
    except ReadOnlyError:
        return await action()


def explain(error: Exception, address: str) -> ConnectionFault:
    """Return the cause of a failure of the Redis at an address."""
    if isinstance(error, UnhealthyError):
        return ConnectionFault(error.reason, str(error))
    if isinstance(error, AuthenticationError | AuthorizationError):
        message = f"Redis at {address} refuses the password: check REDIS_PASSWORD"
        return ConnectionFault("CredentialsRefused", message)
    if isinstance(error, ReadOnlyError):
        message = f"Redis at {address} is a replica: wait for the failover, or name the primary"
        return ConnectionFault("ReadOnly", message)
    found = connection_faults.explain(error, address)
    if found.reason != connection_faults.FAILED:
        return ConnectionFault(found.reason, f"Redis cannot be reached: {found.message}")
    return ConnectionFault(found.reason, f"Redis at {address} fails: {type(error).__name__}")

"""A Redis Cluster: each key is on the server that has its slot."""

import asyncio
from typing import Any

from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from agent_runtime.config import CacheConfig
from agent_runtime.health import UnhealthyError
from agent_runtime.memory.connection import Command, SharedConnection
from agent_runtime.memory.login import Login

Address = tuple[str, int]
# Redirections of one request. A failover or a moved slot gives one or two.
MAX_REDIRECTIONS = 5
# Seconds before a request is sent again while a slot moves.
PAUSE = 0.05
# Servers with a slot. A larger answer is not from a Cluster.
MAX_SERVERS = 1000
_FAILURES = (RedisError, OSError, TimeoutError, UnhealthyError)


class Cluster:
    """Sends each transaction to the server of its key. There is one connection per server."""

    def __init__(self, config: CacheConfig, login: Login, timeout: float) -> None:
        self._seed: Address = (config.host or "", config.port)
        self._login = login
        self._timeout = timeout
        self._connections: dict[Address, SharedConnection] = {}
        # First and last slot, and the server that has them.
        self._slots: list[tuple[int, int, Address]] = []
        self.failovers = 0

    async def execute(self, *commands: Command) -> Any:
        """See topology.Redis."""
        slot = _slot(commands)
        async with asyncio.timeout(self._timeout):
            if not self._slots:
                await self._refresh()
            address = self._address(slot)
            for _ in range(MAX_REDIRECTIONS):
                try:
                    return await self._at(address).execute(*commands)
                except MovedError as moved:
                    address = (moved.host or address[0], moved.port)
                    # Other slots have moved as well, after a failover.
                    self._slots = []
                    self.failovers += 1
                except AskError as ask:
                    return await self._asking((ask.host or address[0], ask.port), commands)
                except (ReadOnlyError, TryAgainError):
                    await asyncio.sleep(PAUSE)
                    await self._refresh()
                    address = self._address(slot)
                except _FAILURES as error:
                    if isinstance(error, ClusterDownError) or not isinstance(error, ResponseError):
                        # The server may have lost its slots.
                        self._slots = []
                    raise
        raise ClusterDownError("too many redirections")

    async def check(self) -> None:
        """See topology.Redis. Every server with slots must answer."""
        command = await self._login.renewed()
        await self._refresh()
        servers = {address for _, _, address in self._slots}
        for address in set(self._connections) - servers - {self._seed}:
            await self._connections.pop(address).drop()
        if command is not None:
            await asyncio.gather(*(connection.execute(command) for connection in self._connections.values()))
        await asyncio.gather(*(self._at(address).execute(("PING",)) for address in servers))

    async def aclose(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            await connection.aclose()

    def _at(self, address: Address) -> SharedConnection:
        if address not in self._connections:
            self._connections[address] = SharedConnection(lambda: self._login.connection(*address), self._timeout)
        return self._connections[address]

    def _address(self, slot: int) -> Address:
        return next((address for first, last, address in self._slots if first <= slot <= last), self._seed)

    async def _refresh(self) -> None:
        """Read which server has which slots, from the first server that answers.

        Raises:
            RedisError, OSError, TimeoutError, UnhealthyError: none answers.
        """
        known = dict.fromkeys([self._seed, *(address for _, _, address in self._slots), *self._connections])
        failure: Exception | None = None
        for address in known:
            try:
                reply = await self._at(address).execute(("CLUSTER", "SLOTS"))
            except _FAILURES as error:
                failure = failure or error
                continue
            self._slots = _parsed(reply, address[0])
            if self._slots:
                return
            failure = ClusterDownError("no server has slots")
        raise failure or ClusterDownError("no server has slots")

    async def _asking(self, address: Address, commands: tuple[Command, ...]) -> Any:
        """Send commands to the server that a slot moves to. It accepts ASKING only outside of a transaction."""
        plain = [command for command in commands if command[0] not in {"MULTI", "EXEC"}]
        replies = [await self._at(address).execute(("ASKING",), command) for command in plain]
        return replies if len(plain) < len(commands) else replies[-1]


def _slot(commands: tuple[Command, ...]) -> int:
    """Return the slot of the first key in commands, which all have the same."""
    for command in commands:
        if len(command) > 1:
            key = command[1]
            return key_slot(key if isinstance(key, bytes) else str(key).encode())
    return 0


def _parsed(reply: Any, host: str) -> list[tuple[int, int, Address]]:
    """Return the ranges of slots in a reply to CLUSTER SLOTS. A server without a host is the one that replied."""
    found = []
    for first, last, primary, *_ in (reply if isinstance(reply, list) else [])[:MAX_SERVERS]:
        name = primary[0].decode() if primary[0] else ""
        found.append((int(first), int(last), (host if name in {"", "?"} else name, int(primary[1]))))
    return found

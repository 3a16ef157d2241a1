"""Where the data of a Redis is: on one server, on the primary that Sentinels name, or in the slots of a Cluster."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from agent_runtime.config import CacheConfig
from agent_runtime.config.redis import SentinelConfig
from agent_runtime.health import UnhealthyError
from agent_runtime.memory.connection import Command, SharedConnection
from agent_runtime.memory.login import Login


class Redis(Protocol):
    """Executes commands wherever their key is.

    Attributes:
        failovers: grows when another server may have become the primary.
    """

    failovers: int

    async def execute(self, *commands: Command) -> Any:
        """Send commands of one key in one round trip; return the reply to the last. See SharedConnection."""
        ...

    async def check(self) -> None:
        """Renew the login, and check that commands can be executed."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class SinglePrimary:
    """One server, or the primary that Sentinels name."""

    def __init__(self, config: CacheConfig, login: Login, timeout: float) -> None:
        self._config = config
        self._login = login
        self._timeout = timeout
        self._connection = SharedConnection(self._open, timeout)
        self._address: tuple[str, int] | None = None
        # Whether the server has refused a write because it is a replica.
        self._was_read_only = False
        self.failovers = 0

    async def execute(self, *commands: Command) -> Any:
        """See Redis. If it raises ReadOnlyError, send the commands again: they go to the new primary."""
        try:
            return await self._connection.execute(*commands)
        except ReadOnlyError:
            # The server has become a replica and has executed nothing. Its name may lead to the primary now.
            self._was_read_only = True
            await self._leave()
            raise

    async def check(self) -> None:
        """See Redis. A replica responds to PING, too."""
        if command := await self._login.renewed():
            await self._connection.execute(command)
        if self._config.sentinel is not None:
            await self._follow(self._config.sentinel)
        if self._was_read_only:
            await self._check_role()
        await self._connection.execute(("PING",))

    async def _follow(self, sentinel: SentinelConfig) -> None:
        """Leave a server that the Sentinels do not name any more. An outage of the Sentinels alone does no harm."""
        try:
            async with asyncio.timeout(self._timeout):
                primary = await self._primary(sentinel.master, sentinel.addresses)
        except (RedisError, OSError, TimeoutError):
            return
        if self._address not in {None, primary}:
            await self._leave()

    async def _leave(self) -> None:
        self.failovers += 1
        await self._connection.drop()

    async def _check_role(self) -> None:
        """Check that the server has become a primary, and connect again if not.

        Raises:
            ReadOnlyError: it is a replica.
        """
        try:
            role = await self._connection.execute(("ROLE",))
        except ResponseError:  # the user may not ask, so the next write shows it
            role = [b"master"]
        if not isinstance(role, list) or role[:1] != [b"master"]:
            await self._connection.drop()
            raise ReadOnlyError("the server is a replica")
        self._was_read_only = False

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.aclose()

    async def _open(self) -> AbstractConnection:
        config = self._config
        if config.sentinel is None:
            return await self._login.connection(config.host or "", config.port)
        if self._address is not None:
            # The connection was lost. The Sentinels may have named another primary before a command failed.
            self.failovers += 1
        self._address = await self._primary(config.sentinel.master, config.sentinel.addresses)
        return await self._login.connection(*self._address)

    async def _primary(self, master: str, sentinels: Sequence[tuple[str, int]]) -> tuple[str, int]:
        """Return the address of the primary, from the first Sentinel that answers.

        Raises:
            RedisError, OSError: no Sentinel names one.
        """
        pending = {asyncio.create_task(self._ask(master, *address)) for address in sentinels}
        failure: BaseException = Disconnected("no Sentinel knows the primary")
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for answer in done:
                    if (error := answer.exception()) is None:
                        return answer.result()
                    failure = error
        finally:
            for left in pending:
                left.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        raise failure

    async def _ask(self, master: str, host: str, port: int) -> tuple[str, int]:
        connection = self._login.to_sentinel(host, port)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # redis has no type here
            await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", master)
            reply = await connection.read_response()
        finally:
            await connection.disconnect()
        if not isinstance(reply, list) or len(reply) != 2:  # noqa: PLR2004  (host and port)
            raise UnhealthyError(
                f"the Sentinels do not know {master}: correct memory.cache.sentinel.master", "NotConfigured"
            )
        return reply[0].decode(), int(reply[1])

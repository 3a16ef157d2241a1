"""A connection to Redis that all requests share: pipelined, with replies in the order of the commands.

A pool takes more CPU per command than the command itself, and Redis sees one connection per concurrent request.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError, ResponseError

from agent_runtime.deadline import Deadline

Command = tuple[str | bytes | int, ...]


class SharedConnection:
    """Connects with the first command, and reconnects with the next command after the connection was lost."""

    def __init__(self, make: Callable[[], AbstractConnection | Awaitable[AbstractConnection]], timeout: float) -> None:
        self._make = make
        self._timeout = timeout
        self._current: _OpenConnection | None = None
        self._opening = asyncio.Lock()

    async def execute(self, *commands: Command) -> Any:
        """Send commands in one round trip; return the reply to the last.

        Raises:
            RedisError: there is no connection, it was lost, or Redis refused one of the commands.
            TimeoutError: no reply arrived in time. The connection is closed, because a late reply would be read as the
                reply to another command.
        """
        current = self._current
        limit = Deadline(asyncio.get_running_loop().time() + self._timeout)
        try:
            with limit:
                if current is None or current.closed:
                    current = await self._open()
                return await current.execute(commands)
        except TimeoutError:
            if current is not None:
                current.close()
            raise
        finally:
            limit.close()

    async def drop(self) -> None:
        """Close the connection, without waiting for a server that may be gone."""
        if self._current is not None:
            await self._current.aclose(wait=False)

    async def aclose(self) -> None:
        """Close the connection. Wait until it is closed, for a second at most."""
        if self._current is not None:
            await self._current.aclose(wait=True)

    async def _open(self) -> "_OpenConnection":
        async with self._opening:
            if self._current is None or self._current.closed:
                made = self._make()
                connection = made if isinstance(made, AbstractConnection) else await made
                await connection.connect()  # type: ignore[no-untyped-call]  # redis has no type here
                self._current = _OpenConnection(connection)
            return self._current


class _Batch:
    """Commands that were sent together, and the future of their reply."""

    def __init__(self, commands: int) -> None:
        self.reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._is_transaction = commands > 1
        self._left = commands
        self._refusal: Exception | None = None

    def take(self, reply: Any) -> bool:
        """Take the reply to the next command; return whether it was the last."""
        if isinstance(reply, ResponseError):
            self._refusal = self._refusal or reply
        elif self._is_transaction and isinstance(reply, list):
            # A transaction replies with a list, in which errors are the replies to refused commands.
            errors = (part for part in reply if isinstance(part, ResponseError))
            self._refusal = self._refusal or next(errors, None)
        self._left -= 1
        if self._left:
            return False
        if self._refusal is not None:
            self.fail(self._refusal)
        elif not self.reply.done():
            self.reply.set_result(reply)
        return True

    def fail(self, error: Exception) -> None:
        """Raise the error where the reply is awaited. This has no effect if the wait was cancelled."""
        if not self.reply.done():
            self.reply.set_exception(error)


class _OpenConnection:
    """An open connection, until one side closes it."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._pending: deque[_Batch] = deque()
        self._listening = asyncio.create_task(self._listen())
        self.closed = False
        self._waits_for_server = False

    async def execute(self, commands: tuple[Command, ...]) -> Any:
        """Send commands; return the reply to the last."""
        batch = _Batch(len(commands))
        self._pending.append(batch)
        # No other task runs between the line above and the write, so replies arrive in the order of self._pending.
        packed: list[bytes] = [pack_command(command) for command in commands]  # type: ignore[arg-type]  # says 1-tuple
        try:
            await self._connection.send_packed_command(packed, check_health=False)
        except BaseException:  # also a cancellation: a part of a command may have been sent
            batch.reply.cancel()
            self.close()
            raise
        return await batch.reply

    def close(self) -> None:
        """Close the connection. Pending commands raise an error."""
        self.closed = True
        self._listening.cancel()

    async def aclose(self, *, wait: bool) -> None:
        """Close, and wait for the end of the reader; also for the server if `wait` is true."""
        self._waits_for_server = wait
        self.close()
        await asyncio.wait([self._listening])

    async def _listen(self) -> None:
        error: Exception = Disconnected("closed")
        try:
            while True:
                reply = await self._read_reply()
                if self._pending[0].take(reply):
                    self._pending.popleft()
        except (RedisError, OSError, IndexError) as lost:
            # IndexError: a reply without a pending command, so replies and commands no longer match.
            error = lost
        finally:
            self.closed = True
            while self._pending:
                self._pending.popleft().fail(error)
            await self._connection.disconnect(nowait=not self._waits_for_server)

    async def _read_reply(self) -> Any:
        try:
            return await self._connection.read_response()
        except ResponseError as refusal:
            return refusal

"""A connection to Redis that all requests share: commands leave as they come, answers return in the same order.

A pool would cost more for each command than the command does, and hold a connection for every request under way.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError, ResponseError

Command = tuple[str | bytes | int, ...]


class SharedConnection:
    """Opens a connection with the first command, and another when one was lost."""

    def __init__(self, make: Callable[[], AbstractConnection], timeout: float) -> None:
        self._make = make
        self._timeout = timeout
        self._line: _Line | None = None
        self._opening = asyncio.Lock()

    async def ask(self, *commands: Command) -> Any:
        """Send commands together; the answer to the last of them, in one round trip.

        Raises:
            RedisError: the connection cannot be had or is lost, or one of the commands is refused.
            TimeoutError: no answer came in time. The connection is given up: answers may no longer fit commands.
        """
        line = self._line
        try:
            async with asyncio.timeout(self._timeout):
                if line is None or line.closed:
                    line = await self._opened()
                return await line.ask(commands)
        except TimeoutError:
            if line is not None:
                line.close()
            raise

    async def aclose(self) -> None:
        """Close the connection."""
        if self._line is not None:
            await self._line.aclose()

    async def _opened(self) -> "_Line":
        async with self._opening:
            if self._line is None or self._line.closed:
                connection = self._make()
                await connection.connect()  # type: ignore[no-untyped-call]  # redis has no type here
                self._line = _Line(connection)
            return self._line


class _Asked:
    """Commands that were sent together, and the answer that is waited for."""

    def __init__(self, commands: int) -> None:
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._left = commands
        self._refusal: Exception | None = None

    def take(self, reply: Any) -> bool:
        """Take the reply to the next command; whether it was the last."""
        # A transaction's replies are a list, in which those of refused commands are errors.
        found = (one for one in (reply if isinstance(reply, list) else (reply,)) if isinstance(one, ResponseError))
        self._refusal = self._refusal or next(found, None)
        self._left -= 1
        if self._left:
            return False
        if self._refusal is not None:
            self.fail(self._refusal)
        elif not self.answer.done():
            self.answer.set_result(reply)
        return True

    def fail(self, error: Exception) -> None:
        """There will be no answer. Whoever went away before it came does not mind."""
        if not self.answer.done():
            self.answer.set_exception(error)


class _Line:
    """An open connection, until it is closed from either side."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._asked: deque[_Asked] = deque()
        self._listening = asyncio.create_task(self._listen())
        self.closed = False

    async def ask(self, commands: tuple[Command, ...]) -> Any:
        """Send commands; the answer to the last."""
        asked = _Asked(len(commands))
        self._asked.append(asked)
        # No other task runs between the line above and the write: answers come in the order of self._asked.
        packed: list[bytes] = [pack_command(command) for command in commands]  # type: ignore[arg-type]  # says 1-tuple
        try:
            await self._connection.send_packed_command(packed, check_health=False)
        except BaseException:  # a cancelled one as well: half a command may have left
            asked.answer.cancel()
            self.close()
            raise
        return await asked.answer

    def close(self) -> None:
        """Close; whoever waits for an answer gets an error."""
        self.closed = True
        self._listening.cancel()

    async def aclose(self) -> None:
        """Close, and wait until that is done."""
        self.close()
        await asyncio.wait([self._listening])

    async def _listen(self) -> None:
        error: Exception = Disconnected("closed")
        try:
            while True:
                reply = await self._reply()
                if self._asked[0].take(reply):
                    self._asked.popleft()
        except (RedisError, OSError, IndexError) as lost:
            # An answer that nobody asked for is an IndexError: the two sides no longer agree.
            error = lost
        finally:
            self.closed = True
            while self._asked:
                self._asked.popleft().fail(error)
            await self._connection.disconnect(nowait=True)

    async def _reply(self) -> Any:
        try:
            return await self._connection.read_response()
        except ResponseError as refusal:
            return refusal

"""A model server for benchmarks that costs little CPU, because its answers are constant. It prints its port.

The environment sets it: streams have CHUNKS chunks, RATE per second (0: all at once); other answers take DELAY seconds.
"""

import asyncio
import os
import sys
from typing import cast

import uvloop

CHUNKS, RATE = int(os.environ.get("CHUNKS", "60")), float(os.environ.get("RATE", "0"))
DELAY = float(os.environ.get("DELAY", "0"))
COMPLETION = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"Twenty words of an answer, more or less, as a model would give it to a short question."},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":20,"total_tokens":40}}'
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%b\r\n"
CHUNK = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    b'"delta":{"content":" word"},"finish_reason":null}]}\n\n'
)


def framed(data: bytes) -> bytes:
    """Return a chunk of a chunked transfer."""
    return b"%x\r\n%b\r\n" % (len(data), data)


FRAMED = framed(CHUNK)
LAST = framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"


ANSWER = HEAD % (b"application/json", b"Content-Length: %d\r\n" % len(COMPLETION)) + COMPLETION


class Stream:
    """Sends each chunk at its time. A timer costs less than a task."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.due = self.loop.time()
        self.left = CHUNKS

    def send(self) -> None:
        """Send the chunks that are due."""
        if self.transport.is_closing():
            return
        if not RATE:
            self.transport.write(FRAMED * self.left + LAST)
            return
        self.left -= 1
        self.transport.write(FRAMED if self.left else FRAMED + LAST)
        if self.left:
            self.due += 1 / RATE
            self.loop.call_at(self.due, self.send)


class Server(asyncio.Protocol):
    """The connection of one client."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        # uvloop's transports do not inherit from asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self.received = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self.received += data
        head, found, rest = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if len(rest) < length:
            return
        self.received = rest[length:]
        if b'"stream":true' in rest.replace(b" ", b""):
            self.transport.write(HEAD % (b"text/event-stream", b"Transfer-Encoding: chunked\r\n"))
            Stream(self.transport).send()
        elif DELAY:
            asyncio.get_running_loop().call_later(DELAY, self.transport.write, ANSWER)
        else:
            self.transport.write(ANSWER)


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())

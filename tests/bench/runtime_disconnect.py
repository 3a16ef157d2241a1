"""Time from a disconnection to the end of the model call: `python tests/bench/runtime_disconnect.py [--times 200]`.

One process is both the client and the model server, so that one clock measures both sides: from the close of the
client's connection to the close of the agent's connection to the model. The agent has its own core. It is measured at
rest and with 32 other requests in flight. The aim is 100 ms.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import cast

import uvloop
from runtime_load import Client
from runtime_process import REST, agent, stay_on

SAY = [{"role": "user", "content": "What is the answer?"}]
CALLS: dict[str, tuple[str, dict[str, object]]] = {
    "a completion": ("/v1/chat/completions", {"model": "m", "messages": SAY}),
    "a stream": ("/v1/chat/completions", {"model": "m", "messages": SAY, "stream": True}),
    "a conversation": ("/api/chat", {"message": "What is the answer?", "model": "m"}),
}
MODELS = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"data": []}'
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"Well"},"finish_reason":null}]}\n\n'
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + CHUNK


class Model(asyncio.Protocol):
    """A connection to the model server, which starts a streamed response and never completes one."""

    def __init__(self, asked: Callable[[], None], lost: Callable[[], None]) -> None:
        self._asked, self._lost = asked, lost
        self._received = b""
        self._called = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Handle a request when it is complete."""
        self._received += data
        if self._received.startswith(b"GET"):
            self._received = b""
            self._transport.write(MODELS)
        elif self._received.endswith(b"}"):
            if b'"stream":true' in self._received:
                self._transport.write(EVENTS)
            self._called = True
            self._asked()

    def connection_lost(self, exc: Exception | None) -> None:
        """Record that the agent has closed its connection."""
        if self._called:
            self._lost()


async def left(port: int, queue: asyncio.Queue[float], path: str, body: dict[str, object]) -> float:
    """Return the milliseconds from the disconnection to the end of the model call."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode() + content)
    await queue.get()
    began = time.perf_counter()
    writer.close()
    return (await queue.get() - began) * 1000


async def busy(port: int) -> None:
    """Send requests to the echo model in a loop that never returns."""
    async with Client(port) as client:
        while True:
            await client.post("/api/chat", b'{"message": "hi", "model": "echo"}')


async def measure(times: int) -> None:
    """Measure, and print the figures."""
    queue: asyncio.Queue[float] = asyncio.Queue()

    def note() -> None:
        queue.put_nowait(time.perf_counter())

    server = await asyncio.get_running_loop().create_server(lambda: Model(note, note), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    # Readiness depends only on the default model. This process serves the other one, and waits for readiness.
    echo = '[[agent.models]]\nname="echo"\nprovider="echo"\n'
    gpt = f'[[agent.models]]\nname="m"\nprovider="openai"\nbase_url="http://127.0.0.1:{port}/v1"\n'
    with agent(echo + gpt) as running:
        for state, others in (("at rest", 0), ("with 32 others", 32)):
            load = [asyncio.create_task(busy(running.port)) for _ in range(others)]
            for what, (path, body) in CALLS.items():
                found = sorted([await left(running.port, queue, path, body) for _ in range(times)])
                p50, p99 = statistics.median(found), found[len(found) * 99 // 100]
                sys.stdout.write(f"{what}, {state}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, most {found[-1]:.2f} ms\n")
            for task in load:
                task.cancel()
            await asyncio.gather(*load, return_exceptions=True)
    server.close()


def main() -> None:
    """Measure on the core that the agent does not use."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=200)
    arguments = parser.parse_args()
    stay_on(REST)
    uvloop.run(measure(arguments.times))


if __name__ == "__main__":
    main()

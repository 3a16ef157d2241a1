"""A server that sends endless or malformed responses, as a model or as an MCP server. The path names the response.

Usage: `hostile_server.py`. The first line on stdout is the port. A chunk is sent as often as the client reads.
"""

import asyncio
import gzip
import sys
import zlib
from collections.abc import Iterator

OK = b"HTTP/1.1 200 OK\r\n"
SSE = OK + b"Content-Type: text/event-stream\r\n\r\n"
JSON = OK + b"Content-Type: application/json\r\n\r\n"
DELTA = b'data: {"choices":[{"index":0,"delta":{"content":"xxxxxxxxxxxxxxxx"}}]}\n\n'
CALL = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":%d,"function":{"arguments":"xxxxxxxx"}}]}}]}\n\n'
PING = b'data: {"jsonrpc":"2.0","id":%d,"method":"ping"}\n\n'
PIECE = b"x" * 65_536


def bomb() -> bytes:
    """Return gzip that becomes 256 MiB."""
    compressor = zlib.compressobj(1, wbits=31)
    return b"".join(compressor.compress(bytes(1024 * 1024)) for _ in range(256)) + compressor.flush()


def deep(levels: int) -> bytes:
    """Return a completion with a deeply nested field."""
    nested = b'{"a":' * levels + b"1" + b"}" * levels
    return b'{"choices":[{"index":0,"message":{"role":"assistant","content":"x","x":%b}}]}' % nested


def complete(body: bytes, *headers: bytes) -> bytes:
    """Return a complete response."""
    return b"\r\n".join(
        [OK + b"Content-Length: %d" % len(body), b"Content-Type: application/json", *headers, b"", body]
    )


def numbered(template: bytes) -> Iterator[bytes]:
    """Yield 500 copies of a template, with a number in each, as often as needed."""
    number = 0
    while True:
        yield b"".join(template % index for index in range(number, number + 500))
        number += 500


def forever(piece: bytes) -> Iterator[bytes]:
    """Yield a piece as often as needed."""
    while True:
        yield piece


# What begins a response, and what follows.
ENDLESS: dict[str, tuple[bytes, Iterator[bytes] | None]] = {
    "body": (JSON, forever(PIECE)),
    "spaces": (JSON, forever(b" " * 65_536)),
    "values": (JSON + b"[", forever(b"[]," * 20_000)),
    "line": (SSE + b"data: ", forever(PIECE)),
    "comments": (SSE, forever(b":\n" * 30_000)),
    "events": (SSE, forever(DELTA * 900)),
    "calls": (SSE, numbered(CALL)),
    "one-call": (SSE, forever(CALL % 10**9 * 900)),
    "pings": (SSE, numbered(PING)),
    "chunked": (OK + b"Transfer-Encoding: chunked\r\n\r\n", forever(b"10000\r\n" + PIECE + b"\r\n")),
    "headers": (OK, forever(b"X-Header: y\r\n" * 4_000)),
    "header": (OK + b"X-Header: ", forever(PIECE)),
    "status": (b"HTTP/1.1 200 ", forever(PIECE)),
    "error": (b"HTTP/1.1 500 Oh\r\n\r\n", forever(PIECE)),
}
COMPLETE: dict[str, bytes] = {
    "gzip": complete(bomb(), b"Content-Encoding: gzip"),
    "deflate": complete(gzip.compress(b"x"), b"Content-Encoding: deflate"),
    "deep": complete(deep(1_100)),
    "deeper": complete(deep(100_000)),
    "deep-300": complete(deep(300)),
    "deep-event": SSE + b"data: " + deep(300).replace(b"message", b"delta") + b"\n\ndata: [DONE]\n\n",
    "surrogate": complete(b'{"choices":[{"message":{"content":"\\ud800"}}]}'),
    "not-utf-8": complete(b'{"choices":[{"message":{"content":"\xff"}}]}'),
    "digits": complete(b'{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":%b}}' % (b"9" * 100_000)),
    "types": complete(b'{"choices":[{"message":{"content":5,"refusal":{},"tool_calls":{}}}]}'),
    "refusal": complete(b'{"choices":[{"message":{"content":null,"refusal":{"a":1}}}]}'),
    "usage": SSE + b'data: {"choices":[{"delta":{"content":"x","usage": {"a":1}}}]}\n\ndata: {"choices": [5]}\n\n',
    "index": SSE + b'data: {"choices":[{"delta":{"tool_calls":[{"index":"x"}]}}]}\n\ndata: [DONE]\n\n',
    "charset": complete(b"{}").replace(b"application/json", b"application/json; charset=nonsense"),
    "length": complete(b"{}").replace(b"Content-Length: 2", b"Content-Length: nonsense"),
    "negative": complete(b"{}").replace(b"Content-Length: 2", b"Content-Length: -2"),
    "no-status": b"HTTP/1.1\r\n\r\n",
    "garbage": b"\x00\xff" * 1000,
    "header-bytes": complete(b"{}", b"X-\xff: \x00"),
    "retry": b"HTTP/1.1 429 Slow\r\nRetry-After: Mon, 01 Jan 99999999999 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Go\r\nLocation: /v1/x\r\nContent-Length: 0\r\n\r\n",
    "trickle": JSON + b"{",
}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the response that the first segment of the path names."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            name = head.split(b"/")[1].split()[0].decode()
            if name not in ENDLESS or b"/models " in head.split(b"\r\n")[0]:
                writer.write(COMPLETE.get(name, complete(b"{}")) if b"/models " not in head else complete(b"{}"))
                await writer.drain()
                if name == "trickle":
                    await asyncio.sleep(3600)
                break
            beginning, rest = ENDLESS[name]
            writer.write(beginning)
            for piece in rest or ():
                writer.write(piece)
                await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

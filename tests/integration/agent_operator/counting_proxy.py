"""A proxy between the operator and the API server that records requests, and rejects those that a test names."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from tests.serving import forwarded_headers


@dataclass
class Proxy:
    """Forwards requests to the API server, and records them.

    Attributes:
        requests: method and path of every request that is not a watch.
        exchanges: method, path, query, body and status of every request, watches included.
        after_write: called with the number of writes so far after each write.
        denied: parts of paths that the operator has no permission for.
        hanging: part of a path where writes get no response until `released` is set.
        quoting: part of a path where every write is rejected as invalid, in a message that quotes its body.
        rewrite: changes each line of the responses, as if the API server had stored other objects.
    """

    session: aiohttp.ClientSession
    server: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    exchanges: list[tuple[str, str, dict[str, str], bytes, int]] = field(default_factory=list)
    after_write: Callable[[int], None] | None = None
    denied: tuple[str, ...] = ()
    hanging: str = ""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    quoting: str = ""
    rewrite: Callable[[bytes], bytes] | None = None

    @property
    def writes(self) -> list[str]:
        """Method and path of each write, without those of Leases and Events."""
        return [
            f"{method} {path}"
            for method, path in self.requests
            if method != "GET" and "/leases" not in path and "/events" not in path
        ]

    @property
    def child_writes(self) -> list[str]:
        return [write for write in self.writes if "/agentdeployments/" not in write]

    @property
    def status_writes(self) -> list[str]:
        return [write for write in self.writes if write.endswith("/status")]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if any(part in request.path for part in self.denied):
            status = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": f"{request.path} is forbidden"}
            return web.json_response(status, status=403)
        if self.quoting and self.quoting in request.path and request.method != "GET":
            body = await request.read()
            self.exchanges.append((request.method, request.path, dict(request.query), body, 422))
            message = f"invalid: data: Invalid value: {body.decode()}"
            return web.json_response(
                {"kind": "Status", "code": 422, "reason": "Invalid", "message": message}, status=422
            )
        if self.hanging and self.hanging in request.path and request.method != "GET":
            await self.released.wait()
        watch = "watch" in request.query
        if not watch:
            self.requests.append((request.method, request.path))
        headers = forwarded_headers(request)
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.session.request(
            request.method,
            self.server + request.path,
            params=request.query,
            data=await request.read() or None,
            headers=headers,
            timeout=timeout,
        ) as answer:
            body = await request.read()
            self.exchanges.append((request.method, request.path, dict(request.query), body, answer.status))
            if self.after_write and request.method != "GET" and "/leases" not in request.path:
                self.after_write(len(self.writes))
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            try:
                async for chunk in self._parts(answer):
                    await response.write(chunk)
            except (ConnectionError, aiohttp.ClientError):
                return response
            return response

    async def _parts(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in answer.content.iter_any():
            if self.rewrite is None:
                yield chunk
                continue
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield self.rewrite(line) + b"\n"
        if self.rewrite is not None and rest:
            yield self.rewrite(rest)

"""A proxy between the operator and the API server that records requests and injects faults.

Its faults are those of networks, load balancers and API servers: a lost response, a silent watch, a stale list.
It never does what no API server does, for example skip one event and send the next.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp
from aiohttp import web

from tests.faults.gates import Events, Gate, line
from tests.serving import abort, forwarded_headers

Object = dict[str, Any]
_NOT_COUNTED = ("leases", "events")
# A retried write contains another time.
_TIMES = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z")


class Mode(StrEnum):
    """The fault of a write, and whether it kills the operator."""

    KILL_BEFORE = "killed before"
    KILL_AFTER = "killed after"
    DROP = "response lost"
    RESET = "connection reset"
    TRUNCATE = "body truncated"
    LATE = "response late"
    CONFLICT = "409"
    THROTTLE = "429"
    INTERNAL = "500"
    UNAVAILABLE = "503"


_REFUSED = {
    Mode.CONFLICT: (409, "Conflict"),
    Mode.THROTTLE: (429, "TooManyRequests"),
    Mode.INTERNAL: (500, "InternalError"),
    Mode.UNAVAILABLE: (503, "ServiceUnavailable"),
}
_NOT_FORWARDED = frozenset({Mode.KILL_BEFORE, Mode.RESET})
_ABORTED = frozenset({Mode.KILL_AFTER, Mode.DROP})


@dataclass(frozen=True)
class Write:
    """A request that writes, with the status of its response; 0 without a response."""

    method: str
    path: str
    status: int
    # Shown by a failed test.
    body: str = field(default="", compare=False)

    @property
    def created(self) -> bool:
        return self.status == 201

    @property
    def deleted(self) -> bool:
        return self.method == "DELETE" and self.status == 200


@dataclass
class FaultProxy:
    """Forwards requests to the API server. A test may change the public attributes at any time.

    Attributes:
        each: the fault of the first attempt of every write. Writes are distinguished by their bodies.
        faults: faults by the number of the write, from 1.
        refuse: the status with which a write is answered, given method and path; None lets it pass.
        before_write: called with method and path before a write is forwarded.
        gates: faults of watches, by the plural of the kind.
        lag: of Gate.LAG.
        down: abort every connection.
        stale: serve the lists that were in `lists` when this was set.
        killed: set when a fault kills the operator; afterwards every connection is aborted.
    """

    session: aiohttp.ClientSession
    server: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    watches: Counter[str] = field(default_factory=Counter)
    writes: list[Write] = field(default_factory=list)
    each: Mode | None = None
    faults: dict[int, Mode] = field(default_factory=dict)
    refuse: Callable[[str, str], int | None] = lambda _method, _path: None
    retry_after: str = "0"
    before_write: Callable[[str, str], Awaitable[None]] | None = None
    gates: dict[str, Gate] = field(default_factory=dict)
    lag: int = 2
    down: bool = False
    lists: dict[str, bytes] = field(default_factory=dict)
    stale: dict[str, bytes] = field(default_factory=dict)
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    _open: list[web.Request] = field(default_factory=list)
    _opened: asyncio.Event = field(default_factory=asyncio.Event)
    _broken: set[str] = field(default_factory=set)
    _number: int = 0

    def reset(self) -> None:
        """Clear the records, and stop injecting faults."""
        self.requests.clear()
        self.watches.clear()
        self.writes.clear()
        self.faults.clear()
        self.gates.clear()
        self.stale.clear()
        self.killed.clear()
        self.refuse = lambda _method, _path: None
        self.before_write, self.each, self.down, self._number = None, None, False, 0
        self._broken.clear()

    def open(self, *plurals: str) -> None:
        """Forward the events of these kinds, or of all."""
        for plural in plurals or tuple(self.gates):
            self.gates.pop(plural, None)
        waiting, self._opened = self._opened, asyncio.Event()
        waiting.set()

    def cut(self) -> None:
        """Break every open connection."""
        for request in tuple(self._open):
            abort(request)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of the operator."""
        self._open.append(request)
        try:
            if self.down or self.killed.is_set():
                return abort(request)
            if "watch" in request.query:
                return await self._watch(request)
            self.requests.append((request.method, request.path))
            if request.method == "GET" or request.path.split("/")[-2] in _NOT_COUNTED or _is_event(request):
                return await self._pass(request)
            return await self._write(request)
        finally:
            self._open.remove(request)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        if request.path in self.stale:
            return web.Response(body=self.stale[request.path], content_type="application/json")
        async with self._forward(request, await request.read()) as answer:
            body = await answer.read()
            if request.method == "GET" and "limit" in request.query:
                self.lists[request.path] = body
            return web.Response(body=body, status=answer.status, content_type=answer.content_type)

    async def _write(self, request: web.Request) -> web.StreamResponse:
        self._number += 1
        mode = self.faults.get(self._number) or await self._first(request)
        refused = _REFUSED.get(mode) if mode else None
        code = refused[0] if refused else self.refuse(request.method, request.path)
        if self.before_write:
            await self.before_write(request.method, request.path)
        if code or mode in _NOT_FORWARDED:
            self.writes.append(Write(request.method, request.path, 0, await request.text()))
            return self._kill(request, mode) if mode in _NOT_FORWARDED else self._refusal(code or 0)
        async with self._forward(request, await request.read()) as answer:
            body = await answer.read()
            self.writes.append(Write(request.method, request.path, answer.status, await request.text()))
        if mode in _ABORTED:
            return self._kill(request, mode)
        if mode is Mode.LATE:
            await asyncio.sleep(0.2)  # the watch delivers the write before its response
        if mode is not Mode.TRUNCATE:
            return web.Response(body=body, status=answer.status, content_type=answer.content_type)
        length = {"Content-Length": str(len(body))}
        response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type} | length)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        return abort(request)

    async def _first(self, request: web.Request) -> Mode | None:
        """The fault of the first attempt of a write."""
        body_without_times = _TIMES.sub(b"", await request.read())
        write = f"{request.method} {request.path} {hash(body_without_times)}"
        known = write in self._broken
        self._broken.add(write)
        return None if known else self.each

    def _kill(self, request: web.Request, mode: Mode | None) -> web.StreamResponse:
        if mode in (Mode.KILL_BEFORE, Mode.KILL_AFTER):
            self.killed.set()
            self.cut()
        return abort(request)

    def _refusal(self, code: int) -> web.Response:
        reason = dict(_REFUSED.values()).get(code, "Refused")
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
        headers = {"Retry-After": self.retry_after} if code in (429, 503) else {}
        return web.json_response(status | {"message": "broken by the test"}, status=code, headers=headers)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        plural = request.path.rpartition("/")[2]
        self.watches[plural] += 1
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        gate = self.gates.get(plural)
        if gate is Gate.CLOSE:
            return web.Response(content_type="application/json")
        await response.prepare(request)
        if gate in (Gate.GONE, Gate.ERROR):
            code = int(gate)
            reason = "Expired" if gate is Gate.GONE else "InternalError"
            status = {"kind": "Status", "code": code, "reason": reason, "message": "broken by the test"}
            await response.write(line("ERROR", status))
            return response
        with suppress(ConnectionError, aiohttp.ClientError):
            async with self._forward(request) as answer:
                await self.events(plural, response).relay(answer.content, lambda: self._opened)
        return abort(request)

    def events(self, plural: str, response: web.StreamResponse) -> Events:
        """Return what relays the events of one watch."""
        return Events(lambda: self.gates.get(plural), self.lag, response)

    def _forward(self, request: web.Request, body: bytes = b"") -> Any:
        headers = forwarded_headers(request)
        return self.session.request(
            request.method,
            self.server + request.path,
            params=request.query,
            data=body or None,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None),
        )


def _is_event(request: web.Request) -> bool:
    return request.path.rpartition("/")[2] in _NOT_COUNTED

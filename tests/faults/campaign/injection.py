"""The proxy of the campaign: it records the traffic of the operator, and injects the fault of one cell."""

import asyncio
import io
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus

import aiohttp
from aiohttp import web

from tests.faults.campaign.event_faults import FaultyEvents
from tests.faults.campaign.matrix import REPEATED, Cell, Fault, Group
from tests.faults.campaign.traffic import Event, Request, Traffic, identify
from tests.faults.gates import Events, Gate
from tests.faults.proxy import FaultProxy, Mode, Write
from tests.serving import abort

_OUTAGES = {Fault.OUTAGE: 60.0, Fault.LONG_OUTAGE: 600.0}
_STALE_SECONDS = 60.0
# How long the write of a former leader is under way: until the next leader has finished.
_UNDER_WAY_SECONDS = 120.0
# Longer than the operator waits for an expected event.
_LATE_SECONDS = 15.0
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_PAGE = "<html><head><title>Sign in</title></head><body>Sign in to the network</body></html>"
_EVENT = b'{"type": "ADDED", "object": {"metadata": {}}}\n'
_FORWARDED = frozenset({Fault.KILLED_AFTER, Fault.LOST, Fault.STALE})
# Faults that the runner injects.
_NO_REQUEST = frozenset({Fault.TWO_LEADERS, Fault.CLOCK})
_KILLS = frozenset({Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.STALE, Fault.FORMER_LEADER})


@dataclass
class Injection(FaultProxy):
    """A proxy that injects the fault of a cell.

    Attributes:
        traffic: what passed since the last reset.
        cell: the cell; None records only.
        hits: how often the fault was injected.
        expired: plurals whose next watch is answered with 410.
        forwarding: the write of a former leader.
        collections: query parameters of the lists of the operator, by path with `{}` for the namespace.
        past: responses to the lists before the change, by path.
        time_scale: multiplies the duration of faults.
    """

    traffic: Traffic = field(default_factory=Traffic)
    cell: Cell | None = None
    hits: int = 0
    expired: set[str] = field(default_factory=set)
    forwarding: asyncio.Task[None] | None = None
    collections: dict[str, dict[str, str]] = field(default_factory=dict)
    past: dict[str, bytes] = field(default_factory=dict)
    time_scale: float = 1.0

    def reset(self) -> None:
        """Clear the records, and stop injecting faults."""
        super().reset()
        self.traffic, self.cell, self.hits, self.forwarding = Traffic(), None, 0, None
        self.expired.clear()

    def inject(self, cell: Cell) -> None:
        """Inject the fault of a cell from now on."""
        self.cell = cell
        if cell.group is Group.ALL_WRITES:
            self.each = Mode(cell.fault)

    async def remember(self, namespace: str) -> None:
        """Store the present lists, for a restart on a stale view."""
        for path, query in tuple(self.collections.items()):
            at = path.format(namespace)
            async with self.session.get(self.server + at, params=query) as answer:
                self.past[at] = await answer.read()

    async def send(self, method: str, path: str, body: bytes = b"") -> None:
        """Send a request of another client, with this body as it is, and ignore the response."""
        headers = {"Content-Type": "application/json"}
        url, data = self.server + path, io.BytesIO(body) if body else None
        with suppress(aiohttp.ClientError):  # 20,000 warnings about unknown fields are too many headers
            async with self.session.request(method, url, data=data, headers=headers) as answer:
                await answer.read()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of the operator."""
        if self.down or self.killed.is_set():
            return abort(request)
        body = await request.read()
        found = identify(request.method, request.path, request.query, request.content_type, body)
        number = self.traffic.count(found)
        if found.verb == "list":
            self._record_list(request)
        cell = self.cell
        if cell is None or not self._hit(cell, found, number):
            return await super().handle(request)
        self.hits += 1
        return await self._inject(request, cell.fault)

    def _record_list(self, request: web.Request) -> None:
        parts = request.path.split("/")
        if "namespaces" in parts[:-1]:
            parts[parts.index("namespaces") + 1] = "{}"
        self.collections["/".join(parts)] = dict(request.query)

    def _hit(self, cell: Cell, found: Request, number: int) -> bool:
        if cell.target is None or cell.fault in _NO_REQUEST or cell.group is Group.LIST:
            return False
        if cell.group is Group.RESPONSE:
            return cell.target[:2] == found[:2] and self.hits < REPEATED
        return (cell.target, cell.number) == (found, number)

    async def _inject(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.isdecimal():
            return _status(int(fault))
        if fault is Fault.HTML:
            return web.Response(text=_PAGE, content_type="text/html")
        if fault is Fault.TIMEOUT:
            await asyncio.Event().wait()
        if fault is Fault.TRUNCATED:
            watch = "watch" in request.query
            whole = web.Response(body=_EVENT) if watch else await super().handle(request)
            return await _truncated(request, whole)
        if fault in _FORWARDED:
            await super().handle(request)
        await self._interrupt(request, fault)
        return abort(request)

    async def _interrupt(self, request: web.Request, fault: Fault) -> None:
        """Inject what affects more than this request."""
        loop = asyncio.get_running_loop()
        if fault is Fault.FORMER_LEADER:
            self.forwarding = loop.create_task(self._forward_late(request, await request.read()))
        if fault is Fault.STALE:
            self.lag_behind(*self.past)
        if fault in _OUTAGES:
            self.down = True
            loop.call_later(_OUTAGES[fault] * self.time_scale, self._end_outage)
        if fault in _KILLS:
            self.killed.set()
        if fault in _KILLS or fault in _OUTAGES:
            self.cut()

    async def _forward_late(self, request: web.Request, body: bytes) -> None:
        await asyncio.sleep(_UNDER_WAY_SECONDS * self.time_scale)
        async with self._forward(request, body) as answer:
            self.writes.append(Write(request.method, request.path, answer.status, body.decode()))

    def lag_behind(self, *paths: str) -> None:
        """Show these collections as they were before the change, for a minute."""
        self.stale = {path: self.past[path] for path in paths}
        self.gates = {path.rpartition("/")[2]: Gate.HOLD for path in paths}
        asyncio.get_running_loop().call_later(_STALE_SECONDS * self.time_scale, self._catch_up)

    def _catch_up(self) -> None:
        self.stale = {}
        self.open()

    def _end_outage(self) -> None:
        self.down = False

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        plural = request.path.rpartition("/")[2]
        if plural in self.expired:
            self.expired.discard(plural)
            return _status(HTTPStatus.GONE)
        return await super()._watch(request)

    def events(self, plural: str, response: web.StreamResponse) -> Events:
        """Return what relays the events of one watch."""
        late = _LATE_SECONDS * self.time_scale
        gate = partial(self.gates.get, plural)
        return FaultyEvents(gate, self.lag, response, plural=plural, take=self._take_event, late=late)

    def _take_event(self, found: Event) -> Fault | None:
        """Record an event; return its fault."""
        number, cell = self.traffic.count(found), self.cell
        if cell is None or (cell.target, cell.number) != (found, number):
            return None
        self.hits += 1
        if cell.fault is Fault.DROPPED:
            self.expired.add(found.kind)
        return cell.fault


def _status(code: int) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": _REASONS[code]}
    headers = {"Retry-After": "1"} if code in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE) else {}
    return web.json_response(status | {"message": "injected by the campaign"}, status=code, headers=headers)


async def _truncated(request: web.Request, whole: web.StreamResponse) -> web.StreamResponse:
    body = whole.body if isinstance(whole, web.Response) and isinstance(whole.body, bytes) else b""
    headers = {"Content-Type": whole.content_type, "Content-Length": str(len(body))}
    response = web.StreamResponse(status=whole.status, headers=headers)
    await response.prepare(request)
    with suppress(ConnectionError, aiohttp.ClientError):
        await response.write(body[: len(body) // 2])
    return abort(request)

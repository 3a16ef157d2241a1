"""Watches: streams of events. Watchers with the same representation share encoded events."""

import asyncio

import orjson
from aiohttp import web

from localkube.apiserver.http import encode, tables
from localkube.apiserver.http.negotiate import Representation
from localkube.apiserver.http.params import ListOptions
from localkube.apiserver.http.read import parse_version, selected
from localkube.apiserver.http.route import Target
from localkube.apiserver.registry import Registry
from localkube.apiserver.storage.store import Event, Record
from localkube.meta import status
from localkube.meta.status import Object

BOOKMARK_SECONDS = 30.0
DEFAULT_TIMEOUT = 2700.0
_BACKLOG = 50_000  # lines; a client that is further behind is disconnected and must relist


class Watch:
    """The watch of one client."""

    def __init__(
        self, registry: Registry, target: Target, representation: Representation, options: ListOptions, include: str
    ) -> None:
        self._registry = registry
        self._target = target
        self._representation = representation
        self._options = options
        self._include = include
        self._lines: list[bytes] = []
        self._ready = asyncio.Event()
        self._columns_sent = False
        self._seen = registry.store.version
        self._overrun = False
        self._form = f"{representation.shown_as}/{target.version}/{target.resource.group}"

    async def stream(self, request: web.BaseRequest) -> web.StreamResponse:
        """Stream events until the watch ends."""
        start = self._start()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        stop = self._registry.store.listen(self._target.storage, self._target.namespace, self._observe)
        try:
            self._begin(start)
            await response.prepare(request)
            await self._pump(response)
        except (ConnectionResetError, ConnectionError):
            return response
        finally:
            stop()
        await response.write_eof()
        return response

    def _start(self) -> int:
        """The resourceVersion to watch from. Raises ApiError 500."""
        text = self._options.resource_version
        version = parse_version(text) if text else 0
        if version is None:
            raise status.plain_internal(
                f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
            )
        return version

    def _begin(self, version: int) -> None:
        bucket = self._registry.store.bucket(self._target.storage)
        if version == 0 or self._options.initial:
            for record in selected(bucket, self._target.namespace, self._options):
                self._append(self._line("ADDED", record))
            if self._options.initial and self._options.bookmarks:
                self._bookmark({"k8s.io/initial-events-end": "true"})
            return
        if version < bucket.forgotten:
            error = status.gone(f"too old resource version: {version} ({bucket.forgotten})").status
            self._append(orjson.dumps({"type": "ERROR", "object": error}) + b"\n")
            self._overrun = True
            return
        self._seen = max(version, 0)
        for event in bucket.since(version):
            if not self._target.namespace or event.record.key[0] == self._target.namespace:
                self._show(event)
        self._seen = version

    def _observe(self, event: Event) -> None:
        if event.record.version > self._seen:
            self._show(event)

    def _show(self, event: Event) -> None:
        """Queue an event; the selectors may turn it into ADDED or DELETED, or drop it."""
        kind, record = event.type, event.record
        if self._options.labels is not None or self._options.fields is not None:
            now = kind != "DELETED" and self._options.matches(record.object)
            then = event.before is not None and self._options.matches(event.before.object)
            if not now and not then:
                return
            if not now:
                kind = "DELETED"
                if event.before is not None and event.type != "DELETED":
                    record = _as_of(event.before, event.record.version)
            elif not then:
                kind = "ADDED"
        if self._representation.table or record is not event.record:
            self._append(self._line(kind, record))
            return
        key = (kind, self._form)
        line = event.forms.get(key)
        if line is None:
            line = event.forms[key] = self._line(kind, record)
        self._append(line)

    def _line(self, kind: str, record: Record) -> bytes:
        if self._representation.table:
            metadata = {"resourceVersion": str(record.version)}
            shown = tables.table(
                self._registry, self._target, [record], metadata, self._include, columns=not self._columns_sent
            )
            self._columns_sent = True
            body = orjson.dumps(shown)
        else:
            body = encode.record_bytes(self._target, self._representation, record)
        return b'{"type":"' + kind.encode() + b'","object":' + body + b"}\n"

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._ready.set()
        if len(self._lines) > _BACKLOG:
            self._overrun = True

    def _bookmark(self, annotations: dict[str, str] | None = None) -> None:
        metadata: Object = {"resourceVersion": str(self._registry.store.version)}
        if annotations:
            metadata["annotations"] = annotations
        resource = self._target.resource
        obj: Object = {
            "kind": resource.kind,
            "apiVersion": resource.group_version(self._target.version),
            "metadata": metadata,
        }
        if self._representation.shown_as:
            obj = encode.partial(obj)
        if self._representation.table:
            obj = {
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "columnDefinitions": [],
                "rows": [],
            }
        self._append(orjson.dumps({"type": "BOOKMARK", "object": obj}) + b"\n")

    async def _pump(self, response: web.StreamResponse) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + (self._options.timeout or DEFAULT_TIMEOUT)
        bookmark = loop.time() + BOOKMARK_SECONDS
        while True:
            if self._lines:
                lines, self._lines = self._lines, []
                self._ready.clear()
                await response.write(b"".join(lines))
            if self._overrun and not self._lines:
                return
            until = min(end, bookmark) if self._options.bookmarks else end
            if not await self._wait(until - loop.time()):
                if loop.time() >= end:
                    return
                self._bookmark()
                bookmark = loop.time() + BOOKMARK_SECONDS

    async def _wait(self, seconds: float) -> bool:
        if seconds <= 0:
            return self._ready.is_set()
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True


def _as_of(record: Record, version: int) -> Record:
    """The last object that matched a selector, with the resourceVersion of the change after which it does not match."""
    meta = {**record.object["metadata"], "resourceVersion": str(version)}
    return Record(record.key, {**record.object, "metadata": meta}, version)

"""The Service proxy: a TCP proxy on every clusterIP and port to the ready pods."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from typing import Self

from localkube.apiserver.registry import Registry
from localkube.client.events import EventRecorder
from localkube.client.workqueue import WorkQueue
from localkube.meta.objects import SERVICE_NAME_LABEL, Key, key_of, labels_of
from localkube.meta.status import Object

logger = logging.getLogger(__name__)

CHUNK = 64 * 1024
CONNECT_SECONDS = 2.0
BACKLOG = 1024
FALLBACK_HOST = "127.0.0.1"

Address = tuple[str, int]
PortKey = tuple[str, str, int]  # namespace, Service, port


class ServiceProxy:
    """An async context manager that listens for Services and distributes connections over their ready pods in turn.

    If it cannot listen on a Service's address (a port below 1024 without the privilege, no 127.0.0.0/8), it listens on
    a free port, which `address` and an Event report. It does not support sessionAffinity, UDP and SCTP.
    """

    def __init__(self, registry: Registry, events: EventRecorder) -> None:
        self._registry = registry
        self._events = events
        self._queue = WorkQueue()
        self._servers: dict[PortKey, asyncio.Server] = {}
        self._targets: dict[PortKey, str] = {}  # the clusterIP that a server was started for
        self._names: dict[PortKey, str] = {}  # the name of the port, which may change while a server listens
        self._turns: dict[PortKey, itertools.count[int]] = {}
        self._slices: dict[Key, dict[str, Object]] = {}
        self._stops: list[Callable[[], None]] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._stops.append(self._registry.subscribe("endpointslices.discovery.k8s.io", self._on_slice))
        self._stops.append(self._registry.subscribe("services", lambda _event, obj: self._queue.add(key_of(obj))))
        self._worker = asyncio.create_task(self._work(), name="service proxy")
        return self

    async def __aexit__(self, *_: object) -> None:
        for stop in self._stops:
            stop()
        for server in self._servers.values():
            server.close()
        tasks = [*self._connections, *([self._worker] if self._worker else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._servers.clear()

    def address(self, namespace: str, service: str, port: int) -> Address | None:
        """The address on which the proxy listens for a port of a Service; None if it does not listen."""
        server = self._servers.get((namespace, service, port))
        if server is None or not server.sockets:
            return None
        host, number, *_ = server.sockets[0].getsockname()
        return str(host), int(number)

    def _on_slice(self, event: str, obj: Object) -> None:
        service = labels_of(obj).get(SERVICE_NAME_LABEL)
        if not service:
            return
        slices = self._slices.setdefault((obj["metadata"]["namespace"], service), {})
        if event == "DELETED":
            slices.pop(obj["metadata"]["name"], None)
        else:
            slices[obj["metadata"]["name"]] = obj

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._sync(key)
            except Exception:  # a Service that fails must not stop the proxy
                logger.exception("service proxy: %s", "/".join(key))

    async def _sync(self, key: Key) -> None:
        """Listen on the ports of the Service; stop listening on ports that it no longer has."""
        service = self._registry.find("services", *key)
        host = (service or {}).get("spec", {}).get("clusterIP", "")
        wanted: dict[PortKey, Object] = {}
        if service is not None and host not in ("", "None"):
            ports = [p for p in service["spec"].get("ports") or () if p.get("protocol", "TCP") == "TCP"]
            wanted = {(*key, p["port"]): p for p in ports}
        for stale in [k for k in self._servers if k[:2] == key and (k not in wanted or self._targets[k] != host)]:
            self._servers.pop(stale).close()
            del self._names[stale]
        for port_key, port in wanted.items():
            self._names[port_key] = port.get("name", "")
            if service is not None and port_key not in self._servers:
                self._servers[port_key] = await self._listen(service, host, port_key)
                self._targets[port_key] = host
        if service is None and not self._slices.get(key):
            self._slices.pop(key, None)

    async def _listen(self, service: Object, host: str, key: PortKey) -> asyncio.Server:
        turn = self._turns.setdefault(key, itertools.count())

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(
                self._connect(reader, writer, self._endpoints(key, self._names.get(key, ""), next(turn)))
            )
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        tries = ((host, key[2]), (host, 0), (FALLBACK_HOST, 0))
        for at, (address, number) in enumerate(tries):
            with contextlib.suppress(OSError):
                server = await asyncio.start_server(accept, address, number, backlog=BACKLOG)
                if at:
                    found = server.sockets[0].getsockname()
                    where = f"{found[0]}:{found[1]}"
                    message = f"{host}:{key[2]} is not available on this machine: the Service listens on {where}"
                    self._events.warning(service, "ListensElsewhere", message)
                return server
        raise OSError(f"cannot listen for {host}:{key[2]} on any address")

    def _endpoints(self, key: PortKey, name: str, turn: int) -> list[Address]:
        """The endpoints of a port in the order to try them: ready ones in turn; if there is none, terminating ones."""
        ready: list[Address] = []
        terminating: list[Address] = []
        for obj in self._slices.get(key[:2], {}).values():
            port = next((int(p["port"]) for p in obj.get("ports") or () if p.get("name", "") == name), 0)
            for endpoint in (obj.get("endpoints") or ()) if port else ():
                conditions = endpoint.get("conditions", {})
                if conditions.get("ready", True):
                    ready += [(address, port) for address in endpoint["addresses"]]
                elif conditions.get("serving") and conditions.get("terminating"):
                    terminating += [(address, port) for address in endpoint["addresses"]]
        found = ready or terminating
        at = turn % len(found) if found else 0
        return [*found[at:], *found[:at]]

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, endpoints: list[Address]
    ) -> None:
        """Connect a client to the first endpoint that accepts the connection; reset the connection if none does."""
        for address in endpoints:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    joined = await asyncio.open_connection(*address)
                await _join((reader, writer), joined)
                return
        writer.transport.abort()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _join(client: Stream, server: Stream) -> None:
    """Copy bytes in both directions until both sides end."""
    try:
        await asyncio.gather(_copy(client[0], server[1]), _copy(server[0], client[1]))
    finally:
        for writer in (client[1], server[1]):
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()  # one side is broken: reset the other

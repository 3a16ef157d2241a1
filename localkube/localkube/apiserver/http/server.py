"""The HTTP server: dispatches requests to handlers and answers errors with a `metav1.Status`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Self

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from kubeschema.errors import FieldsError
from localkube.apiserver.execution import Executor
from localkube.apiserver.http import auth, bodies, discovery, encode, params, patching, read, subresources, write
from localkube.apiserver.http.negotiate import representation
from localkube.apiserver.http.openapi import OpenApi
from localkube.apiserver.http.route import PageNotFoundError, Target, resolve
from localkube.apiserver.http.tls import Identity
from localkube.apiserver.http.watch import Watch
from localkube.apiserver.logs import LogSource
from localkube.apiserver.registry import Registry
from localkube.meta import status
from localkube.meta.status import ApiError

_log = logging.getLogger(__name__)
HOST = "127.0.0.1"
_SHUTDOWN_SECONDS = 1.0
_MAX_BODY = 3 * 1024 * 1024  # the limit of the real server

Handler = Callable[[web.BaseRequest, Target], Awaitable[web.StreamResponse]]


class ApiServer:
    """Serves a registry on loopback. An async context manager; `url` is known once it is entered."""

    def __init__(
        self,
        registry: Registry,
        *,
        token: str = "",
        logs: LogSource | None = None,
        executor: Executor | None = None,
        identity: Identity | None = None,
    ) -> None:
        """The server listens on a free port. It uses TLS with an `identity`, and plain HTTP without one."""
        self.registry = registry
        self._identity = identity
        self._logs = logs
        self._executor = executor
        self._token = token
        self._port = 0
        self._openapi = OpenApi(registry)
        self._runner: web.ServerRunner | None = None
        self._methods: dict[str, Handler] = {
            "GET": self._get,
            "POST": self._post,
            "PUT": self._put,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }

    @property
    def url(self) -> str:
        """The server's address."""
        return f"{'https' if self._identity else 'http'}://{HOST}:{self._port}"

    async def start(self) -> None:
        """Start to listen."""
        # handler_cancellation: a watch ends when the client disconnects.
        server = web.Server(self._serve, access_log=None, handler_cancellation=True, request_factory=_request)
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        context = self._identity.context() if self._identity else None
        site = web.TCPSite(self._runner, HOST, self._port, ssl_context=context)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close all connections and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except ApiError as error:
            headers = {"Retry-After": "1"} if error.code in (429, 504) else None
            return encode.answer(error.status, code=error.code, headers=headers)
        except FieldsError as error:
            refused = status.from_fields(error)
            return encode.answer(refused.status, code=refused.code)
        except web.HTTPRequestEntityTooLarge:
            return encode.answer(status.make(413, "RequestEntityTooLarge", f"limit is {_MAX_BODY}", {}), code=413)
        except PageNotFoundError:
            return web.Response(text="404 page not found\n", status=404)
        except Exception:  # noqa: BLE001 - logged; a bug must not end the server
            _log.exception("request failed: %s %s", request.method, request.path)
            failure = status.internal("the local cluster failed: see its log")
            return encode.answer(failure.status, code=500)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        name = auth.user(request, self._token)
        if name != auth.ADMIN and path not in auth.OPEN_PATHS:
            raise auth.refuse(request, name, self._try_resolve(path))
        document = discovery.document(self.registry, path, request.headers.get("Accept", ""))
        if document is not None:
            return document
        if path.startswith("/openapi/"):
            return self._openapi.respond(path, request)
        review = await subresources.review(request)
        if review is not None:
            return review
        target = resolve(self.registry.resources, path)
        on_object = subresources.as_object(target, request.method)
        if on_object is None:
            return await subresources.handle(self.registry, self._logs, self._executor, request, target)
        return await self._dispatch(request, on_object)

    def _try_resolve(self, path: str) -> Target | None:
        try:
            return resolve(self.registry.resources, path)
        except (ApiError, PageNotFoundError):
            return None

    async def _dispatch(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        """Handle a request to a collection, an object or a status."""
        handler = self._methods.get(request.method)
        takes_name = request.method != "POST"
        everywhere = target.resource.namespaced and not target.namespace
        if (
            handler is None
            or (everywhere and request.method != "GET")
            or (bool(target.name) != takes_name and request.method not in ("GET", "DELETE"))
        ):
            raise status.method_not_allowed()
        return await handler(request, target)

    async def _get(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        shown = representation(request.headers.get("Accept", ""))
        query = request.query
        include = query.get("includeObject", "")
        if target.name and not params.flag(query, "watch"):
            return read.get(self.registry, target, shown, include)
        options = params.list_options(query, target.resource, target.name)
        if options.watch:
            return await Watch(self.registry, target, shown, options, include).stream(request)
        return read.collection(self.registry, target, shown, options, include)

    async def _post(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        shown = representation(request.headers.get("Accept", ""))
        options = params.write_options(request.query, _agent(request), "CreateOptions", target.version)
        outcome = write.create(self.registry, target, await bodies.read(request, target.resource.kind), options)
        return write.respond(self.registry, target, shown, outcome)

    async def _put(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        shown = representation(request.headers.get("Accept", ""))
        options = params.write_options(
            request.query, _agent(request), "UpdateOptions", target.version, target.subresource
        )
        outcome = write.replace(self.registry, target, await bodies.read(request, target.resource.kind), options)
        return write.respond(self.registry, target, shown, outcome)

    async def _patch(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        shown = representation(request.headers.get("Accept", ""))
        media = bodies.media_type(request)
        if media == patching.APPLY:
            write.apply_manager(request.query)
        options = params.write_options(
            request.query, _agent(request), "PatchOptions", target.version, target.subresource
        )
        options = replace(options, patch=True)
        outcome = write.patch(self.registry, target, media, await request.read(), options)
        return write.respond(self.registry, target, shown, outcome)

    async def _delete(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        shown = representation(request.headers.get("Accept", ""))
        body = await bodies.read(request, "DeleteOptions") if request.can_read_body else None
        options = write.delete_options(request.query, body.value if body else None)
        if target.name:
            return write.delete(self.registry, target, shown, options)
        chosen = params.list_options(request.query, target.resource)
        return write.delete_collection(self.registry, target, shown, options, chosen)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY)


def _agent(request: web.BaseRequest) -> str:
    return request.headers.get("User-Agent", "")

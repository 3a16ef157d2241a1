"""HTTP requests to the API server: authentication, timeouts, retries, streams. Knows JSON, but no kinds.

It uses aiohttp instead of the ApiClient of kubernetes.aio, whose models the operator does not need: they cost a third
of the throughput (29-35 instead of 42-45 agents per second, measured). kubernetes.aio loads and refreshes the
credentials.
"""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Self

import aiohttp
from pydantic_core import from_json, to_json

from agent_operator.kube import access
from agent_operator.kube.reachability import Reachability

Object = dict[str, Any]
# Called for every response with verb, kind and HTTP status as text ("error" without a response).
Observer = Callable[[str, str, str], None]

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC_MERGE = "application/strategic-merge-patch+json"

# Reason of the ApiError of a stream that was silent for too long.
SILENT = "Silent"
# How long the API server keeps a watch open.
WATCH_SECONDS = 300

_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
# The API server sends a bookmark per minute, unless the kind has not changed since it started. A watch that is silent
# for longer may be dead. Restarting it is cheap.
_STREAM_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=90)
_BACKOFF = (0.2, 0.5, 1.0, 2.0)
_RETRIED = frozenset({500, 502, 503, 504, HTTPStatus.TOO_MANY_REQUESTS})
_LONGEST_RETRY_AFTER = 10.0


class ApiError(Exception):
    """The API server rejected a request, or could not be reached (`code` 0).

    Attributes:
        code: HTTP status.
        reason: machine-readable reason, such as NotFound.
        message: message of the server. It may quote the object, so do not show it for a Secret.
    """

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason
        self.message = message


class Transport:
    """A session with one API server, as an async context manager.

    Attributes:
        reachability: results of the requests of this session and of all sessions of `new_session`.
    """

    def __init__(  # noqa: PLR0913  (options of the connection)
        self,
        kubeconfig: str,
        context: str,
        observer: Observer,
        *,
        read_only: bool = False,
        reachability: Reachability | None = None,
        innermost: Sequence[aiohttp.ClientMiddlewareType] = (),
        timeout: aiohttp.ClientTimeout = _TIMEOUT,
    ) -> None:
        self.reachability = reachability or Reachability(time.monotonic)
        self._kubeconfig, self._context = kubeconfig, context
        self._observer = observer
        last = (self.reachability.middleware, self._authenticate, *innermost)
        self._middlewares = (_only_read, *last) if read_only else last
        self._timeout = timeout
        self._configuration = access.empty_configuration()
        self._session: aiohttp.ClientSession | None = None
        self._random = random.Random()  # noqa: S311  (jitter is no secret)

    async def __aenter__(self) -> Self:
        """Load the credentials. Raises AccessError if there are none."""
        self._configuration = await access.load(self._kubeconfig, self._context)
        self._session = self.new_session()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    @property
    def server(self) -> str:
        """URL of the API server, without a trailing slash."""
        return str(self._configuration.host).rstrip("/")

    def new_session(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """Create a session that authenticates every request. `middlewares` are the outermost of the client."""
        connector = aiohttp.TCPConnector(limit=0, ssl=access.ssl_context(self._configuration), keepalive_timeout=60)
        proxy = self._configuration.proxy
        chain = (*middlewares, *self._middlewares)
        return aiohttp.ClientSession(connector=connector, middlewares=chain, proxy=proxy)

    async def request(
        self,
        method: str,
        path: str,
        *,
        label: tuple[str, str],
        params: Mapping[str, str] | None = None,
        body: Object | Sequence[Object] | None = None,
        content_type: str = JSON,
    ) -> Object:
        """Send a request and return the response. Only idempotent requests are retried.

        Args:
            method: HTTP method.
            path: path on the server.
            label: verb and kind, the labels of the metric.
            params: query parameters.
            body: sent as JSON.
            content_type: content type of the body.

        Raises:
            ApiError: the server rejected the request, or was unreachable in all attempts.
        """
        data = None if body is None else to_json(body)
        headers = {"Content-Type": content_type} if data is not None else {}
        for delay in (*_BACKOFF, None):
            try:
                async with self._open.request(
                    method, self.server + path, params=params, data=data, headers=headers, timeout=self._timeout
                ) as response:
                    payload = await response.read()
                    self._observer(*label, str(response.status))
                    if response.ok:
                        return _parse(payload)
                    error = _error(response, payload)
                    wait = _seconds(response.headers.get("Retry-After", ""))
            except (aiohttp.ClientError, TimeoutError, ssl.SSLError) as failure:
                self._observer(*label, "error")
                error = ApiError(0, "Unreachable", f"{type(failure).__name__}: the API server cannot be reached")
                wait = 0.0
            if delay is None or not _worth_retrying(method, error.code):
                raise error
            await asyncio.sleep(max(min(wait, _LONGEST_RETRY_AFTER), delay * (0.5 + self._random.random())))
        raise AssertionError

    async def stream(
        self, path: str, *, label: tuple[str, str], params: Mapping[str, str], on_activity: Callable[[], None]
    ) -> AsyncIterator[Object]:
        """Yield one JSON object per line until the server ends the stream.

        Args:
            path: path on the server.
            label: verb and kind, the labels of the metric.
            params: query parameters.
            on_activity: called whenever the server answers or sends something. A stream may have no events for long.

        Raises:
            ApiError: the server rejected the request, the stream broke, or it was silent for 90 seconds.
        """
        try:
            async with self._open.get(self.server + path, params=params, timeout=_STREAM_TIMEOUT) as response:
                self._observer(*label, str(response.status))
                on_activity()
                if not response.ok:
                    raise _error(response, await response.read())
                rest = b""
                async for chunk in response.content.iter_any():
                    on_activity()
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        if line.strip():
                            yield _parse(line)
        except TimeoutError as failure:
            raise ApiError(0, SILENT, "the watch was silent for too long") from failure
        except (aiohttp.ClientError, ssl.SSLError) as failure:
            raise ApiError(0, "Unreachable", f"{type(failure).__name__}: the watch broke off") from failure

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Transport is used outside of its context")
        return self._session

    async def _authenticate(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        await self._authorize(request)
        response = await handler(request)
        if response.status == HTTPStatus.UNAUTHORIZED and not isinstance(request.body, aiohttp.AsyncIterablePayload):
            # The token of the kubeconfig has expired: run its exec plugin, or read its file, again.
            response.release()
            await self._authorize(request, reload=True)
            response = await handler(request)
        return response

    async def _authorize(self, request: aiohttp.ClientRequest, *, reload: bool = False) -> None:
        try:
            if reload:
                self._configuration = await access.load(self._kubeconfig, self._context)
            token = await access.token(self._configuration)
        except access.AccessError as error:
            # The login service may be down for a while. This is a failed request, not the end of the process.
            raise ApiError(0, "NoCredentials", f"the credentials cannot be renewed: {error}") from error
        if token:
            request.headers["Authorization"] = token


async def _only_read(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Enforce `--read-only` for all requests, those of kopf included."""
    if request.method != "GET":
        raise ApiError(403, "ReadOnly", "the operator runs with --read-only")
    return await handler(request)


def _worth_retrying(method: str, code: int) -> bool:
    """Report whether a retry is safe. The server may have executed a POST without a response, but not one with 429."""
    return code == HTTPStatus.TOO_MANY_REQUESTS or (method != "POST" and (code == 0 or code in _RETRIED))


def _seconds(retry_after: str) -> float:
    """Parse Retry-After in seconds; 0 for other formats, which proxies may send."""
    return float(retry_after) if retry_after.isdecimal() else 0.0


def _parse(payload: bytes) -> Object:
    try:
        value: Object = from_json(payload)
    except ValueError as error:
        raise ApiError(0, "Unreadable", "the response is not JSON: check the address in the kubeconfig") from error
    return value


def _error(response: aiohttp.ClientResponse, payload: bytes) -> ApiError:
    try:
        status = from_json(payload)
        return ApiError(response.status, status.get("reason", ""), status.get("message", ""))
    except (ValueError, AttributeError):
        return ApiError(response.status, response.reason or "", "the response is not a Status")

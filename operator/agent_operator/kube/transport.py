"""HTTP to the API server: authentication, timeouts, retries, streams. Knows JSON, but no kinds.

aiohttp directly, not kubernetes.aio's ApiClient: that one costs a third of the throughput (29-35 against 42-45 agents a
second, measured) for models which nobody here needs. What it is good at, finding and refreshing credentials, is used.
"""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Self

import aiohttp
from pydantic_core import from_json, to_json

from agent_operator.kube import access
from agent_operator.kube.reachability import Reachability

Object = dict[str, Any]
# Tells of an answer: verb, kind, HTTP status as text ("error" when there was none).
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
# A busy watch has a bookmark a minute. One that is silent for longer may be dead without anybody having said so; or its
# kind has not changed since the API server started, and then there are no bookmarks either. Asking again costs little.
_STREAM_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=90)
_BACKOFF = (0.2, 0.5, 1.0, 2.0)
_TOO_MANY_REQUESTS = 429
_UNAUTHORIZED = 401
_RETRIED = frozenset({500, 502, 503, 504, _TOO_MANY_REQUESTS})
_LONGEST_RETRY_AFTER = 10.0


class ApiError(Exception):
    """The API server refused, or could not be reached (`code` 0).

    Attributes:
        code: HTTP status.
        reason: machine-readable, such as NotFound.
        message: what the server said. It may quote the object, so it is not for showing where that is a Secret.
    """

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason
        self.message = message


class Transport:
    """A session with one API server, as an async context manager.

    Attributes:
        reachability: whether the API server answers, on this session and on all that `new_session` made.
    """

    def __init__(
        self,
        kubeconfig: str,
        context: str,
        observer: Observer,
        *,
        read_only: bool = False,
        reachability: Reachability | None = None,
    ) -> None:
        self.reachability = reachability or Reachability(time.monotonic)
        self._kubeconfig = kubeconfig
        self._context = context
        self._observer = observer
        last = (self.reachability.middleware, self._authenticate)
        self._middlewares = (_only_read, *last) if read_only else last
        self._configuration = access.empty_configuration()
        self._session: aiohttp.ClientSession | None = None
        self._random = random.Random()  # noqa: S311  (jitter is no secret)

    async def __aenter__(self) -> Self:
        """Find the credentials; AccessError when there are none."""
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
        """Make a session that authenticates every request by itself, with a token that may have been rotated.

        Args:
            middlewares: see each request first, and its answer last.
        """
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
        """Send a request and read the answer. All that is sent more than once is idempotent.

        Args:
            method: of HTTP.
            path: on the server.
            label: verb and kind, for the metrics.
            params: of the query.
            body: sent as JSON.
            content_type: what the body is.

        Raises:
            ApiError: refused, or unreachable after some attempts.
        """
        data = None if body is None else to_json(body)
        headers = {"Content-Type": content_type} if data is not None else {}
        for delay in (*_BACKOFF, None):
            try:
                async with self._open.request(
                    method, self.server + path, params=params, data=data, headers=headers, timeout=_TIMEOUT
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
        """Read one JSON object a line, until the server ends the stream.

        Args:
            path: on the server.
            label: verb and kind, for the metrics.
            params: of the query.
            on_activity: called whenever the server answers or sends something. A stream may have no events for long.

        Raises:
            ApiError: refused, broken off, or silent for 90 seconds.
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
        if response.status == _UNAUTHORIZED and not isinstance(request.body, aiohttp.AsyncIterablePayload):
            # An expired token of a kubeconfig: exec plugins and files give a new one when asked again.
            response.release()
            self._configuration = await access.load(self._kubeconfig, self._context)
            await self._authorize(request)
            response = await handler(request)
        return response

    async def _authorize(self, request: aiohttp.ClientRequest) -> None:
        # Calls the refresh hook, which reads a service account's token file again after a minute.
        found = await self._configuration.get_api_key_with_prefix("BearerToken")
        if found:
            request.headers["Authorization"] = found


async def _only_read(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """The last line of `--read-only`: whoever asks, kopf too, nothing but reading leaves this process."""
    if request.method != "GET":
        raise ApiError(403, "ReadOnly", "the operator runs with --read-only")
    return await handler(request)


def _worth_retrying(method: str, code: int) -> bool:
    """A POST may have been carried out although the answer was lost; 429 says that it was not."""
    return code == _TOO_MANY_REQUESTS or (method != "POST" and (code == 0 or code in _RETRIED))


def _seconds(retry_after: str) -> float:
    """Read Retry-After. API servers send seconds; what stands before them may send a date, or anything."""
    return float(retry_after) if retry_after.isdecimal() else 0.0


def _parse(payload: bytes) -> Object:
    try:
        value: Object = from_json(payload)
    except ValueError as error:
        raise ApiError(0, "Unreadable", "the answer is no JSON: is this an API server?") from error
    return value


def _error(response: aiohttp.ClientResponse, payload: bytes) -> ApiError:
    try:
        status = from_json(payload)
        return ApiError(response.status, status.get("reason", ""), status.get("message", ""))
    except (ValueError, AttributeError):
        return ApiError(response.status, response.reason or "", "the answer is no Status")

"""HTTP requests to the API server: authentication, timeouts, retries, streams. Knows JSON, but no kinds.

It uses aiohttp instead of the ApiClient of kubernetes.aio, whose models the operator does not need: they cost a third
of the throughput (29-35 instead of 42-45 agents per second, measured).
"""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import aiohttp
from pydantic_core import from_json, to_json

from agent_operator.kube import shapes
from agent_operator.kube.decoding import Page, decode, decode_page
from agent_operator.kube.reachability import Reachability
from agent_operator.kube.responses import ResponseTooLargeError, read_body, read_events
from agent_operator.kube.session import ApiError as ApiError  # noqa: PLC0414  (re-exported)
from agent_operator.kube.session import Cause, Session

Object = dict[str, Any]
# Called for every response with verb, kind and HTTP status as text ("error" without a response).
Observer = Callable[[str, str, str], None]

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC_MERGE = "application/strategic-merge-patch+json"
# Media types of responses that contain only the metadata of objects.
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

# Bytes of the largest response that the operator reads. The API server stores objects of up to 1.5 MiB, and writes a
# character such as "<" as six.
LARGEST_RESPONSE = 12 << 20
# Reason of the ApiError of a response that is larger than requested.
TOO_LARGE = "ResponseTooLarge"
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


class Transport(Session):
    """A session with one API server, as an async context manager."""

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
        reachability = reachability or Reachability(time.monotonic)
        super().__init__(kubeconfig, context, reachability, (_only_read,) if read_only else (), innermost)
        self._observer = observer
        self._timeout = timeout
        self._random = random.Random()  # noqa: S311  (jitter is no secret)

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
        payload = await self._exchange(method, path, label, params, data, headers, LARGEST_RESPONSE)
        try:
            return decode(payload)
        except ValueError as error:
            raise _not_json() from error

    async def read_page(
        self, path: str, *, label: tuple[str, str], params: Mapping[str, str], accept: str, largest: int
    ) -> Page:
        """Read a page of a list.

        Args:
            path: path on the server.
            label: verb and kind, the labels of the metric.
            params: query parameters.
            accept: media type of the response.
            largest: bytes of the largest page to read. A larger one fails with the reason TOO_LARGE.

        Raises:
            ApiError: the server rejected the request, was unreachable in all attempts, or the page is too large.
        """
        payload = await self._exchange("GET", path, label, params, None, {"Accept": accept}, largest)
        try:
            return await decode_page(payload)
        except ValueError as error:
            raise _not_json() from error

    async def _exchange(  # noqa: PLR0913, PLR0917  (the parts of a request)
        self,
        method: str,
        path: str,
        label: tuple[str, str],
        params: Mapping[str, str] | None,
        data: bytes | None,
        headers: Mapping[str, str],
        largest: int,
    ) -> bytes:
        """Send a request until it succeeds or is not worth another attempt, and return the body of the response."""
        for delay in (*_BACKOFF, None):
            try:
                async with self._open.request(
                    method, self.server + path, params=params, data=data, headers=headers, timeout=self._timeout
                ) as response:
                    payload = await read_body(response, largest)
                    self._observer(*label, str(response.status))
                    if response.ok:
                        return payload
                    error = _error(response, payload)
                    wait = _seconds(response.headers.get("Retry-After", ""))
            except ResponseTooLargeError as failure:
                self._observer(*label, TOO_LARGE)
                raise ApiError(0, TOO_LARGE, str(failure)) from failure
            except (aiohttp.ClientError, TimeoutError, ssl.SSLError) as failure:
                self._observer(*label, "error")
                error = ApiError(0, "Unreachable", f"{type(failure).__name__}: the API server cannot be reached")
                wait = 0.0
            if delay is None or error.is_decode_error or not _worth_retrying(method, error.code):
                raise error
            await asyncio.sleep(max(min(wait, _LONGEST_RETRY_AFTER), delay * (0.5 + self._random.random())))
        raise AssertionError

    async def stream(
        self,
        path: str,
        *,
        label: tuple[str, str],
        params: Mapping[str, str],
        on_activity: Callable[[], None],
        accept: str = JSON,
    ) -> AsyncIterator[Object]:
        """Yield watch events until the server ends the stream. An object that cannot be read is replaced by a stub.

        Args:
            path: path on the server.
            label: verb and kind, the labels of the metric.
            params: query parameters.
            on_activity: called whenever the server answers or sends something. A stream may have no events for long.
            accept: media type of the response.

        Raises:
            ApiError: the server rejected the request, the stream broke, it was silent for 90 seconds, or the object of
                an event can neither be read nor identified.
        """
        headers = {"Accept": accept}
        try:
            async with self._open.get(
                self.server + path, params=params, headers=headers, timeout=_STREAM_TIMEOUT
            ) as response:
                self._observer(*label, str(response.status))
                on_activity()
                if not response.ok:
                    raise _error(response, await read_body(response, LARGEST_RESPONSE))
                async for event in read_events(response, on_activity):
                    yield event
        except ValueError as error:
            raise ApiError(0, "Unreadable", "a watch event cannot be read: list again") from error
        except TimeoutError as failure:
            raise ApiError(0, SILENT, "the watch was silent for too long") from failure
        except (aiohttp.ClientError, ssl.SSLError) as failure:
            raise ApiError(0, "Unreachable", f"{type(failure).__name__}: the watch broke off") from failure


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


def _not_json() -> ApiError:
    return ApiError(0, "Unreadable", "the response is not JSON: check the address in the kubeconfig")


def _error(response: aiohttp.ClientResponse, payload: bytes) -> ApiError:
    try:
        status = from_json(payload)
        reason, message = status.get("reason", ""), status.get("message", "")
        return ApiError(response.status, str(reason), str(message), tuple(_causes(status)))
    except (ValueError, AttributeError):
        return ApiError(response.status, response.reason or "", "the response is not a Status")


def _causes(status: Object) -> Iterator[Cause]:
    for cause in shapes.mappings(shapes.mapping(status.get("details")).get("causes")):
        if field := shapes.text(cause.get("field")):
            yield Cause(field, shapes.text(cause.get("message")))

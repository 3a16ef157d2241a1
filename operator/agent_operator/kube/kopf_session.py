"""The HTTP session of kopf. It bounds and filters the lists and watches that kopf parses.

kopf parses a page or an event as a whole. One object that is nested too deep would end its watch permanently, and large
objects would take most of the memory, because a parsed object needs ten times its bytes. So this session reads the
responses, and gives kopf objects without metadata.managedFields and stubs of objects that cannot be read.
"""

import logging
from collections.abc import AsyncIterator, Collection
from typing import Any

import aiohttp
from pydantic_core import to_json
from yarl import URL

from agent_operator.api import constants
from agent_operator.kube import decoding
from agent_operator.kube.collection_client import PAGE, PAGE_BYTES, SMALLER
from agent_operator.kube.decoding import Object, Page, decode_event, decode_page
from agent_operator.kube.responses import ResponseTooLargeError, read_body, read_lines
from agent_operator.kube.stubs import TOO_LARGE, UNREADABLE, stub
from agent_operator.kube.transport import JSON, LARGEST_RESPONSE, METADATA_LIST

log = logging.getLogger(__name__)

_KEPT_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "labels",
    "annotations",
    "finalizers",
    "creationTimestamp",
    "deletionTimestamp",
)
_UNEXPECTED = "spec and status must be objects"


class KopfSession:
    """A session of aiohttp that filters the responses to lists and watches of AgentDeployments."""

    def __init__(self, session: aiohttp.ClientSession, paths: Collection[str]) -> None:
        """Create a session. `paths`: the collections of AgentDeployments, whose responses are filtered."""
        self._session = session
        self._paths = tuple(paths)
        self._limit = PAGE

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the session, such as `closed` or `headers`."""
        return getattr(self._session, name)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def request(self, method: str, url: str, **options: Any) -> Any:
        """Send a request. Returns what kopf reads of a response."""
        target = URL(url)
        if method.upper() != "GET" or not target.path.endswith(self._paths):
            return await self._session.request(method, url, **options)
        if "watch" not in target.query:
            return await self._list(target, options)
        response = await self._session.request(method, url, **options)
        return _Watch(response) if response.ok else response

    async def _list(self, url: URL, options: dict[str, Any]) -> Any:
        """Read a page that fits into memory. It may have fewer objects than requested."""
        accept, largest = JSON, PAGE_BYTES
        while True:
            headers = (options.get("headers") or {}) | {"Accept": accept}
            target = url.update_query(limit=str(self._limit))
            response = await self._session.request("GET", target, **{**options, "headers": headers})
            if not response.ok:
                return response
            try:
                # Closes the connection if the body is too large or cut off.
                async with response:
                    page = await decode_page(await read_body(response, largest))
            except ResponseTooLargeError as error:
                if self._limit > 1:
                    self._limit = max(1, self._limit // SMALLER)
                elif accept == JSON:
                    accept, largest = METADATA_LIST, LARGEST_RESPONSE
                else:
                    raise aiohttp.ClientPayloadError(str(error)) from error
            except ValueError as error:
                raise aiohttp.ClientPayloadError("the list of AgentDeployments is not JSON") from error
            else:
                self._limit = min(PAGE, 2 * self._limit)
                return _List(response, page, is_too_large=accept != JSON)


class _Response:
    """A response of aiohttp with another content."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the response, such as `status` or `close`."""
        return getattr(self._response, name)

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._response.__aexit__(*error)  # type: ignore[arg-type]


class _List(_Response):
    """A page of AgentDeployments."""

    def __init__(self, response: aiohttp.ClientResponse, page: Page, *, is_too_large: bool) -> None:
        super().__init__(response)
        items = [stub(item["metadata"], TOO_LARGE) for item in page.items] if is_too_large else page.items
        self._body = {
            "apiVersion": constants.API_VERSION,
            "kind": f"{constants.KIND}List",
            "metadata": {"resourceVersion": page.version, "continue": page.token},
            "items": [_filtered(item) for item in items],
        }

    async def json(self) -> Object:
        """Return the page."""
        return self._body


class _Watch(_Response):
    """A watch of AgentDeployments. kopf reads `content`."""

    @property
    def content(self) -> "_Watch":
        """Return the lines of the watch."""
        return self

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        """Yield an event per line."""
        async for line, is_cut in read_lines(self._response, lambda: None):
            try:
                event = await decode_event(line, is_cut=is_cut)
            except ValueError:
                log.warning("event of an AgentDeployment without a name is skipped")
                continue
            if event.get("type") in decoding.CHANGES:
                event["object"] = _filtered(event["object"])
            yield to_json(event) + b"\n"


def _filtered(obj: Object) -> Object:
    """Return what the operator reads of an AgentDeployment."""
    meta = {key: value for key in _KEPT_METADATA if (value := obj["metadata"].get(key)) is not None}
    if not isinstance(meta.get("finalizers", []), list):
        del meta["finalizers"]
    identity = {"apiVersion": constants.API_VERSION, "kind": constants.KIND, "metadata": meta}
    if reason := obj.get(UNREADABLE):
        return identity | {UNREADABLE: reason}
    parts = {key: value for key in ("spec", "status") if (value := obj.get(key)) is not None}
    if not all(isinstance(value, dict) for value in parts.values()):
        return identity | {UNREADABLE: _UNEXPECTED}
    return identity | parts

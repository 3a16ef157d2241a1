"""Lists and watches collections of objects, within bounds of memory."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from functools import partial

from agent_operator.kube.decoding import Object, Page
from agent_operator.kube.stubs import TOO_LARGE as OBJECT_TOO_LARGE
from agent_operator.kube.stubs import stub
from agent_operator.kube.transport import (
    JSON,
    LARGEST_RESPONSE,
    METADATA,
    METADATA_LIST,
    TOO_LARGE,
    WATCH_SECONDS,
    ApiError,
    Transport,
)

# Objects and bytes of a page. Usually 100 objects need less than half of the bytes.
PAGE = 100
PAGE_BYTES = 2 << 20
# The divisor of the number of objects after a page that is too large.
SMALLER = 4


class Collections:
    """Reads collections. All methods raise ApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list_pages(
        self, path: str, kind: str, selector: str = "", *, fields: str = "", metadata_only: bool = False
    ) -> AsyncIterator[tuple[list[Object], str]]:
        """List in pages. Yields the items of each page, and the resourceVersion to watch from.

        `selector` selects labels, and `fields` selects fields.

        Pages are bounded in bytes, too: a page that is too large is requested again with fewer objects. A stub takes
        the place of an object that is too large on its own.
        """
        limit, token = PAGE, ""
        while True:
            params = {"labelSelector": selector, "limit": str(limit)}
            params |= {name: value for name, value in (("fieldSelector", fields), ("continue", token)) if value}
            try:
                page = await self._read_page(path, kind, params, metadata_only=metadata_only)
            except ApiError as error:
                if error.reason != TOO_LARGE or limit == 1:
                    raise
                limit = max(1, limit // SMALLER)
                continue
            yield page.items, page.version
            token = page.token
            if not token:
                return
            limit = min(PAGE, 2 * limit)

    async def _read_page(self, path: str, kind: str, params: Mapping[str, str], *, metadata_only: bool) -> Page:
        is_single = params["limit"] == "1"
        read = partial(self._transport.read_page, path, label=("list", kind), params=params)
        if metadata_only:
            return await read(accept=METADATA_LIST, largest=LARGEST_RESPONSE if is_single else PAGE_BYTES)
        try:
            return await read(accept=JSON, largest=PAGE_BYTES)
        except ApiError as error:
            if error.reason != TOO_LARGE or not is_single:
                raise
        page = await read(accept=METADATA_LIST, largest=LARGEST_RESPONSE)
        return replace(page, items=[stub(item["metadata"], OBJECT_TOO_LARGE) for item in page.items])

    def watch(
        self,
        path: str,
        kind: str,
        selector: str,
        version: str,
        on_activity: Callable[[], None],
        *,
        metadata_only: bool = False,
    ) -> AsyncIterator[Object]:
        """Watch from a resourceVersion. Yields events, including bookmarks, and ends after some minutes.

        `on_activity` is called whenever the API server answers or sends something.
        """
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": selector,
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        accept = METADATA if metadata_only else JSON
        label = ("watch", kind)
        return self._transport.stream(path, label=label, params=params, on_activity=on_activity, accept=accept)

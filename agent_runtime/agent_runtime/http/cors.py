"""CORS: which pages of other origins may call the agent."""

import re

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

METHODS = "GET, POST, DELETE, OPTIONS"
# The headers that a page may send if its preflight does not name valid ones.
HEADERS = "Authorization, Content-Type, Accept, X-Request-Id"
# The headers that OpenAI's client and the chat page read.
EXPOSED = "X-Request-Id, Retry-After, Retry-After-Ms, X-Should-Retry, WWW-Authenticate"
DAY = "86400"
# A response repeats the origin and the requested headers in headers, so they may contain only what a header may.
_ORIGIN = re.compile(r"[!-~]{1,512}")
_HEADER_NAMES = re.compile(r"[\w!#$%&'*+.^`|~, -]{1,4096}", re.ASCII)


def allow_origins(app: web.Application, origins: frozenset[str]) -> Middleware:
    """Allow pages of these origins (`*`: of any origin) to call the agent; return the middleware for preflights.

    Credentials of the browser stay forbidden. The page sets the API key in a header itself.
    """

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        # A cache must not give the response of one origin to another.
        response.headers.add(hdrs.VARY, "Origin")
        origin = request.headers.get(hdrs.ORIGIN, "")
        if origin in origins or ("*" in origins and _ORIGIN.fullmatch(origin)):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED

    app.on_response_prepare.append(add_headers)
    return _answer_preflights


@web.middleware
async def _answer_preflights(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a preflight before the check of the API key, because browsers send preflights without credentials."""
    if request.method != hdrs.METH_OPTIONS or hdrs.ORIGIN not in request.headers:
        return await handler(request)
    # OpenAI's client sends a dozen headers of its own, which change with its version. So allow what is requested.
    requested = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
    headers = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: METHODS,
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: requested if _HEADER_NAMES.fullmatch(requested) else HEADERS,
        hdrs.ACCESS_CONTROL_MAX_AGE: DAY,
        hdrs.VARY: hdrs.ACCESS_CONTROL_REQUEST_HEADERS,
    }
    return web.Response(status=204, headers=headers)

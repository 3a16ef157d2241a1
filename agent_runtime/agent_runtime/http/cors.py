"""CORS: which pages of other origins may call the agent."""

import re

from aiohttp import web

METHODS = "GET, POST, DELETE, OPTIONS"
HEADERS = "Authorization, Content-Type, Accept, X-Request-Id"
DAY = "86400"
# A response repeats the origin in a header, so it may contain only what a header may.
_ORIGIN = re.compile(r"[!-~]{1,512}")


def allow_origins(app: web.Application, origins: frozenset[str]) -> None:
    """Allow pages of these origins (`*`: of any origin) to call the agent.

    Credentials of the browser stay forbidden. The page sets the API key in a header itself.
    """

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        origin = request.headers.get("Origin", "")
        if origin in origins or ("*" in origins and _ORIGIN.fullmatch(origin)):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "X-Request-Id, Retry-After"
            response.headers.add("Vary", "Origin")

    async def preflight(_: web.Request) -> web.Response:
        allowed = {"Allow-Methods": METHODS, "Allow-Headers": HEADERS, "Max-Age": DAY}
        headers = {f"Access-Control-{name}": value for name, value in allowed.items()}
        return web.Response(status=204, headers=headers)

    app.on_response_prepare.append(add_headers)
    app.router.add_route("OPTIONS", "/{path:.*}", preflight)

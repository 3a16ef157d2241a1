"""The chat page: static files without a build step. Enabled by chat_page in agent.toml.

marked.js is the package of this name from npm, which parses Markdown, without the reference to its source map.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files

from aiohttp import web

# The page loads only its own script and style, and calls only its own agent. Inline scripts and styles are forbidden.
POLICY: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
}
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(f"{directive} {value}" for directive, value in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Browsers revalidate each time, which the ETag makes cheap. After an upgrade they must not run the old script.
    "Cache-Control": "no-cache",
}
FILES: Mapping[str, tuple[str, str]] = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/markdown.js": ("markdown.js", "text/javascript"),
    "/marked.js": ("marked.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def add_page(app: web.Application) -> None:
    """Serve the page under /."""
    for path, (name, content_type) in FILES.items():
        app.router.add_get(path, _file_handler(files(__name__).joinpath(name).read_bytes(), content_type))


def _file_handler(body: bytes, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    digest = hashlib.sha256(body).hexdigest()[:32]

    async def serve(request: web.Request) -> web.Response:
        cached = any(tag.value in {digest, "*"} for tag in request.if_none_match or ())
        response = (
            web.Response(status=304, headers=HEADERS)
            if cached
            else web.Response(body=body, content_type=content_type, charset="utf-8", headers=HEADERS)
        )
        response.etag = digest
        return response

    return serve

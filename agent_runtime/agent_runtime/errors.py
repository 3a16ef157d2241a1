"""The one kind of error that a client sees, and how it is written down."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

OPENAI_ROUTES = "/v1/"
_OPENAI_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


class Problem(Exception):  # noqa: N818  (RFC 9457's word for it)
    """An answer that is an error.

    Attributes:
        status: HTTP status.
        code: stable, snake_case; clients may branch on it.
        detail: for people. Never holds a prompt, a secret or a traceback.
        param: JSON path of the request's field at fault, if any.
        retry_after: seconds after which trying again makes sense; None when it does not.
        wait: seconds that a model's server asked us to wait; None when it did not.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.param = param
        self.retry_after = retry_after
        self.wait: float | None = None

    @property
    def headers(self) -> dict[str, str]:
        # OpenAI's clients retry every 5xx unless told so here; a refused credential will not heal within seconds.
        headers = {"x-should-retry": "true" if self.retry_after is not None else "false"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(self.retry_after)))
        return headers


def render(problem: Problem, path: str) -> web.Response:
    """Write a problem in the form that the callers of this path expect."""
    content_type = "application/json" if path.startswith(OPENAI_ROUTES) else "application/problem+json"
    body = orjson.dumps(as_json(problem, path))
    return web.Response(status=problem.status, body=body, content_type=content_type, headers=problem.headers)


def as_json(problem: Problem, path: str) -> dict[str, Any]:
    """The object that tells a problem to the callers of this path."""
    if path.startswith(OPENAI_ROUTES):
        kind = _OPENAI_TYPES.get(problem.status, "api_error" if problem.status >= 500 else "invalid_request_error")  # noqa: PLR2004
        return {"error": {"message": problem.detail, "type": kind, "param": problem.param, "code": problem.code}}
    title = HTTPStatus(problem.status).phrase
    content = {"title": title, "status": problem.status, "code": problem.code, "detail": problem.detail}
    return content | ({"param": problem.param} if problem.param is not None else {})

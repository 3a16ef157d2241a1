"""Problem, the exception for every error response, and its body in the format of OpenAI or of RFC 9457."""

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


class Problem(Exception):  # noqa: N818  (the term of RFC 9457)
    """An error response.

    Attributes:
        status: HTTP status.
        code: a stable code in snake_case, on which clients may branch.
        detail: the message for people. It never contains a prompt, a secret or a traceback.
        param: JSON path of the invalid field of the request, if there is one.
        retry_after: seconds until a retry makes sense; None if a retry cannot succeed.
        wait: Retry-After of the model's server in seconds; None if the server sent none.
        challenge: WWW-Authenticate of a 401.
        blames_model: whether the failure of a model may count against it. False if the request may be the cause.
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
        self.challenge = "Bearer"
        self.blames_model = True

    @property
    def headers(self) -> dict[str, str]:
        """Headers that control whether and when the client retries, and with which credentials."""
        # OpenAI's clients retry every 5xx unless this header forbids it. A retry with refused credentials fails again.
        headers = {"x-should-retry": "true" if self.retry_after is not None else "false"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(self.retry_after)))
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = self.challenge
        return headers


def error_response(problem: Problem, path: str) -> web.Response:
    """Build the error response in the format that clients of this path expect."""
    content_type = "application/json" if path.startswith(OPENAI_ROUTES) else "application/problem+json"
    body = orjson.dumps(error_body(problem, path))
    return web.Response(status=problem.status, body=body, content_type=content_type, headers=problem.headers)


def error_body(problem: Problem, path: str) -> dict[str, Any]:
    """Return the JSON object of an error: OpenAI's format under /v1/, RFC 9457 (problem+json) elsewhere."""
    if path.startswith(OPENAI_ROUTES):
        kind = _OPENAI_TYPES.get(problem.status, "api_error" if problem.status >= 500 else "invalid_request_error")  # noqa: PLR2004
        return {"error": {"message": problem.detail, "type": kind, "param": problem.param, "code": problem.code}}
    title = HTTPStatus(problem.status).phrase
    body = {"title": title, "status": problem.status, "code": problem.code, "detail": problem.detail}
    return body | ({"param": problem.param} if problem.param is not None else {})

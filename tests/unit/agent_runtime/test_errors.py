"""Problems in their two forms."""

import json

import pytest

from agent_runtime.errors import Problem, error_response


def body(problem: Problem, path: str) -> dict[str, object]:
    """The JSON of the rendered problem."""
    content = error_response(problem, path).body
    assert isinstance(content, bytes)
    found: dict[str, object] = json.loads(content)
    return found


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (413, "invalid_request_error"),
        (429, "rate_limit_error"),
        (418, "invalid_request_error"),
        (502, "api_error"),
    ],
)
def test_openais_form(status: int, kind: str) -> None:
    """Under /v1 every error has message, type, param and code."""
    error = body(Problem(status, "c", "d", param="p"), "/v1/models")

    assert error == {"error": {"message": "d", "type": kind, "param": "p", "code": "c"}}


def test_the_problem_form() -> None:
    """Elsewhere it is RFC 9457's, and says param only when there is one."""
    assert body(Problem(404, "c", "d"), "/api/chat") == {
        "title": "Not Found",
        "status": 404,
        "code": "c",
        "detail": "d",
    }
    assert body(Problem(404, "c", "d", param="p"), "/")["param"] == "p"


def test_retry_headers() -> None:
    """Retry-After in whole seconds, at least one; OpenAI's clients are told when trying again is useless."""
    again = error_response(Problem(503, "c", "d", retry_after=0.2), "/v1/x").headers
    never = error_response(Problem(502, "c", "d"), "/v1/x").headers

    assert (again["Retry-After"], again["x-should-retry"]) == ("1", "true")
    assert never["x-should-retry"] == "false"
    assert "Retry-After" not in never

"""Error responses: the two formats and the headers for retries."""

import json

import pytest

from agent_runtime.errors import Problem, error_response


def body(problem: Problem, path: str) -> dict[str, object]:
    """Return the JSON body of the error response."""
    content = error_response(problem, path).body
    assert isinstance(content, bytes)
    parsed: dict[str, object] = json.loads(content)
    return parsed


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
def test_paths_under_v1_get_openais_format(status: int, kind: str) -> None:
    """Every error has message, type, param and code."""
    error = body(Problem(status, "c", "d", param="p"), "/v1/models")

    assert error == {"error": {"message": "d", "type": kind, "param": "p", "code": "c"}}


def test_other_paths_get_rfc_9457() -> None:
    """`param` is absent if no field is invalid."""
    assert body(Problem(404, "c", "d"), "/api/chat") == {
        "title": "Not Found",
        "status": 404,
        "code": "c",
        "detail": "d",
    }
    assert body(Problem(404, "c", "d", param="p"), "/")["param"] == "p"


def test_the_headers_say_whether_a_retry_makes_sense() -> None:
    """Retry-After is at least one whole second. x-should-retry is a header of OpenAI's clients."""
    retryable = error_response(Problem(503, "c", "d", retry_after=0.2), "/v1/x").headers
    permanent = error_response(Problem(502, "c", "d"), "/v1/x").headers

    assert (retryable["Retry-After"], retryable["x-should-retry"]) == ("1", "true")
    assert permanent["x-should-retry"] == "false"
    assert "Retry-After" not in permanent

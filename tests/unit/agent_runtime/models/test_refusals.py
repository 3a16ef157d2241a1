"""Errors of a model's server, as problems."""

import pytest

from agent_runtime.models import refusals

LONG = "context_length_exceeded"


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("7", 7), ("0", 1), ("99999", 600), ("9" * 5000, 600), ("-1", None), ("nan", None), ("", None), (None, None)],
)
def test_retry_after_is_limited_to_1_to_600_seconds(retry_after: str | None, seconds: float | None) -> None:
    headers = {"Retry-After": retry_after} if retry_after is not None else {}

    problem = refusals.refused("m", 429, headers, b"")

    assert (problem.wait, problem.retry_after) == (seconds, seconds or refusals.RETRY_AFTER)


SENT = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("Wed, 21 Oct 2015 07:28:07 GMT", 7),
        ("Wednesday, 21-Oct-15 07:28:07 GMT", 7),
        ("Wed Oct 21 07:28:07 2015", 7),
        ("Wed, 21 Oct 2015 09:28:00 GMT", 600),
        ("Wed, 21 Oct 2015 07:20:00 GMT", 1),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("tomorrow", None),
    ],
)
def test_retry_after_may_be_a_date(retry_after: str, seconds: float | None) -> None:
    """HTTP has three formats of dates. The wait is relative to the Date header of the response."""
    problem = refusals.refused("m", 503, {"Retry-After": retry_after, "Date": SENT}, b"")

    assert (problem.wait, problem.retry_after) == (seconds, seconds or refusals.RETRY_AFTER)


@pytest.mark.parametrize("sent", [None, "nonsense"])
def test_without_a_date_header_our_clock_counts(sent: str | None) -> None:
    for retry_after, seconds in ((SENT, 1), ("Wed, 21 Oct 2215 07:28:00 GMT", 600)):
        headers = {"Retry-After": retry_after} | ({"Date": sent} if sent else {})

        assert refusals.refused("m", 429, headers, b"").wait == seconds


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error": "x"}', b'{"error": {"code": 7, "param": {}}}', b"\xff"])
def test_an_error_without_a_code_gets_one(body: bytes) -> None:
    assert refusals.refused("m", 422, {}, body).code == "model_refused_request"


def test_codes_are_returned_and_sentences_are_not() -> None:
    """A caller may branch on the code; a sentence may quote a prompt."""
    problem = refusals.refused(
        "m", 400, {}, b'{"error": {"code": "content_filter", "param": "my own words", "message": "q"}}'
    )

    assert (problem.status, problem.code, problem.param) == (400, "content_filter", None)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (402, b"", (429, "insufficient_quota")),
        (402, b'{"error": {"code": "x"}}', (429, "insufficient_quota")),
        (413, b"<html>", (400, "model_request_too_large")),
        (413, b'{"error": {"message": "the context length is 9"}}', (400, "context_length_exceeded")),
        (400, b'{"error": {"message": "maximum context length is 4096 tokens", "code": 400}}', (400, LONG)),
        (400, b'{"object": "error", "message": "maximum context length is 4096 tokens"}', (400, LONG)),
        (400, b'{"error": "input length exceeds the context window"}', (400, LONG)),
        (
            400,
            b'[{"error": {"message": "The input token count (9) exceeds the maximum number of tokens"}}]',
            (400, LONG),
        ),
        (422, b'{"detail": "prompt is too long"}', (400, LONG)),
        (400, b'{"error": {"message": "an invalid tool", "code": "bad_tool"}}', (400, "bad_tool")),
    ],
)
def test_a_refusal_has_the_code_by_which_fallbacks_decide(status: int, body: bytes, expected: tuple[int, str]) -> None:
    problem = refusals.refused("m", status, {}, body)

    assert (problem.status, problem.code) == expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, b"", True),
        (404, b"", True),
        (404, b'{"detail": "Not Found"}', True),
        (404, b'{"error": {"code": "model_not_found"}}', True),
        (404, b'{"error": {"code": "DeploymentNotFound"}}', True),
        (404, b'{"error": {"code": 404, "param": "model"}}', True),
        (403, b'{"error": {"code": "invalid_api_key"}}', True),
        (404, b'{"error": {"code": null, "message": "Item not found"}}', False),
        (404, b'{"error": {"code": "prompt_not_found", "param": "prompt"}}', False),
        (403, b"<html>blocked</html>", False),
        (403, b'{"error": {"code": 403, "message": "flagged"}}', False),
    ],
)
def test_an_error_blames_the_model_only_if_it_concerns_all_requests(status: int, body: bytes, expected: bool) -> None:
    assert refusals.refused("m", status, {}, body).blames_model is expected

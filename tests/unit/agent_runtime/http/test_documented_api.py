"""docs/reference/http-api.md lists every endpoint and every code of an error, and no other."""

import re
from pathlib import Path

from agent_runtime.http.openapi.paths import paths
from agent_runtime.http.page import FILES

ROOT = Path(__file__).parents[4]
TEXT = (ROOT / "docs" / "reference" / "http-api.md").read_text(encoding="utf-8")
# Codes that are chosen in an expression: (status, code).
CHOSEN = {
    (400, "context_length_exceeded"),
    (400, "model_refused_request"),
    (400, "model_request_too_large"),
    (404, "previous_response_not_found"),
    (404, "response_not_found"),
    (429, "insufficient_quota"),
    (502, "model_credentials_refused"),
    (502, "model_not_found_upstream"),
}


def test_every_endpoint_is_listed() -> None:
    table, _, _ = TEXT.partition("## The chat API")
    listed = set(re.findall(r"(GET|POST|DELETE) (/[^ `]*)`", table))
    page_parts = {("GET", path) for path in FILES if path != "/"}

    served = {(method.upper(), path) for path, methods in paths().items() for method in methods}
    assert served - page_parts == listed | {("GET", "/health/ready"), ("GET", "/health/live")}


def test_every_code_of_an_error_is_listed() -> None:
    section = TEXT.partition("## Errors")[2].partition("\n## ")[0]
    listed = {(int(status), code) for status, code in re.findall(r"(?m)^\| (\d+) \| `(\w+)` \|", section)}

    sources = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "agent_runtime").rglob("agent_runtime/**/*.py")
    )
    literal = {(int(status), code) for status, code in re.findall(r'Problem\(\s*(\d{3}),\s*"(\w+)"', sources)}
    assert literal | CHOSEN - {(400, "context_length_exceeded")} == listed
    assert {code for _, code in CHOSEN} <= set(re.findall(r'"(\w+)"', sources))

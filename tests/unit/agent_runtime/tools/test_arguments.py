"""Arguments of tools, and schemas that their servers got wrong or mean ill with."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from agent_runtime.tools.arguments import check
from agent_runtime.tools.toolbox import ToolError

NUMBERS: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def test_what_fits_is_fine() -> None:
    """With definitions within the schema, and for the dialect that the schema names."""
    inner = {"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}

    check({"a": 1}, NUMBERS)
    check({"a": 1}, inner)
    check({"a": 1}, inner | {"$schema": "http://json-schema.org/draft-07/schema#"})


@pytest.mark.parametrize(
    ("arguments", "why"), [({}, "'a' is a required property"), ({"a": "x"}, "'x' is not of type 'integer'")]
)
def test_what_does_not_fit_is_explained(arguments: dict[str, Any], why: str) -> None:
    """To the model, which may do better."""
    with pytest.raises(ToolError, match=f"invalid arguments: {why}"):
        check(arguments, NUMBERS)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": 5},
        {"properties": 5},
        {"properties": {"a": {"pattern": "("}}},
        {"$ref": "#/nothing"},
        {"$ref": "#"},
        {"$ref": "other.json"},
        {"properties": {"a": {"$dynamicRef": "#nowhere"}}},
    ],
    ids=str,
)
def test_a_schema_that_makes_no_sense(schema: dict[str, Any]) -> None:
    """Is told, and breaks nothing."""
    with pytest.raises(ToolError, match="the tool's schema is not valid"):
        check({"a": "b"}, schema)


@pytest.fixture
def fetched() -> Iterator[tuple[str, list[str]]]:
    """The URL of a schema, and the paths that were asked for there."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Give the schema."""
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/schema", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["$ref", "$schema"])
def test_a_schema_is_never_fetched(fetched: tuple[str, list[str]], name: str) -> None:
    """Or a tool's server could have the agent ask any address for it."""
    url, asked = fetched

    if name == "$ref":
        with pytest.raises(ToolError, match="schema"):
            check({"a": 1}, {"properties": {"a": {"$ref": url}}})
    else:
        check({"a": 1}, NUMBERS | {"$schema": url})

    assert asked == []

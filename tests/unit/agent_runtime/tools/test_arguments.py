"""Arguments of tools, and schemas that are invalid or hostile."""

import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from agent_runtime.tools import arguments as argument_checks
from agent_runtime.tools.arguments import ArgumentCheck
from agent_runtime.tools.toolbox import ToolError

NUMBERS: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def check(arguments: dict[str, Any], schema: dict[str, Any]) -> None:
    ArgumentCheck(schema)(arguments)


def doubling(levels: int) -> dict[str, Any]:
    """A schema of a few hundred bytes whose validation takes 2 ** levels steps."""
    definitions: dict[str, Any] = {"d0": {"type": "integer"}}
    for level in range(1, levels + 1):
        reference = {"$ref": f"#/$defs/d{level - 1}"}
        definitions[f"d{level}"] = {"allOf": [reference, reference]}
    return {"properties": {"a": {"$ref": f"#/$defs/d{levels}"}}, "$defs": definitions}


def test_valid_arguments_pass() -> None:
    """The schema may contain definitions, and is checked by the draft that it names."""
    inner = {"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}

    check({"a": 1}, NUMBERS)
    check({"a": 1}, inner)
    check({"a": 1}, inner | {"$schema": "http://json-schema.org/draft-07/schema#"})


@pytest.mark.parametrize(
    ("arguments", "reason"), [({}, "'a' is a required property"), ({"a": "x"}, "'x' is not of type 'integer'")]
)
def test_invalid_arguments_are_explained_to_the_model(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(ToolError, match=f"invalid arguments: {reason}"):
        check(arguments, NUMBERS)


def test_an_explanation_has_a_limit() -> None:
    with pytest.raises(ToolError) as raised:
        check({"a": "x" * 100_000}, NUMBERS)

    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    "schema",
    [
        {"type": 5},
        {"properties": 5},
        {"properties": {"a": {"pattern": "("}}},
        {"$ref": "#/nothing"},
        {"$ref": "#"},
        {"$ref": "other.json"},
        {"$ref": "http://["},
        {"$schema": ["x"]},
        {"properties": {"a": {"$dynamicRef": "#nowhere"}}},
    ],
    ids=str,
)
def test_an_invalid_schema_is_a_tool_error(schema: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match="the tool's schema is not valid"):
        check({"a": "b"}, schema)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, "a" * 60 + "!"),
        ({"properties": {"a": {"patternProperties": {"^(a+)+$": {}}}}}, {"a" * 60 + "!": 1}),
        (
            {"properties": {"a": {"additionalProperties": False, "patternProperties": {"^(a+)+$": {}}}}},
            {"a" * 60 + "!": 1},
        ),
        (doubling(60), 1),
    ],
    ids=["pattern", "patternProperties", "additionalProperties", "references"],
)
def test_a_hostile_schema_is_stopped(monkeypatch: pytest.MonkeyPatch, schema: dict[str, Any], value: Any) -> None:
    """The second call fails immediately. Other tools are not affected, and the signal has its former handler."""
    monkeypatch.setattr(argument_checks, "CPU_SECONDS", 0.1)
    before = signal.getsignal(signal.SIGVTALRM)

    hostile = ArgumentCheck(schema)
    for arguments in ({"a": value}, {}):
        with pytest.raises(ToolError, match="takes too long"):
            hostile(arguments)

    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    check({"a": 1}, NUMBERS)


@pytest.mark.parametrize("levels", [400, 5000])
def test_a_deeply_nested_schema_is_a_tool_error(levels: int) -> None:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}

    with pytest.raises(ToolError, match="the tool's schema is not valid"):
        check({}, schema)


def test_a_long_chain_of_references_is_a_tool_error() -> None:
    chain = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(1000)} | {"d1000": {}}

    with pytest.raises(ToolError, match="the tool's schema"):
        check({"a": 1}, {"$defs": chain, "$ref": "#/$defs/d0"})


def test_a_huge_schema_is_not_read() -> None:
    with pytest.raises(ToolError, match="longer than 65536 bytes"):
        check({}, {"description": "x" * 70_000})


@pytest.fixture
def schema_server() -> Iterator[tuple[str, list[str]]]:
    """The URL of a schema, and the paths that were requested there."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/schema", requests
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["$ref", "$schema"])
def test_a_schema_is_never_fetched(schema_server: tuple[str, list[str]], name: str) -> None:
    """If schemas were fetched, a tool's server could make the agent send requests to any address."""
    url, requests = schema_server

    if name == "$ref":
        with pytest.raises(ToolError, match="schema"):
            check({"a": 1}, {"properties": {"a": {"$ref": url}}})
    else:
        check({"a": 1}, NUMBERS | {"$schema": url})

    assert requests == []

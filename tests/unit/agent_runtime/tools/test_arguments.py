"""Arguments of tools, and schemas that are invalid or hostile."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from agent_runtime.tools.arguments import ArgumentCheck
from agent_runtime.tools.toolbox import ToolError

# The limit may expire in a callback of the garbage collector that a test library has added, which ignores exceptions.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
# Seconds of CPU. The limit is 0.05 s, and a step that it cannot interrupt takes 0.05 s on a slow machine.
MARGIN = 0.5
NUMBERS: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def check(arguments: dict[str, Any], schema: dict[str, Any]) -> None:
    ArgumentCheck(schema)(arguments)


@pytest.fixture
def no_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise the limit on CPU time, which a busy machine may reach first, for tests of another verdict."""
    monkeypatch.setattr("agent_runtime.tools.arguments.CPU_SECONDS", 60)


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
        {"$ref": "#/nothing"},
        {"properties": {"a": {"multipleOf": 0, "minimum": "x"}}, "required": 5},
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


CATASTROPHIC = "^(a+)+$"
NAME = "a" * 60 + "!"


@pytest.mark.usefixtures("no_time_limit")
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": CATASTROPHIC}, NAME),
        ({"propertyNames": {"pattern": CATASTROPHIC}}, {NAME: 1}),
        ({"additionalProperties": False, "patternProperties": {CATASTROPHIC: {}}}, {NAME: 1}),
    ],
    ids=["pattern", "propertyNames", "additionalProperties"],
)
def test_a_catastrophic_pattern_is_checked_in_linear_time(schema: dict[str, Any], value: Any) -> None:
    with pytest.raises(ToolError, match="invalid arguments"):
        check({"a": value}, {"properties": {"a": schema}})


@pytest.mark.usefixtures("no_time_limit")
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(?!x).+$"}, "x"),
        ({"pattern": "("}, "x"),
        ({"additionalProperties": False, "patternProperties": {"^(?!x)": {}}}, {"x": 1}),
        ({"unevaluatedProperties": False}, {"x": 1}),
        ({"unevaluatedItems": False}, [1]),
        ({"format": "date-time"}, "no date"),
    ],
    ids=str,
)
def test_what_has_no_linear_check_is_left_to_the_tools_server(schema: dict[str, Any], value: Any) -> None:
    check({"a": value}, {"properties": {"a": schema}})


def test_unique_items() -> None:
    schema = {"properties": {"a": {"uniqueItems": True}}}

    check({"a": [1, "1", [1], {"x": 1}, True]}, schema)
    with pytest.raises(ToolError, match="not unique"):
        check({"a": [{"x": 1, "y": 2}, {"y": 2, "x": 1}]}, schema)


def any_of_doubling(levels: int) -> dict[str, Any]:
    """A schema without references whose subschemas double at each level, because JSON repeats them by name."""
    definitions: dict[str, Any] = {"d0": {"type": "string"}}
    for level in range(1, levels + 1):
        reference = {"$ref": f"#/$defs/d{level - 1}"}
        definitions[f"d{level}"] = {"anyOf": [reference, reference]}
    return {"properties": {"a": {"$ref": f"#/$defs/d{levels}"}}, "$defs": definitions}


# Schemas and arguments up to the largest accepted sizes, each of which takes long with jsonschema alone.
HOSTILE: dict[str, tuple[dict[str, Any], Any]] = {
    "references": (doubling(60), 1),
    "anyOf": (any_of_doubling(24), 1),
    "oneOf": ({"properties": {"a": {"oneOf": [{"type": "integer"}] * 3000}}}, "x" * 1_000_000),
    "false": ({"properties": {"a": {"anyOf": [False] * 9000}}}, "x" * 1_000_000),
    "if": ({"properties": {"a": {"allOf": [{"if": False}] * 4000}}}, "x" * 1_000_000),
    "enum": ({"properties": {"a": {"items": {"enum": list(range(9000))}}}}, ["x"] * 200_000),
    "const": ({"properties": {"a": {"items": {"const": [[0] * 9000, 1]}}}}, [[[0] * 9000, 2]] * 50),
    "required": ({"properties": {"a": {"items": {"required": [f"r{n}" for n in range(5000)]}}}}, [{}] * 100_000),
    "items": ({"properties": {"a": {"items": {"type": "integer"}}}}, ["x"] * 200_000),
    "contains": ({"properties": {"a": {"contains": {"contains": {"const": 1}}}}}, [[0] * 1000] * 400),
    "uniqueItems": ({"properties": {"a": {"uniqueItems": True}}}, [{"x": n} for n in range(90_000)]),
    "dependentRequired": (
        {"properties": {"a": {"items": {"dependentRequired": {"x": [f"r{n}" for n in range(5000)]}}}}},
        [{"x": 1}] * 50_000,
    ),
    "propertyNames": (
        {"properties": {"a": {"propertyNames": {"pattern": "[ab]*a[ab]{900}x"}}}},
        {f"{'ab' * 300}{n}": 1 for n in range(1500)},
    ),
    "patternProperties": (
        {"properties": {"a": {"patternProperties": {rf"\\w{{60}}{n}": {} for n in range(2000)}}}},
        {f"k{n}": 1 for n in range(50_000)},
    ),
    "unevaluatedProperties": (
        any_of_doubling(24) | {"unevaluatedProperties": False, "allOf": [{"$ref": "#/$defs/d24"}]},
        {"x": 1},
    ),
    "dynamicRef": (
        {"$dynamicAnchor": "n", "allOf": [{"properties": {"a": {"$dynamicRef": "#n"}}}] * 2},
        {"a": {"a": {"a": 1}}},
    ),
    "anchors": (
        {"$defs": {f"a{n}": {"$anchor": f"a{n}"} for n in range(1000)}, "allOf": [{"$ref": "#a999"}] * 1000},
        1,
    ),
    "multipleOf": ({"properties": {"a": {"items": {"multipleOf": 5e-324}}}}, [1.7e308] * 50_000),
}


@pytest.mark.parametrize(("schema", "value"), HOSTILE.values(), ids=HOSTILE)
def test_no_check_takes_long(schema: dict[str, Any], value: Any) -> None:
    """Whatever the verdict, a check uses about 0.1 s of CPU, also when it is repeated. Other tools are not affected."""
    before, hostile = signal.getsignal(signal.SIGVTALRM), ArgumentCheck(schema)

    for _ in range(3):
        begun = time.thread_time()
        with suppress(ToolError):
            hostile({"a": value})
        assert time.thread_time() - begun < MARGIN

    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    check({"a": 1}, NUMBERS)


def test_arguments_that_take_too_long_are_refused_only_this_time() -> None:
    """One caller cannot turn a tool off for the others."""
    tool = ArgumentCheck({"properties": {"a": {"items": {"type": "integer"}}}})

    with pytest.raises(ToolError, match="take too long to check"):
        tool({"a": [1] * 400_000})
    tool({"a": [1]})


@pytest.mark.usefixtures("no_time_limit")
@pytest.mark.parametrize("levels", [400, 5000])
def test_a_deeply_nested_schema_is_a_tool_error(levels: int) -> None:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}

    with pytest.raises(ToolError, match="the tool's schema"):
        check({}, schema)


@pytest.mark.usefixtures("no_time_limit")
def test_an_endless_reference_is_a_tool_error() -> None:
    with pytest.raises(ToolError, match="nested too deeply"):
        check({}, {"$ref": "#"})


@pytest.mark.usefixtures("no_time_limit")
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

"""The tools that models get: their names, schemas and number."""

import re
from typing import Any

import pytest

from agent_runtime.tools.offer import MAX_TOOLS, Tool, model_names, offer
from agent_runtime.tools.schemas import accepted

VALID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def names(*tools: str, server: str = "s") -> list[str]:
    return model_names([(server, tool) for tool in tools])


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("add", "s__add"),
        ("get-time_2", "s__get-time_2"),
        ("calendar.list", "s__calendar_list"),
        ("a/b:c d", "s__a_b_c_d"),
        ("x" * 61, "s__" + "x" * 61),
    ],
)
def test_a_name_is_kept_or_readable(tool: str, expected: str) -> None:
    assert names(tool) == [expected]


@pytest.mark.parametrize("tool", ["x" * 62, "x" * 5000, "日本語" * 30, "\ud800", "", "ü", "\n", "a.b" * 40])
def test_every_name_is_valid(tool: str) -> None:
    (name,) = names(tool)

    assert VALID.fullmatch(name)


def test_names_are_unique_and_do_not_depend_on_the_order() -> None:
    tools = ["a.b", "a/b", "a_b", "a b", *(f"{'x' * 80}{n}" for n in range(100)), "ä", "ö"]

    forward, backward = names(*tools), names(*reversed(tools))

    assert len(set(forward)) == len(tools)
    assert dict(zip(tools, forward, strict=True)) == dict(zip(reversed(tools), backward, strict=True))
    assert forward[2] == "s__a_b"
    assert all(VALID.fullmatch(name) for name in forward)


def test_a_tool_cannot_take_the_name_of_another() -> None:
    """A hostile server names a tool like the mapped name of another one."""
    (mapped,) = names("x" * 80)

    assert names("x" * 80, mapped.removeprefix("s__")) == ["", mapped]


def tool(name: str = "t", schema: dict[str, Any] | None = None, description: str = "") -> Tool:
    return Tool(name, description, {"type": "object"} if schema is None else schema)


def test_the_first_tools_are_offered_and_the_others_reported() -> None:
    servers = {
        server: {name: tool(name) for name in (f"{server}.{number}" for number in range(100))} for server in "ab"
    }

    found = offer(servers)

    assert len(found.specs) == len(found.origins) == MAX_TOOLS
    assert found.left_out == tuple(("b", f"b.{number}") for number in range(28, 100))
    assert found.origins["b__b_3"] == ("b", "b.3")


def test_a_long_description_is_shortened() -> None:
    found = offer({"s": {"t": tool(description="d" * 2000)}})

    assert len(found.specs[0]["function"]["description"]) == 1024


@pytest.mark.parametrize("kind", ["string", ["string", "null"], "array"])
def test_a_tool_whose_arguments_are_no_object_is_left_out(kind: Any) -> None:
    assert offer({"s": {"t": tool(schema={"type": kind})}}).left_out == (("s", "t"),)


OBJECT: dict[str, Any] = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object"}, OBJECT),
        ({}, OBJECT),
        ({"type": ["object", "null"]}, OBJECT),
        ({"properties": None}, OBJECT),
        (
            {"type": "object", "properties": {"a": {"type": "object"}, "b": {"type": "array"}}},
            OBJECT | {"properties": {"a": OBJECT, "b": {"type": "array", "items": {}}}},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": [{"type": "object"}]}}},
            OBJECT | {"properties": {"a": {"type": "array", "items": {"anyOf": [OBJECT]}}}},
        ),
        (
            {"anyOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}], "required": ["c"]},
            OBJECT | {"properties": {"a": {}, "b": {}}, "required": ["c"]},
        ),
        (
            {"$ref": "#/$defs/x", "$defs": {"x": {"type": "object", "properties": {"a": {"type": "object"}}}}},
            {
                "type": "object",
                "properties": {"a": OBJECT},
                "$defs": {"x": {"type": "object", "properties": {"a": OBJECT}}},
            },
        ),
        ({"$ref": "#"}, OBJECT),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"$ref": "#/$defs/x"}}}, None),
        ({"type": "object", "properties": {"type": {"type": "string"}, "items": True}, "enum": [1]}, None),
    ],
)
def test_a_schema_becomes_one_that_openai_accepts(schema: dict[str, Any], expected: dict[str, Any] | None) -> None:
    found = accepted(schema)

    assert found["type"] == "object"
    assert isinstance(found["properties"], dict)
    assert not {"anyOf", "oneOf", "allOf", "not", "enum"} & found.keys()
    assert expected is None or found == expected

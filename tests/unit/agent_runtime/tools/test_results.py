"""Results of tools as text for the model."""

import base64
from typing import Any

import pytest
from mcp.types import CallToolResult

from agent_runtime.tools.results import EMPTY, as_text

DATA = base64.b64encode(b"12345").decode()


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def resource(**fields: Any) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": "file:///a.md", "mimeType": "text/markdown"} | fields}


@pytest.mark.parametrize(
    ("content", "structured", "expected"),
    [
        ([text("a"), text("b")], None, "a\nb"),
        ([text("a"), resource(text="body")], None, "a\n[resource: file:///a.md, text/markdown]\nbody"),
        ([resource(blob=DATA)], None, "[resource: file:///a.md, text/markdown, 5 bytes]"),
        (
            [{"type": "resource_link", "uri": "https://x/y", "name": "y", "description": "why", "size": 7}],
            None,
            "[link to a resource: https://x/y, y, why, 7 bytes]",
        ),
        ([{"type": "image", "data": DATA, "mimeType": "image/png"}], None, "[image: image/png, 5 bytes, not shown]"),
        ([{"type": "audio", "data": "", "mimeType": "audio/wav"}], None, "[audio: audio/wav, 0 bytes, not shown]"),
        ([], {"a": [1]}, '{"a":[1]}'),
        ([text(" ")], {"a": 1}, '{"a":1}'),
        ([text("3")], {"result": 3}, "3"),
        (
            [{"type": "image", "data": DATA, "mimeType": "image/png"}],
            {"a": 1},
            '[image: image/png, 5 bytes, not shown]\n{"a":1}',
        ),
        ([], None, EMPTY),
        ([text("")], None, EMPTY),
        ([text("\n ")], None, EMPTY),
    ],
)
def test_all_content_reaches_the_model(content: list[Any], structured: Any, expected: str) -> None:
    result = CallToolResult.model_validate({"content": content, "structuredContent": structured})

    assert as_text(result) == expected


def test_long_notes_are_bounded() -> None:
    link = {"type": "resource_link", "uri": "https://x/" + "y" * 10**6, "name": "n" * 10**6}

    assert len(as_text(CallToolResult.model_validate({"content": [link]}))) < 3000

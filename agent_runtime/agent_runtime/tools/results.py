"""The result of a tool as text for the model. A model of chat completions takes only text as the result of a tool."""

from typing import Any

import orjson
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)

# Characters of a name, URI or type in a note.
_MAX_NOTE = 1000
EMPTY = "[the tool returned no content]"


def as_text(result: CallToolResult) -> str:
    """Return all content of a result. Binary content becomes a note with its type and size; the text is never empty.

    The structured content is used if there is no text, because servers also send it as text.
    """
    parts = [text for part in result.content if (text := _text(part)).strip()]
    has_text = any(isinstance(part, TextContent) and part.text.strip() for part in result.content)
    if result.structured_content is not None and not has_text:
        parts.append(_json(result.structured_content))
    return "\n".join(parts) or EMPTY


def _text(part: Any) -> str:
    if isinstance(part, TextContent):
        return part.text
    if isinstance(part, EmbeddedResource):
        resource = part.resource
        if isinstance(resource, BlobResourceContents):
            return _note("resource", resource.uri, resource.mime_type, _size(resource.blob))
        return f"{_note('resource', resource.uri, resource.mime_type)}\n{resource.text}"
    if isinstance(part, ResourceLink):
        size = f"{part.size} bytes" if part.size is not None else None
        return _note("link to a resource", part.uri, part.title or part.name, part.description, part.mime_type, size)
    if isinstance(part, ImageContent | AudioContent):
        return _note(part.type, part.mime_type, _size(part.data), "not shown")
    return _note("content that is not shown", type(part).__name__)


def _note(kind: str, *details: str | None) -> str:
    return f"[{kind}: {', '.join(detail[:_MAX_NOTE] for detail in details if detail)}]"


def _size(base64: str) -> str:
    """Return the size of binary data from the length of its base64."""
    return f"{len(base64) * 3 // 4 - base64[-2:].count('=')} bytes"


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # nested too deeply
        return _note("structured content that is nested too deeply")

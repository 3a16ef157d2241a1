"""The agent's prompt and the system messages of a caller, as one message."""

from collections.abc import Sequence

from agent_runtime.models.base import Json

_ROLES = frozenset({"system", "developer"})


def with_prompt(prompt: str, messages: Sequence[Json]) -> list[Json]:
    """Return the messages after one system message: the prompt, followed by the caller's own system messages.

    The templates of several models accept only one system message, which must be the first message. Without a prompt
    the messages are unchanged.
    """
    if not prompt:
        return list(messages)
    own = [message.get("content") or "" for message in messages if message["role"] in _ROLES]
    others = [message for message in messages if message["role"] not in _ROLES]
    return [{"role": "system", "content": _joined(prompt, own)}, *others]


def _joined(prompt: str, contents: Sequence[str | list[Json]]) -> str | list[Json]:
    """Return one content; as a list of parts if one of the contents is a list."""
    texts = [content for content in contents if isinstance(content, str)]
    if len(texts) == len(contents):
        return "\n\n".join((prompt, *filter(None, texts)))
    parts: list[Json] = [{"type": "text", "text": prompt}]
    for content in contents:
        parts += [{"type": "text", "text": content}] if isinstance(content, str) else content
    return parts

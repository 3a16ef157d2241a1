"""The reason that a model's server gives for a refused request, unless it repeats what nobody else may see."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agent_runtime import untrusted_json
from agent_runtime.config.terminal import one_line

MAX_REASON = 500
# If the request has more characters, it is not searched, and the reason is withheld. The search takes 0.1 s.
_MAX_SEARCHED = 500_000
# Characters whose search takes as long as that of an empty text.
_PER_TEXT = 20
# A repeated run of twice as many letters and digits is found wherever it begins. Chinese has fewer letters per word.
_HALF_RUN, _HALF_RUN_UNICODE = 12, 5
_SHORTEST_QUOTED = 3
_SHORTEST_SECRET = 6
_NOT_A_WORD = re.compile(r"[\W_]+")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\[nrt]")
_QUOTED = re.compile(r"""(["'`\u201c\u2018\u00ab])(.+?)["'`\u201d\u2019\u00bb]""", re.DOTALL)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|context (length|window|size)|(prompt|input) is too long"
    r"|(input|prompt)[^.]{0,60}(exceeds?|longer than)[^.]{0,60}(tokens|length|limit)",
    re.IGNORECASE,
)


def reason_of(answer: bytes) -> str:
    """Return the reason in the body of an error as one line; empty if it has none."""
    try:
        body = untrusted_json.loads(answer)
    except untrusted_json.InvalidJsonError:
        return ""
    return one_line(_message(body)[: 8 * MAX_REASON])[:MAX_REASON]


def _message(body: Any) -> str:
    """Return the message of OpenAI's error, or of the errors that compatible servers send instead."""
    if isinstance(body, list):
        body = body[0] if body else None
    for name in ("error", "message", "detail"):
        value = body.get(name) if isinstance(body, dict) else None
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str) and value.strip():
            return value
    return ""


def is_too_long(reason: str) -> bool:
    """Return whether the reason is that the request has more tokens than the model can read."""
    return bool(_TOO_LONG.search(reason))


def shown(reason: str, request: Mapping[str, Any], secrets: Iterable[str]) -> str:
    """Return a reason that may be shown to the caller and in the log; empty if it repeats a message or a secret.

    Args:
        reason: of the server.
        request: body of the refused request. The agent's prompt is one of its messages.
        secrets: values that were sent in headers.
    """
    if any(secret[:_SHORTEST_SECRET] in reason for secret in secrets if len(secret) >= _SHORTEST_SECRET):
        return ""
    texts, length = [], 0
    for text in _texts(request.get("messages")) if reason else ():
        texts.append(text)
        length += len(text) + _PER_TEXT
        if length > _MAX_SEARCHED:
            return ""
    return "" if _repeats(reason, [_compact(text) for text in texts]) else reason


def _repeats(reason: str, texts: Sequence[str]) -> bool:
    """Return whether the reason contains a long part of a text, or quotes a shorter one, or contains all of one."""
    text = " ".join(texts)
    unescaped = _ESCAPED.sub(lambda match: chr(int(match[1], 16)) if match[1] else " ", reason)
    for candidate in (reason, unescaped):
        compact = _compact(candidate)
        if any(len(whole) > _SHORTEST_QUOTED and whole in compact for whole in texts):
            return True
        # A common run of twice this length contains one of the pieces that begin at every multiple of it.
        half = _HALF_RUN if compact.isascii() else _HALF_RUN_UNICODE
        if any(compact[start : start + half] in text for start in range(0, len(compact) - half + 1, half)):
            return True
        quoted = (_compact(match[2]) for match in _QUOTED.finditer(candidate))
        if any(len(words) >= _SHORTEST_QUOTED and words in text for words in quoted):
            return True
    return False


def _compact(text: str) -> str:
    return _NOT_A_WORD.sub("", text).casefold()


def _texts(messages: Any) -> Iterator[str]:
    """Yield the texts of messages, which callers write in any shape."""
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"]
        if isinstance(message, dict) and isinstance(message.get("reasoning_content"), str):
            yield message["reasoning_content"]
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("arguments"), str):
                yield function["arguments"]

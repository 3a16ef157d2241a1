"""A model without a server: it repeats the last user message."""

import re
import time
import uuid
from collections.abc import AsyncGenerator

import orjson

from agent_runtime.models.base import Json


class EchoModel:
    """Answers with the last user message. It counts words as tokens."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def complete(self, request: Json) -> Json:
        """Answer with the last user message."""
        answer, usage = _answer(request)
        message = {"role": "assistant", "content": answer, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return self._head("chat.completion") | {"choices": [choice], "usage": usage}

    async def stream(self, request: Json) -> AsyncGenerator[bytes, None]:
        """Answer with the last user message, one word per chunk."""
        answer, usage = _answer(request)
        head = self._head("chat.completion.chunk")
        deltas: list[Json] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word} for word in re.findall(r"\s+\S*|\S+", answer)]
        for delta, reason in [(delta, None) for delta in deltas] + [({}, "stop")]:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
            yield orjson.dumps(head | {"choices": [choice]})
        yield orjson.dumps(head | {"choices": [], "usage": usage})

    async def probe(self) -> Json:
        """Always healthy."""
        return {}

    async def aclose(self) -> None:
        """Nothing to close."""

    def _head(self, kind: str) -> Json:
        return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": self.name}


def _answer(request: Json) -> tuple[str, Json]:
    texts = [_text(message) for message in request["messages"]]
    from_user = [text for text, message in zip(texts, request["messages"], strict=True) if message["role"] == "user"]
    answer = from_user[-1] if from_user else ""
    prompt, completion = sum(len(text.split()) for text in texts), len(answer.split())
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return answer, usage


def _text(message: Json) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(text for part in content if (text := part.get("text")))

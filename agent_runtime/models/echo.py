"""A model without a server: it answers with what it was told."""

import time
import uuid

from agent_runtime.models.base import Json


class EchoModel:
    """Answers with the last user message. A token is a word."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def complete(self, request: Json) -> Json:
        """Answer with the last user message."""
        texts = [_text(message) for message in request["messages"]]
        told = [text for text, message in zip(texts, request["messages"], strict=True) if message["role"] == "user"]
        answer = told[-1] if told else ""
        prompt_tokens, completion_tokens = sum(len(text.split()) for text in texts), len(answer.split())
        return {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.name,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": answer, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        }

    async def probe(self) -> Json:
        """Nothing can be wrong."""
        return {}

    async def aclose(self) -> None:
        """Nothing is held."""


def _text(message: Json) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part.get("type") == "text")

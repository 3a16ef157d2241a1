"""The interface that every model implements."""

from collections.abc import AsyncGenerator
from typing import Any, Protocol

Json = dict[str, Any]


class Model(Protocol):
    """A model that takes requests in the form of OpenAI's chat completions."""

    @property
    def name(self) -> str:
        """The name by which callers choose it."""
        ...

    async def complete(self, request: Json) -> Json:
        """Answer a chat completion request with a chat completion.

        Args:
            request: body of POST /v1/chat/completions; the model sets `model` itself.

        Raises:
            Problem: the model did not answer; it includes whether a retry makes sense.
        """
        ...

    def stream(self, request: Json) -> AsyncGenerator[bytes, None]:
        """Answer a chat completion request with chunks as JSON. Usually the last one has the usage.

        Chunks may be any JSON; see models.chunks. If the answer may be incomplete, chunks.TRUNCATED is the last one.

        Raises:
            Problem: as complete() does, before the first chunk; or later, when the answer breaks off.
        """
        ...

    async def probe(self) -> Json:
        """Check whether the model can be used; see health.Component."""
        ...

    async def aclose(self) -> None:
        """Close connections and end tasks."""
        ...

"""What every model can do."""

from collections.abc import AsyncGenerator
from typing import Any, Protocol

Json = dict[str, Any]


class Model(Protocol):
    """A model, spoken to in the terms of OpenAI's chat completions."""

    @property
    def name(self) -> str:
        """The name by which callers pick it."""
        ...

    async def complete(self, request: Json) -> Json:
        """Answer a chat completion request with a chat completion.

        Args:
            request: body of POST /v1/chat/completions; the model sets its own `model`.

        Raises:
            Problem: the model did not answer; says whether trying again makes sense.
        """
        ...

    def stream(self, request: Json) -> AsyncGenerator[bytes, None]:
        """Answer a chat completion request with the JSON of chat completion chunks, the last of which tells the usage.

        Raises:
            Problem: as complete() does; before the first chunk, or after it when the answer breaks off.
        """
        ...

    async def probe(self) -> Json:
        """Look whether the model can be used; see health.Component."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and tasks."""
        ...

"""What every model can do."""

from typing import Any, Protocol

Json = dict[str, Any]
# How long one completion may take, in seconds.
REQUEST_TIMEOUT = 300.0


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

    async def probe(self) -> Json:
        """Look whether the model can be used; see health.Probed."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and tasks."""
        ...

"""A model behind OpenAI's embeddings API."""

from yarl import URL

from agent_runtime.errors import Problem
from agent_runtime.models import chunks
from agent_runtime.models.base import Json
from agent_runtime.models.endpoint import Endpoint
from agent_runtime.models.openai import OpenAIModel


class EmbeddingsModel(OpenAIModel):
    """Calls the embeddings of one model. Requests and answers pass through unchanged, except for the model's name."""

    def _url(self, endpoint: Endpoint) -> URL:
        return endpoint.embeddings

    def _parse(self, answer: bytes) -> Json:
        parsed = chunks.read_json(self.name, answer)
        if chunks.is_error(parsed):
            raise chunks.in_band_error(self.name, parsed)
        if not isinstance(parsed, dict) or not isinstance(parsed.get("data"), list):
            raise Problem(502, "model_bad_response", f"{self.name}: the model's server sent no embeddings")
        return parsed

    def _add_reason(self, problem: Problem, request: Json, answer: bytes) -> None:
        found = request.get("input")
        texts = found if isinstance(found, list) else [found]
        super()._add_reason(problem, {"messages": [{"content": text} for text in texts]}, answer)

    async def _complete_a_little(self) -> None:
        await self.complete({"input": "ping"})

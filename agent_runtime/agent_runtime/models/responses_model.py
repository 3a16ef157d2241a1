"""A model behind OpenAI's Responses API."""

from collections.abc import AsyncGenerator

import aiohttp
from yarl import URL

from agent_runtime.models import chunks, responses_api, sse
from agent_runtime.models.base import Json
from agent_runtime.models.endpoint import Endpoint
from agent_runtime.models.openai import OpenAIModel
from agent_runtime.models.response_events import ResponseChunks
from agent_runtime.models.streaming import StreamMode, whole_object


class ResponsesModel(OpenAIModel):
    """Calls the Responses API of one model. Its requests and answers are those of chat completions."""

    # The Responses API has no stream_options.
    first_mode = StreamMode.PLAIN

    def _url(self, endpoint: Endpoint) -> URL:
        return endpoint.responses

    def _body(self, request: Json, cap_field: str) -> Json:
        return responses_api.request(super()._body(responses_api.checked(request), cap_field))

    def _parse(self, answer: bytes) -> Json:
        return responses_api.completion(self.name, answer)

    async def _read_stream(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        if (body := await whole_object(response)) is not None:
            for chunk in chunks.as_chunks(self._parse(body)):
                yield chunk
            return
        found = ResponseChunks(self.name)
        async for kind, data in sse.events(response.content):
            if not data.startswith(sse.DONE):
                for chunk in found.add(kind, data):
                    yield chunk
        if not found.finished:
            yield chunks.TRUNCATED

"""A model behind OpenAI's Responses API."""

from collections.abc import AsyncGenerator

import aiohttp
from yarl import URL

from agent_runtime.models import chunks, responses, responses_api, sse
from agent_runtime.models.base import Json
from agent_runtime.models.endpoint import Endpoint
from agent_runtime.models.openai import OpenAIModel
from agent_runtime.models.response_events import ResponseChunks
from agent_runtime.models.streaming import StreamingRefused, StreamMode, concerns_all, in_mode, whole_object


class ResponsesModel(OpenAIModel):
    """Calls the Responses API of one model. Its requests and answers are those of chat completions."""

    def _url(self, endpoint: Endpoint) -> URL:
        return endpoint.responses

    def _body(self, request: Json, cap_field: str) -> Json:
        return responses_api.request(super()._body(responses_api.checked(request), cap_field))

    async def complete(self, request: Json) -> Json:
        """Answer a chat completion request; see Model."""
        async with self._post(request) as response:
            answer = await responses.read(response)
        completion = responses_api.completion(self.name, answer)
        self._record_success()
        return completion

    async def stream(self, request: Json) -> AsyncGenerator[bytes, None]:
        """Answer a chat completion request in chunks; see Model."""
        is_general = False
        if self._stream_modes.current is not StreamMode.NONE:
            try:
                async with self._post(in_mode(request, StreamMode.PLAIN)) as response:
                    async for chunk in self._chunks(response):
                        yield chunk
                self._record_success()
            except StreamingRefused as error:
                is_general = concerns_all(request, error.param)
            else:
                return
        completion = await self.complete(in_mode(request, StreamMode.NONE))
        self._stream_modes.remember(StreamMode.NONE, concerns_all=is_general)
        for part in chunks.as_chunks(completion):
            yield part

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        if (body := await whole_object(response)) is not None:
            for chunk in chunks.as_chunks(responses_api.completion(self.name, body)):
                yield chunk
            return
        found = ResponseChunks(self.name)
        async for kind, data in sse.events(response.content):
            if not data.startswith(sse.DONE):
                for chunk in found.add(kind, data):
                    yield chunk
        if not found.finished:
            yield chunks.TRUNCATED

"""A model behind OpenAI's protocol: OpenAI's API, Azure OpenAI or any compatible server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
import orjson

from agent_runtime.config import ModelConfig
from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError
from agent_runtime.models import sse, upstream
from agent_runtime.models.base import Json
from agent_runtime.models.wire import Draughtsman, Wire

# The whole of a call is bounded by its deadline, which calls.py keeps.
CALL_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10)
PROBE_TIMEOUT = aiohttp.ClientTimeout(total=2.5)


class OpenAIModel:
    """Calls chat completions of one model, over a session that all models share."""

    def __init__(
        self, config: ModelConfig, draughtsman: Draughtsman, session: aiohttp.ClientSession, alarm: asyncio.Event
    ) -> None:
        self.name = config.name
        self._draughtsman = draughtsman
        self._session = session
        self._alarm = alarm
        self._upstream_name = config.deployment or config.model or config.name
        self._wire: Wire | None = None
        self._drawing = asyncio.Lock()
        # What the last call showed and a probe cannot see, such as a deployment that does not exist.
        self._fault: str | None = None

    async def complete(self, request: Json) -> Json:
        """Answer a chat completion request; see Model."""
        async with self._asked(request) as response:
            answer = await upstream.read(response)
        completion = upstream.completion(self.name, answer)
        self._fault = None
        return completion

    async def stream(self, request: Json) -> AsyncGenerator[bytes, None]:
        """Answer a chat completion request in chunks; see Model."""
        options = (request.get("stream_options") or {}) | {"include_usage": True}
        async with self._asked(request | {"stream": True, "stream_options": options}) as response:
            async for data in sse.events(response.content):
                upstream.check_chunk(self.name, data)
                yield data
        self._fault = None

    @asynccontextmanager
    async def _asked(self, request: Json) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is no error; whatever goes wrong, now or while it is read, is a Problem."""
        wire = self._wire or await self._drawn_for_a_call()
        body = orjson.dumps(request | {"model": self._upstream_name})
        try:
            async with self._session.post(
                wire.completions, data=body, headers=wire.headers, timeout=CALL_TIMEOUT, allow_redirects=False
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise self._refusal(response, await upstream.read(response))
                yield response
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._alarm.set()
            raise upstream.unreachable(self.name, error) from None

    def _refusal(self, response: aiohttp.ClientResponse, answer: bytes) -> Problem:
        problem = upstream.refused(self.name, response.status, response.headers, answer)
        if problem.code in upstream.LASTING:
            self._fault = problem.detail.removeprefix(f"{self.name}: ")
        self._alarm.set()
        return problem

    async def probe(self) -> Json:
        """Renew the credentials where needed and list the models: costs no token and shows a wrong key or address."""
        self._wire = await self._draw()
        try:
            async with self._session.get(
                self._wire.models, headers=self._wire.headers, timeout=PROBE_TIMEOUT, allow_redirects=False
            ) as response:
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UnhealthyError(upstream.unreachable(self.name, error).detail.removeprefix(f"{self.name}: ")) from None
        fault = upstream.probe_fault(status) or self._fault
        if fault is not None:
            raise UnhealthyError(fault)
        return {}

    async def aclose(self) -> None:
        """Let go of the credentials; the session belongs to the app."""
        await self._draughtsman.aclose()

    async def _drawn_for_a_call(self) -> Wire:
        try:
            return await self._draw()
        except UnhealthyError as error:
            raise Problem(503, "model_not_configured", f"{self.name}: {error}", retry_after=10) from None

    async def _draw(self) -> Wire:
        async with self._drawing:
            self._wire = await self._draughtsman.draw()
            return self._wire

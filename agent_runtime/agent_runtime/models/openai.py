"""A model behind OpenAI's protocol: OpenAI's API, Azure OpenAI or any compatible server.

Requests go through aiohttp, which takes 0.22 ms of CPU per request and 0.01 ms per streamed chunk. The openai SDK takes
1.3 ms and 0.12 ms.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator
from http import HTTPStatus

import aiohttp
import orjson
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from agent_runtime.config import ModelConfig, ModelTimeouts
from agent_runtime.config.default_credentials import is_openai
from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError
from agent_runtime.models import chunks, reasons, refusals, responses, sse
from agent_runtime.models.base import Json
from agent_runtime.models.chat_probe import ChatProbe
from agent_runtime.models.confirmation import Confirmation
from agent_runtime.models.endpoint import Endpoint, RequestBuilder
from agent_runtime.models.parameters import Parameters
from agent_runtime.models.private_trust import PrivateTrust
from agent_runtime.models.streaming import (
    StreamingRefused,
    StreamMode,
    StreamModes,
    concerns_all,
    event_stream,
    in_mode,
    mentions_streaming,
)

# A server that accepts connections but does not answer differs from one that is unreachable.
PROBE_TIMEOUT = aiohttp.ClientTimeout(total=2.5, sock_connect=2)
# A compressed response could become a thousand times as long.
_JSON_BODY = {"content-type": "application/json", "accept-encoding": "identity"}
_OK = HTTPStatus.OK.value
# What aiohttp and sockets raise. Streams raise them also while a caller reads.
_FAULTS = (aiohttp.ClientError, OSError, TimeoutError)

log = logging.getLogger(__name__)


class OpenAIModel:
    """Calls the chat completions of one model, over a session that all models share. Other APIs are subclasses."""

    first_mode = StreamMode.WITH_USAGE

    def __init__(
        self, config: ModelConfig, builder: RequestBuilder, session: aiohttp.ClientSession, probe_now: asyncio.Event
    ) -> None:
        self.name = config.name
        self._builder = builder
        self._session = session
        self._probe_now = probe_now
        self._upstream_name = config.deployment or config.model or config.name
        self._stream_modes = StreamModes(StreamMode.NONE if config.streaming is False else self.first_mode)
        self._parameters = Parameters(config, is_openai=is_openai(builder.base_url))
        timeouts = config.timeouts or ModelTimeouts()
        # The deadline in fallbacks.py limits the whole call.
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect_seconds)
        self._first_byte = timeouts.first_byte_seconds
        self._trust = PrivateTrust(config.tls.ca_file) if config.tls and config.tls.ca_file else None
        self._ssl: ssl.SSLContext | bool = True
        self._probes = config.probe or "models"
        self._chat_probe = ChatProbe(self.name, self._complete_a_little)
        self._confirmation = Confirmation(self._complete_a_little, self._confirm)
        self._endpoint: Endpoint | None = None
        # Those of each request with a body.
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._building = asyncio.Lock()
        # An error that the last call reported and that a probe cannot detect, such as a deployment that does not exist.
        self._lasting_fault: tuple[str, str] | None = None

    async def complete(self, request: Json) -> Json:
        """Answer a chat completion request; see Model."""
        try:
            async with await self._post(request) as response:
                answer = await responses.read(response)
        except _FAULTS as error:
            raise self._unreachable(request, error) from None
        parsed = self._parse(answer)
        self._record_success()
        return parsed

    async def stream(self, request: Json) -> AsyncGenerator[bytes, None]:
        """Answer a chat completion request in chunks; see Model.

        If the server refuses to stream, the request is sent again in the next mode; see concerns_all().
        """
        mode, is_general = self._stream_modes.current, False
        while mode is not StreamMode.NONE:
            try:
                async with await self._post(in_mode(request, mode)) as response:
                    self._stream_modes.remember(mode, concerns_all=is_general)
                    async for chunk in self._read_stream(response):
                        yield chunk
                self._record_success()
            except StreamingRefused as error:
                mode, is_general = StreamMode(mode + 1), concerns_all(request, error.param)
            except _FAULTS as error:
                raise self._unreachable(request, error) from None
            else:
                return
        completion = await self.complete(in_mode(request, mode))
        self._stream_modes.remember(mode, concerns_all=is_general)
        for part in chunks.as_chunks(completion):
            yield part

    def _parse(self, answer: bytes) -> Json:
        """Return the completion in a body.

        Raises:
            Problem: it is an error or no completion.
        """
        return chunks.completion(self.name, answer)

    async def _read_stream(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        """Yield the chunks of a response; TRUNCATED last if it may be incomplete."""
        finished: bool | None = None
        async for kind, data in sse.events(await event_stream(self.name, response)):
            if data.startswith(sse.DONE):
                finished = True
            else:
                chunk, ends = chunks.read_chunk(self.name, kind, data)
                finished = finished or ends
                yield chunk
        if finished is False:
            yield chunks.TRUNCATED

    def _url(self, endpoint: Endpoint) -> URL:
        """Return the URL of requests."""
        return endpoint.completions

    def _body(self, request: Json, cap_field: str) -> Json:
        """Return the body of the request to the server, with this field for the maximum of tokens."""
        return self._parameters.applied(request, cap_field) | {"model": self._upstream_name}

    async def _post(self, request: Json) -> aiohttp.ClientResponse:
        """Send a request; return its response with status 200, whose body follows.

        Raises:
            Problem: the server refuses the request.
            _FAULTS: the connection failed. Reading the body may raise them, too; see _unreachable().
        """
        endpoint = self._endpoint or await self._build_for_call()
        cap_field, is_retry = self._parameters.cap_field, False
        while True:
            response = await self._begin(endpoint, orjson.dumps(self._body(request, cap_field)))
            if response.status == _OK and not _is_compressed(response):
                if is_retry:
                    self._parameters.cap_field = cap_field
                return response
            async with response:
                if _is_compressed(response):
                    raise aiohttp.ClientPayloadError("the response is compressed")
                answer = await responses.read_error(response)
                other = None if is_retry else self._parameters.other_cap(cap_field, response.status, answer)
                if other is None:
                    raise self._refusal(request, response, answer)
                cap_field, is_retry = other, True

    def _unreachable(self, request: Json, error: Exception) -> Problem:
        """Return the problem of a connection that failed."""
        self._probe_now.set()
        problem = refusals.unreachable(self.name, error)
        # Unless it is streamed, an answer begins when it is complete, so that its length may be the cause.
        is_late = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError)
        problem.blames_model = not is_late or bool(request.get("stream"))
        return problem

    async def _begin(self, endpoint: Endpoint, body: bytes) -> aiohttp.ClientResponse:
        """Send a request; return the response when its headers have arrived."""
        sent = self._session.post(
            self._url(endpoint),
            data=body,
            headers=self._headers,
            timeout=self._timeout,
            allow_redirects=False,
            ssl=self._ssl,
        )
        if self._first_byte is None:
            return await sent
        async with asyncio.timeout(self._first_byte):
            return await sent

    def _refusal(self, request: Json, response: aiohttp.ClientResponse, answer: bytes) -> Problem:
        problem = refusals.refused(self.name, response.status, response.headers, answer)
        if problem.status == HTTPStatus.BAD_REQUEST:
            self._add_reason(problem, request, answer)
        if self._endpoint is not None and self._endpoint.withheld is not None:
            problem = refusals.without_key(problem, self.name, self._endpoint.withheld)
        problem.blames_model = problem.blames_model or self._lasting_fault is not None
        if problem.blames_model:
            self._confirm(problem)
        else:
            self._confirmation.start()
        self._probe_now.set()
        if request.get("stream") and mentions_streaming(response.status, answer):
            return StreamingRefused(problem.status, problem.code, problem.detail, param=problem.param)
        return problem

    def _confirm(self, problem: Problem) -> None:
        """Regard a problem that concerns all requests as a fault of the model, until a call succeeds."""
        if problem.code in refusals.LASTING:
            self._lasting_fault = refusals.lasting_fault(problem, self.name)
            self._probe_now.set()

    def _add_reason(self, problem: Problem, request: Json, answer: bytes) -> None:
        """Add the reason of the server, for the caller and for the log."""
        sent = self._endpoint.headers if self._endpoint else {}
        secrets = [value.removeprefix("Bearer ") for name, value in sent.items() if name != "accept"]
        reason = reasons.shown(reasons.reason_of(answer), request, secrets)
        if reason:
            problem.detail = f"{problem.detail}: {reason}"
        log.debug(
            "the model refused a request",
            extra={"fields": {"model": self.name, "code": problem.code, "reason": reason or "(withheld or none)"}},
        )

    async def probe(self) -> Json:
        """Renew the credentials, and check the model as its config says."""
        endpoint = await self._build()
        if self._probes == "chat":
            await self._chat_probe.result()
        elif self._probes == "models":
            await self._list_models(endpoint)
        if self._lasting_fault is not None:
            raise UnhealthyError(*self._lasting_fault)
        return {}

    async def _list_models(self, endpoint: Endpoint) -> None:
        """List the models. This costs no tokens, and detects a wrong key or address."""
        try:
            async with self._session.get(
                endpoint.models, headers=endpoint.headers, timeout=PROBE_TIMEOUT, allow_redirects=False, ssl=self._ssl
            ) as response:
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise refusals.probe_error(error, endpoint.models) from None
        fault = refusals.probe_fault(status, endpoint.withheld)
        if fault is not None:
            raise fault

    async def _complete_a_little(self) -> None:
        await self.complete({"messages": [{"role": "user", "content": "ping"}], self._parameters.cap_field: 16})

    def _record_success(self) -> None:
        self._lasting_fault = None
        self._chat_probe.record_success()

    async def aclose(self) -> None:
        """Close the credentials; the session belongs to the app."""
        await self._chat_probe.aclose()
        await self._confirmation.aclose()
        await self._builder.aclose()

    async def _build_for_call(self) -> Endpoint:
        try:
            return await self._build()
        except UnhealthyError as error:
            raise Problem(503, "model_not_configured", f"{self.name}: {error}", retry_after=10) from None

    async def _build(self) -> Endpoint:
        async with self._building:
            if self._trust is not None:
                self._ssl = self._trust.context()
            endpoint = await self._builder.build()
            self._endpoint, self._headers = endpoint, CIMultiDict({**_JSON_BODY, **endpoint.headers})
            return endpoint


def _is_compressed(response: aiohttp.ClientResponse) -> bool:
    """Return whether the server compressed a response although the request does not accept that."""
    return response.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity"

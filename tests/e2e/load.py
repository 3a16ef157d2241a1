"""Load on an agent through its Service: long streams and short requests without a pause between them.

Half of the callers keep their connection, as a gateway does, and send the next request when a response has ended.
The others open a connection per request.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp

MODEL = "m"
_TIMEOUT = aiohttp.ClientTimeout(total=120)


class CutError(Exception):
    """A stream that ended before its last chunk."""


@dataclass
class Tally:
    """Results of the requests.

    Attributes:
        streams: received completely, with the last word and the end marker.
        requests: short requests with a response.
        failures: errors of the other requests, with their number.
    """

    streams: int = 0
    requests: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Load:
    """An async context manager. Callers send requests inside it; each waits for its last response at the end.

    Args:
        url: of the Service.
        streams: callers that stream.
        requests: callers that send short requests.
        words: number of chunks of a stream. The model decides their rate.
    """

    def __init__(self, url: str, *, streams: int = 0, requests: int = 4, words: int = 20) -> None:
        self.tally = Tally()
        self._url = url
        self._streams = streams
        self._requests = requests
        self._prompt = " ".join(f"word-{number}" for number in range(words))
        self._callers: list[asyncio.Task[None]] = []
        self._ending = False

    async def __aenter__(self) -> Self:
        kinds = [self._stream] * self._streams + [self._request] * self._requests
        self._callers = [asyncio.create_task(self._call(ask, at % 2 == 0)) for at, ask in enumerate(kinds)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._ending = True
        await asyncio.gather(*self._callers)

    async def _call(self, ask: Any, keep: bool) -> None:
        connector = aiohttp.TCPConnector(force_close=not keep)
        async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:
            while not self._ending:
                try:
                    await ask(session)
                except (aiohttp.ClientError, OSError, TimeoutError, CutError) as error:
                    what = f"{ask.__name__.strip('_')}, {'kept' if keep else 'new'} connection: {error!r}"
                    self.tally.failures[what] += 1
                    await asyncio.sleep(0.05)

    async def _request(self, session: aiohttp.ClientSession) -> None:
        async with session.post(f"{self._url}/api/chat", json={"message": "Well?"}) as answer:
            answer.raise_for_status()
            assert (await answer.json())["response"]
        self.tally.requests += 1

    async def _stream(self, session: aiohttp.ClientSession) -> None:
        body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": self._prompt}]}
        text, done = "", False
        async with session.post(f"{self._url}/v1/chat/completions", json=body) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                data = line.strip().removeprefix(b"data:").strip()
                done = done or data == b"[DONE]"
                if data.startswith(b"{"):
                    text += _content(json.loads(data))
        if not done or text != f"model: {self._prompt}":
            raise CutError(f"{len(text.split())} of {len(self._prompt.split()) + 1} words, {done=}")
        self.tally.streams += 1


def _content(chunk: dict[str, Any]) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in chunk.get("choices", ()))

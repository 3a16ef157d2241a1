"""Sends the prompts of checks to the agent, as any other client would."""

import asyncio
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson

from agent_runtime.checks.expectations import Answer
from agent_runtime.config.checks import CheckConfig
from agent_runtime.environment import version
from agent_runtime.errors import Problem
from agent_runtime.models import chunks, responses

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
BUSY_PAUSE = 1.0
_CODE = re.compile(r"[a-z0-9_]{1,64}")
_TEMPORARY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class NoAnswerError(Exception):
    """There is no answer. The message quotes only the status and the code of an error response."""


class TooLateError(Exception):
    """The agent did not answer within the check's maxLatencySeconds."""


class _TemporaryError(NoAnswerError):
    """An error that a retry may fix.

    Attributes:
        pause: seconds before the retry; None to back off.
    """

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(slots=True)
class AgentClient:
    """Sends prompts to the agent at a URL.

    Attributes:
        wait: seconds to try again while the agent is unreachable or busy. For an unreachable agent, they count from the
            first request of the run; for a busy agent, from the first request of each check.
        waiting: called with the reason before each wait.
    """

    url: str
    session: aiohttp.ClientSession
    key: str | None = field(repr=False)
    wait: float
    waiting: Callable[[str], None]
    _since: float | None = None

    async def ask(self, check: CheckConfig) -> Answer:
        """Return the answer to a check's prompt, in a new conversation.

        Raises:
            NoAnswerError: there is no answer.
            TooLateError: there is no answer within maxLatencySeconds.
        """
        clock = asyncio.get_running_loop().time
        begun, pause = clock(), FIRST_PAUSE
        self._since = begun if self._since is None else self._since
        while True:
            try:
                return await self._attempt(check)
            except _TemporaryError as error:
                deadline = (self._since if error.pause is None else begun) + self.wait
                pause = min(pause * 2, LONGEST_PAUSE) if error.pause is None else error.pause
                if clock() + pause > deadline:
                    raise
                self.waiting(str(error))
            await asyncio.sleep(pause)

    async def _attempt(self, check: CheckConfig) -> Answer:
        clock = asyncio.get_running_loop().time
        body: dict[str, Any] = {"messages": [{"role": "user", "content": check.prompt}]}
        if check.model is not None:
            body["model"] = check.model
        begun = clock()
        try:
            async with asyncio.timeout(check.max_latency_seconds):
                status, headers, content = await self._post(body, check.name)
        except TimeoutError:
            raise TooLateError from None
        if status != HTTPStatus.OK:
            raise _refusal(status, headers.get("Retry-After", ""), content)
        return _answer(content, clock() - begun)

    async def _post(self, body: dict[str, Any], name: str) -> tuple[int, Any, bytes]:
        # The agent's log then shows which check sent the request.
        headers = {"User-Agent": f"agent-runtime-checks/{version()}", "X-Request-Id": f"check-{name}"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            # No limit on the whole request: the agent and the run have one.
            async with self.session.post(
                f"{self.url}/v1/chat/completions",
                json=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
                allow_redirects=False,
            ) as response:
                return response.status, response.headers, await responses.read(response)
        except aiohttp.ClientPayloadError:
            raise NoAnswerError("the agent broke off its answer") from None
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise _TemporaryError(f"the agent cannot be reached: {_reason(error)}") from None
        except aiohttp.ClientError as error:
            raise NoAnswerError(f"the agent does not speak HTTP: {type(error).__name__}") from None


def _reason(error: Exception) -> str:
    """Return the message of the operating system. The message of asyncio contains addresses, which change."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number is not None and number > 0 else type(error).__name__


def _answer(content: bytes, latency: float) -> Answer:
    try:
        completion = chunks.completion("", content)
    except Problem:
        raise NoAnswerError("the response is no chat completion: check --url") from None
    tokens = (chunks.usage(completion) or {}).get("total_tokens")
    text = chunks.text(chunks.message(chunks.choice(completion)))
    return Answer(text, latency, tokens if isinstance(tokens, int) else None)


def _refusal(status: int, retry_after: str, content: bytes) -> NoAnswerError:
    if status == HTTPStatus.UNAUTHORIZED:
        return NoAnswerError("the agent requires an API key: set --api-keys-file")
    code = _code(content)
    reason = f"the agent answered {status} {code}".rstrip()
    if status in _TEMPORARY:
        return _TemporaryError(reason, float(retry_after) if retry_after.isdecimal() else BUSY_PAUSE)
    return NoAnswerError(reason)


def _code(content: bytes) -> str:
    """Return the code of an error. Its message is dropped, because it may quote the prompt."""
    try:
        code = orjson.loads(content)["error"]["code"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""

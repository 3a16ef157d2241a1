"""What requests to models look like: their addresses and headers, as the openai SDK would send them.

The SDK takes a third of a second and 15 MiB to load, for a few lines of text that never change. So it is loaded by a
child process, which sends the lines here and ends. Where that cannot be, it is loaded here.
"""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import orjson

from agent_runtime.config import ModelConfig
from agent_runtime.environment import Environment
from agent_runtime.health import UnhealthyError

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI

DEFAULT_API_VERSION = "2024-10-01-preview"
# Stands for a token of Entra ID, which lives too short to be part of an outline.
TOKEN = "token-goes-here"  # noqa: S105  (it opens nothing)
# What aiohttp sets itself, and what describes the SDK's own way of sending.
_NOT_COPIED = ("host", "content-length", "connection", "accept-encoding", "user-agent", "x-stainless-")


@dataclass(frozen=True, slots=True)
class Outline:
    """Where requests of a model go, and the headers that they carry."""

    completions: str
    models: str
    headers: dict[str, str]


# By the model's name; a text says what is missing.
Drawn = dict[str, Outline | str]


class Outlines:
    """The outlines of some models; drawing them begins at once."""

    def __init__(self, models: Iterable[ModelConfig], environment: Environment) -> None:
        self._models = [model for model in models if model.provider != "echo"]
        self._environment = environment
        self._child = self._fork() if self._models else None
        self._drawn: asyncio.Future[Drawn] | None = None

    async def of(self, model: str) -> Outline:
        """The outline of the requests of this model.

        Raises:
            UnhealthyError: something that it needs is not configured.
        """
        if self._drawn is None:
            # In a thread: the event loop turns, and liveness answers, while the SDK loads.
            self._drawn = asyncio.ensure_future(asyncio.to_thread(self._collect))
        found = (await asyncio.shield(self._drawn))[model]
        if isinstance(found, str):
            raise UnhealthyError(found)
        return found

    def close(self) -> None:
        """End the child, if it is still there."""
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.kill(self._child[0], signal.SIGKILL)

    def _fork(self) -> tuple[int, int] | None:
        """A child that draws: its id, and the pipe to read from. None beside other threads, which a fork could trip."""
        if threading.active_count() > 1 or not hasattr(os, "fork"):
            return None
        reading, writing = os.pipe()
        child = os.fork()
        if child:
            os.close(writing)
            return child, reading
        # The parent tells what goes wrong: it draws what did not arrive. Nor may its handlers run here.
        try:
            gc.disable()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            told = {name: found if isinstance(found, str) else asdict(found) for name, found in self._draw().items()}
            with open(writing, "wb") as pipe:  # noqa: PTH123  (a descriptor)
                pipe.write(orjson.dumps(told))
        finally:
            os._exit(0)

    def _collect(self) -> Drawn:
        if self._child is None:
            return self._draw()
        child, reading = self._child
        with open(reading, "rb") as pipe:  # noqa: PTH123  (a descriptor)
            told = pipe.read()
        os.waitpid(child, 0)
        self._child = None
        if not told:
            return self._draw()
        return {name: one if isinstance(one, str) else Outline(**one) for name, one in orjson.loads(told).items()}

    def _draw(self) -> Drawn:
        drawn: Drawn = {}
        for model in self._models:
            try:
                drawn[model.name] = draw(model, self._environment)
            except UnhealthyError as error:
                drawn[model.name] = str(error)
        return drawn


def draw(model: ModelConfig, environment: Environment) -> Outline:
    """Let the SDK send into a transport that goes nowhere, and look at what arrives.

    Raises:
        UnhealthyError: something is not configured.
    """
    import httpx2  # noqa: PLC0415  (as the SDK: not before it is needed)

    arrived: list[httpx2.Request] = []

    def take(request: httpx2.Request) -> httpx2.Response:
        arrived.append(request)
        return httpx2.Response(200, json={})

    with httpx2.Client(transport=httpx2.MockTransport(take), trust_env=False) as http:
        client, not_copied = {"openai": _openai, "azure_openai": _azure}[model.provider](model, environment, http)
        client.chat.completions.with_raw_response.create(model="-", messages=[])
        client.models.with_raw_response.list()
    completions, models = arrived
    headers = {name: value for name, value in completions.headers.items() if not name.startswith(not_copied)}
    return Outline(str(completions.url), str(models.url), headers)


def _openai(model: ModelConfig, environment: Environment, http: "httpx2.Client") -> tuple["OpenAI", tuple[str, ...]]:
    """The SDK for OpenAI's API or a server compatible with it, and the headers of its that are not sent."""
    key = environment.openai_api_key
    if key is None and model.base_url is None:
        raise UnhealthyError("set OPENAI_API_KEY")
    from openai import OpenAI  # noqa: PLC0415

    if key is not None:
        return OpenAI(api_key=key.get_secret_value(), base_url=model.base_url, http_client=http), _NOT_COPIED
    # The SDK insists on a key; a server of one's own often needs none, so what stands for it is not sent.
    client = OpenAI(api_key="none", base_url=model.base_url, http_client=http)
    return client, (*_NOT_COPIED, "authorization")


def _azure(model: ModelConfig, environment: Environment, http: "httpx2.Client") -> tuple["OpenAI", tuple[str, ...]]:
    """The SDK for Azure OpenAI, with a key or what stands for a token."""
    endpoint = model.endpoint or environment.azure_openai_endpoint
    if endpoint is None:
        raise UnhealthyError("set AZURE_OPENAI_ENDPOINT, or endpoint in agent.toml")
    from openai import AzureOpenAI  # noqa: PLC0415

    key = environment.azure_openai_api_key
    client = AzureOpenAI(
        azure_endpoint=endpoint,
        azure_deployment=model.deployment,
        api_version=model.api_version or DEFAULT_API_VERSION,
        api_key=key.get_secret_value() if key else None,
        azure_ad_token=None if key else TOKEN,
        http_client=http,
    )
    return client, _NOT_COPIED

"""The runtime sends models the same requests as the openai SDK: URL, method and headers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from openai import AsyncAzureOpenAI, AsyncOpenAI

from agent_runtime.assembly import http_session, make_models
from agent_runtime.config import ModelConfig
from agent_runtime.config.default_credentials import DefaultCredentials
from agent_runtime.environment import read
from agent_runtime.models.endpoint import RequestBuilder

# Each client describes itself and its connection in its own way.
CLIENTS_OWN = ("host", "content-length", "connection", "accept-encoding", "user-agent", "x-stainless-")
COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
}
SDK_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS")


@dataclass(frozen=True)
class SentRequest:
    method: str
    target: str
    headers: Mapping[str, str]


class RecordingServer:
    """A model's server that answers every request and keeps what it received."""

    def __init__(self) -> None:
        self.url = ""
        self._received: list[SentRequest] = []

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert len(headers) == len(request.headers), "a header was sent twice"
        shared = {name: value for name, value in headers.items() if not name.startswith(CLIENTS_OWN)}
        self._received.append(SentRequest(request.method, request.raw_path, shared))
        return web.json_response({"object": "list", "data": []} if request.method == "GET" else COMPLETION)

    def take(self) -> list[SentRequest]:
        received, self._received = self._received, []
        return received


@pytest.fixture
async def server() -> AsyncIterator[RecordingServer]:
    recording = RecordingServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", recording.handle)
    async with TestServer(app) as running:
        recording.url = str(running.make_url("")).rstrip("/")
        yield recording


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SDK_VARIABLES:
        monkeypatch.delenv(name, raising=False)


async def requests_of_the_runtime(
    server: RecordingServer, model: ModelConfig, variables: Mapping[str, str]
) -> list[SentRequest]:
    async with http_session() as session:
        client = make_models([model], [model], read(variables), session, asyncio.Event())[model.name]
        await client.complete({"messages": [{"role": "user", "content": "hi"}]})
        await client.probe()
        await client.aclose()
    return server.take()


async def requests_of_the_sdk(server: RecordingServer, client: AsyncOpenAI, model: str) -> list[SentRequest]:
    async with client:
        await client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])
        await client.models.list()
    return server.take()


@pytest.mark.parametrize("path", ["/v1", "/v1/", "", "/", "/gateway/a b/v1", "/gateway/a%20b/v1/"])
async def test_openai(server: RecordingServer, path: str) -> None:
    base_url = server.url + path
    model = ModelConfig.model_construct(name="m", provider="openai", base_url=base_url)

    sent = await requests_of_the_runtime(server, model, {"OPENAI_API_KEY": "k"})

    sdk = AsyncOpenAI(api_key="k", base_url=base_url)
    assert sent == await requests_of_the_sdk(server, sdk, "m")
    assert sent[0].headers["authorization"] == "Bearer k"


@pytest.mark.parametrize(
    "headers",
    [
        {"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1"},
        {"OPENAI_CUSTOM_HEADERS": "X-Gateway: a: b \nnonsense\nAuthorization: Basic xyz\nOpenAI-Project: other"},
        {"OPENAI_CUSTOM_HEADERS": "accept: text/plain"},
    ],
    ids=["organization", "custom", "overrides"],
)
async def test_openai_with_variables_of_the_sdk(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    variables = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{server.url}/v1", **headers}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    sent = await requests_of_the_runtime(server, ModelConfig(name="m", provider="openai"), variables)

    assert sent == await requests_of_the_sdk(server, AsyncOpenAI(), "m")


@pytest.mark.parametrize("path", ["", "/", "/gateway", "/gateway/"])
@pytest.mark.parametrize("api_version", [None, "2025-04-01-preview"])
@pytest.mark.parametrize("deployment", ["gpt-4o", "gpt 4o", "modèle"])
async def test_azure_openai_with_a_key(
    server: RecordingServer, path: str, api_version: str | None, deployment: str
) -> None:
    endpoint = server.url + path
    fields: dict[str, Any] = {"deployment": deployment, "api_version": api_version, "endpoint": endpoint}
    model = ModelConfig(name="m", provider="azure_openai", **fields)

    sent = await requests_of_the_runtime(server, model, {"AZURE_OPENAI_API_KEY": "k"})

    sdk = AsyncAzureOpenAI(
        api_key="k",
        azure_endpoint=endpoint,
        azure_deployment=deployment,
        api_version=api_version or "2024-10-01-preview",
    )
    assert sent == await requests_of_the_sdk(server, sdk, "m")
    assert sent[0].headers["api-key"] == "k"


async def test_azure_openai_with_a_token_and_variables(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def token(_: object = None) -> str:
        return "entra"

    monkeypatch.setattr("agent_runtime.models.credentials.EntraToken.__call__", token)
    variables = {
        "OPENAI_ORG_ID": "org-1",
        "OPENAI_CUSTOM_HEADERS": "Ocp-Apim-Subscription-Key: s",
        "AZURE_OPENAI_ENDPOINT": server.url,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    identity = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}
    model = ModelConfig(name="m", provider="azure_openai", deployment="d")

    sent = await requests_of_the_runtime(server, model, variables | identity)

    sdk = AsyncAzureOpenAI(azure_ad_token_provider=token, azure_deployment="d", api_version="2024-10-01-preview")
    assert sent == await requests_of_the_sdk(server, sdk, "m")
    assert sent[0].headers["authorization"] == "Bearer entra"


async def test_the_public_api_is_the_sdks_default() -> None:
    model = ModelConfig(name="m", provider="openai")
    defaults = DefaultCredentials([model], None, None)
    endpoint = await RequestBuilder(model, read({"OPENAI_API_KEY": "k"}), defaults).build()

    async with AsyncOpenAI(api_key="k") as sdk:
        assert str(endpoint.completions) == f"{sdk.base_url}chat/completions"

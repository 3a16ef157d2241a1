"""URLs and headers of requests to models. integration/agent_runtime/test_model_requests.py compares with the SDK."""

from typing import Any

import pytest

from agent_runtime.config import ApiKeySource, ModelConfig
from agent_runtime.config.default_credentials import DefaultCredentials
from agent_runtime.environment import read
from agent_runtime.health import UnhealthyError
from agent_runtime.models.endpoint import Endpoint, RequestBuilder

AZURE = ModelConfig(name="a", provider="azure_openai", deployment="gpt-4o", endpoint="https://x.openai.azure.com")
OPENAI = ModelConfig(name="m", provider="openai")


def builder_of(model: ModelConfig, *others: ModelConfig, **variables: str) -> RequestBuilder:
    """The builder of a model in an agent with others."""
    base_url, endpoint = variables.get("OPENAI_BASE_URL"), variables.get("AZURE_OPENAI_ENDPOINT")
    return RequestBuilder(model, read(variables), DefaultCredentials([model, *others], base_url, endpoint))


async def build(model: ModelConfig, *others: ModelConfig, **variables: str) -> Endpoint:
    return await builder_of(model, *others, **variables).build()


async def test_openai_without_a_base_url_is_the_public_api() -> None:
    endpoint = await build(OPENAI, OPENAI_API_KEY="k")

    assert str(endpoint.completions) == "https://api.openai.com/v1/chat/completions"
    assert str(endpoint.models) == "https://api.openai.com/v1/models"
    assert endpoint.headers == {"authorization": "Bearer k", "accept": "application/json"}


async def test_a_compatible_server_needs_no_key() -> None:
    endpoint = await build(OPENAI.model_copy(update={"base_url": "http://llm/v1"}))

    assert str(endpoint.completions) == "http://llm/v1/chat/completions"
    assert "authorization" not in endpoint.headers


async def test_base_url_of_the_config_wins_over_the_environment() -> None:
    variables = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://environment/v1"}
    own = OPENAI.model_copy(update={"base_url": "http://config/v1"})

    assert (await build(own, **variables)).models.host == "config"
    assert (await build(OPENAI, **variables)).models.host == "environment"


async def test_a_query_of_the_base_url_is_kept() -> None:
    """Unlike in the SDK, which appends the path to the query."""
    endpoint = await build(OPENAI.model_copy(update={"base_url": "http://gateway/v1/?key=ab"}))

    assert str(endpoint.completions) == "http://gateway/v1/chat/completions?key=ab"


async def test_azure_with_a_key() -> None:
    endpoint = await build(AZURE, AZURE_OPENAI_API_KEY="k")

    assert str(endpoint.completions) == (
        "https://x.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-01-preview"
    )
    assert str(endpoint.models) == "https://x.openai.azure.com/openai/models?api-version=2024-10-01-preview"
    assert endpoint.headers == {"api-key": "k", "accept": "application/json"}


@pytest.mark.parametrize(
    ("deployment", "path"), [("gpt 4o", "gpt%204o"), ("ä", "%C3%A4"), ("a?b#c", "a%3Fb%23c"), ("a%20b", "a%2520b")]
)
async def test_a_deployment_stays_in_the_path(deployment: str, path: str) -> None:
    endpoint = await build(AZURE.model_copy(update={"deployment": deployment}), AZURE_OPENAI_API_KEY="k")

    assert endpoint.completions.raw_path == f"/openai/deployments/{path}/chat/completions"


async def test_azure_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each endpoint has the token of its moment."""
    tokens = iter(("one", "two"))

    async def token(_: object) -> str:
        return next(tokens)

    monkeypatch.setattr("agent_runtime.models.credentials.EntraToken.__call__", token)
    identity = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}
    builder = builder_of(AZURE, **identity)

    endpoints = [await builder.build() for _ in range(2)]
    await builder.aclose()

    assert [endpoint.headers["authorization"] for endpoint in endpoints] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "set AZURE_OPENAI_API_KEY; or AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET (or"),
        ({"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}, "set AZURE_CLIENT_SECRET (or AZURE_FEDERATED_TOKEN_FILE"),
        ({"AZURE_CLIENT_SECRET": "s", "AZURE_CLIENT_ID": "c"}, "set AZURE_TENANT_ID"),
    ],
)
async def test_azure_names_the_missing_variables(variables: dict[str, str], words: str) -> None:
    with pytest.raises(UnhealthyError) as raised:
        await build(AZURE, **variables)

    assert str(raised.value).startswith(words)


async def test_openai_names_the_missing_key() -> None:
    with pytest.raises(UnhealthyError, match=r"^set OPENAI_API_KEY$"):
        await build(OPENAI)


@pytest.mark.parametrize(
    ("model", "variable"), [(OPENAI, "OPENAI_API_KEY"), (AZURE, "AZURE_OPENAI_API_KEY")], ids=["openai", "azure"]
)
@pytest.mark.parametrize("key", ["sec\nret", "sec\rret", "secr\u00e4t", "\ufeffsecret", "sec\0ret", "sec\x7fret"])
async def test_a_key_that_no_header_can_carry_is_named_and_not_quoted(
    model: ModelConfig, variable: str, key: str
) -> None:
    with pytest.raises(UnhealthyError, match=f"^{variable}: contains a line break") as raised:
        await build(model, **{variable: key})

    assert "sec" not in str(raised.value)


@pytest.mark.parametrize("suffix", ["\n", "\r\n", "\r", "\n\n", " \n", "\t"])
async def test_spaces_and_line_breaks_around_a_key_are_removed(suffix: str) -> None:
    """`kubectl create secret --from-file` keeps the newline at the end of the file."""
    own = OPENAI.model_copy(update={"api_key_from": ApiKeySource(env="KEY"), "headers_from": {"X-A": "A"}})

    assert (await build(OPENAI, OPENAI_API_KEY=f"k{suffix}")).headers["authorization"] == "Bearer k"
    assert (await build(AZURE, AZURE_OPENAI_API_KEY=f"k{suffix}")).headers["api-key"] == "k"
    sent = (await build(own, KEY=f"k{suffix}", A=f"a{suffix}")).headers
    assert (sent["authorization"], sent["x-a"]) == ("Bearer k", "a")


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"A": "a"}, "KEY"),
        ({"A": "a", "KEY": "\n"}, "KEY"),
        ({"A": "a", "KEY": " "}, "KEY"),
        ({"KEY": "k"}, "A"),
        ({"KEY": "k", "A": "a\nb"}, "A"),
        ({"KEY": "k", "A": "a", "OPENAI_ORG_ID": "o\x01"}, "OPENAI_ORG_ID"),
        ({"KEY": "k", "A": "a", "OPENAI_PROJECT_ID": "\u00fc"}, "OPENAI_PROJECT_ID"),
        ({"KEY": "k", "A": "a", "OPENAI_CUSTOM_HEADERS": "x: \x01"}, "OPENAI_CUSTOM_HEADERS"),
        ({"KEY": "k", "A": "a", "OPENAI_CUSTOM_HEADERS": "a b: c"}, "OPENAI_CUSTOM_HEADERS"),
    ],
)
async def test_a_variable_that_cannot_be_used_is_named(variables: dict[str, str], name: str) -> None:
    model = OPENAI.model_copy(update={"api_key_from": ApiKeySource(env="KEY"), "headers_from": {"X-A": "A"}})

    with pytest.raises(UnhealthyError, match=rf"\b{name}\b") as raised:
        await build(model, **variables)

    assert raised.value.reason == "NotConfigured"


def openai_at(url: str, **more: Any) -> ModelConfig:
    return ModelConfig(name="m", provider="openai", base_url=url, **more)


PUBLIC, EUROPE = openai_at("https://api.openai.com/v1"), openai_at("https://eu.api.openai.com/v1")
VENDOR, OTHER = openai_at("https://llm.example.com/v1"), openai_at("http://vllm:8000/v1")
SAME_VENDOR = openai_at("https://LLM.example.com.:443/v2")
WITH_OWN_KEY = openai_at("https://api.openai.com/v1", api_key_from=ApiKeySource(env="OWN"))
DEFAULT_KEY = "OPENAI_API_KEY"
CUSTOM = {"OPENAI_CUSTOM_HEADERS": "x-gateway-key: k"}


@pytest.mark.parametrize(
    ("model", "others", "variables", "is_sent"),
    [
        (OPENAI, [], {}, True),
        (PUBLIC, [VENDOR, OTHER], {}, True),
        (EUROPE, [VENDOR, PUBLIC], {}, True),
        (VENDOR, [], {}, True),
        (VENDOR, [SAME_VENDOR], {}, True),
        (VENDOR, [AZURE], {}, True),
        (VENDOR, [ModelConfig(name="e", provider="echo")], {}, True),
        (VENDOR, [PUBLIC], {}, False),
        (VENDOR, [OPENAI], {}, False),
        (VENDOR, [OTHER], {}, False),
        (VENDOR, [WITH_OWN_KEY], {}, False),
        (openai_at("http://api.openai.com/v1"), [PUBLIC], {}, False),
        (openai_at("https://api.openai.com.example.com/v1"), [PUBLIC], {}, False),
        (openai_at("https://fakeapi.openai.com/v1"), [PUBLIC], {}, False),
        (openai_at("https://api.openai.com.:443/v1"), [VENDOR], {}, True),
        (openai_at("https://api.openai.com@evil.example.com/v1"), [PUBLIC], {}, False),
        (openai_at("https://llm.example.com:8443/v1"), [VENDOR], {}, False),
        (OPENAI, [VENDOR], {"OPENAI_BASE_URL": "https://gateway.example.com/v1"}, True),
        (PUBLIC, [OPENAI], {"OPENAI_BASE_URL": "https://gateway.example.com/v1"}, False),
        (VENDOR, [PUBLIC], {"OPENAI_BASE_URL": "https://llm.example.com/v9"}, True),
    ],
)
async def test_the_default_key_reaches_only_its_vendor(
    model: ModelConfig, others: list[ModelConfig], variables: dict[str, str], is_sent: bool
) -> None:
    endpoint = await build(model, *others, **{DEFAULT_KEY: "k"}, **CUSTOM, **variables)

    assert ("authorization" in endpoint.headers, "x-gateway-key" in endpoint.headers) == (is_sent, is_sent)
    assert endpoint.withheld == (None if is_sent else DEFAULT_KEY)


async def test_a_models_own_credentials_replace_the_default_ones() -> None:
    headers = {"headers_from": {"X-Team": "TEAM", "x-gateway-key": "GATEWAY"}}
    own = OPENAI.model_copy(update={"api_key_from": ApiKeySource(env="OWN"), **headers})
    azure = AZURE.model_copy(update={"api_key_from": ApiKeySource(env="OWN")})
    anonymous = OPENAI.model_copy(update={"api_key_from": ApiKeySource(none=True)})
    variables = {DEFAULT_KEY: "k", "OWN": "o", "TEAM": "t", "GATEWAY": "g", "AZURE_OPENAI_API_KEY": "a"}
    custom = {"OPENAI_CUSTOM_HEADERS": "authorization: Basic x\nx-gateway-key: k"}

    sent = (await build(own, **variables, **custom)).headers
    assert {name: sent[name] for name in ("authorization", "x-team", "x-gateway-key")} == {
        "authorization": "Bearer o",
        "x-team": "t",
        "x-gateway-key": "g",
    }
    assert (await build(azure, **variables)).headers == {"api-key": "o", "accept": "application/json"}
    assert (await build(anonymous, **variables)).headers == {"accept": "application/json"}


async def test_the_default_key_of_azure_reaches_only_azure() -> None:
    """Custom headers are for OpenAI's protocol at one server, so a second provider does not get them."""
    gateway = AZURE.model_copy(update={"name": "g", "endpoint": "https://x.cloudapp.azure.com"})
    variables = {"AZURE_OPENAI_API_KEY": "k", **CUSTOM}

    assert "api-key" in (await build(gateway, **variables)).headers
    assert "api-key" not in (await build(gateway, AZURE, **variables)).headers
    assert "api-key" in (await build(AZURE, gateway, **variables)).headers
    assert "x-gateway-key" in (await build(AZURE, **variables)).headers
    assert "x-gateway-key" not in (await build(AZURE, VENDOR, **variables)).headers


async def test_a_token_of_entra_id_reaches_only_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def token(_: object) -> str:
        return "token"

    monkeypatch.setattr("agent_runtime.models.credentials.EntraToken.__call__", token)
    vendor = AZURE.model_copy(update={"name": "g", "endpoint": "https://llm.vendor.example"})
    identity = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}

    endpoint = await build(vendor, AZURE, **identity)

    assert "authorization" not in endpoint.headers
    assert endpoint.withheld == "the token of Microsoft Entra ID"
    assert "authorization" in (await build(AZURE, vendor, **identity)).headers


async def test_a_models_own_endpoint_wins_over_the_environment() -> None:
    """Two models may be in two resources."""
    without = AZURE.model_copy(update={"endpoint": None})
    variables = {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://y"}

    assert (await build(AZURE, **variables)).completions.host == "x.openai.azure.com"
    assert (await build(without, **variables)).completions.host == "y"
    with pytest.raises(UnhealthyError, match=r"^set AZURE_OPENAI_ENDPOINT"):
        await build(without, AZURE_OPENAI_API_KEY="k")


@pytest.mark.parametrize(
    ("model", "responses", "embeddings"),
    [
        (OPENAI.model_copy(update={"base_url": "http://llm/v1?key=ab"}), "http://llm/v1/responses?key=ab",
         "http://llm/v1/embeddings?key=ab"),
        (AZURE.model_copy(update={"api": "responses"}),
         "https://x.openai.azure.com/openai/responses?api-version=2025-03-01-preview",
         "https://x.openai.azure.com/openai/deployments/gpt-4o/embeddings?api-version=2025-03-01-preview"),
    ],
)  # fmt: skip
async def test_other_apis_have_their_own_urls(model: ModelConfig, responses: str, embeddings: str) -> None:
    endpoint = await build(model, AZURE_OPENAI_API_KEY="k")

    assert (str(endpoint.responses), str(endpoint.embeddings)) == (responses, embeddings)

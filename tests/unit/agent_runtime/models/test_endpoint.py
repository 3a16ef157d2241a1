"""URLs and headers of requests to models. integration/agent_runtime/test_model_requests.py compares with the SDK."""

import pytest

from agent_runtime.config import ModelConfig
from agent_runtime.environment import read
from agent_runtime.health import UnhealthyError
from agent_runtime.models.endpoint import Endpoint, RequestBuilder

AZURE = ModelConfig(name="a", provider="azure_openai", deployment="gpt-4o", endpoint="https://x.openai.azure.com")
OPENAI = ModelConfig(name="m", provider="openai")


async def build(model: ModelConfig, **variables: str) -> Endpoint:
    return await RequestBuilder(model, read(variables)).build()


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
    builder = RequestBuilder(AZURE, read(identity))

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
@pytest.mark.parametrize("key", ["secret\n", "secrät"])
async def test_a_key_that_no_header_can_carry_is_named_and_not_quoted(
    model: ModelConfig, variable: str, key: str
) -> None:
    with pytest.raises(UnhealthyError, match=f"^{variable}: contains a line break") as raised:
        await build(model, **{variable: key})

    assert "secr" not in str(raised.value)


async def test_a_models_own_endpoint_wins_over_the_environment() -> None:
    """Two models may be in two resources."""
    without = AZURE.model_copy(update={"endpoint": None})
    variables = {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://y"}

    assert (await build(AZURE, **variables)).completions.host == "x.openai.azure.com"
    assert (await build(without, **variables)).completions.host == "y"
    with pytest.raises(UnhealthyError, match=r"^set AZURE_OPENAI_ENDPOINT"):
        await build(without, AZURE_OPENAI_API_KEY="k")

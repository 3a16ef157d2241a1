"""The SDK's drawings: addresses and headers."""

import pytest

from agent_runtime.config import ModelConfig
from agent_runtime.environment import Environment, read
from agent_runtime.health import UnhealthyError
from agent_runtime.models.wire import SdkDraughtsman

AZURE = ModelConfig(name="a", provider="azure_openai", deployment="gpt 4o", endpoint="https://x.openai.azure.com")


async def test_openai_without_a_base_url_is_openais_api() -> None:
    """With the key, and none of the headers by which the SDK describes itself."""
    wire = await SdkDraughtsman.openai(ModelConfig(name="m", provider="openai"), read({"OPENAI_API_KEY": "k"})).draw()

    assert str(wire.completions) == "https://api.openai.com/v1/chat/completions"
    assert str(wire.models) == "https://api.openai.com/v1/models"
    assert wire.headers == {
        "authorization": "Bearer k",
        "accept": "application/json",
        "content-type": "application/json",
    }


async def test_azure_with_a_key() -> None:
    """Deployment in the path, default API version in the query."""
    wire = await SdkDraughtsman.azure(AZURE, read({"AZURE_OPENAI_API_KEY": "k"})).draw()

    assert str(wire.completions) == (
        "https://x.openai.azure.com/openai/deployments/gpt%204o/chat/completions?api-version=2024-10-01-preview"
    )
    assert wire.headers["api-key"] == "k"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "set AZURE_OPENAI_API_KEY; or AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET (or"),
        ({"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}, "set AZURE_CLIENT_SECRET (or AZURE_FEDERATED_TOKEN_FILE"),
        ({"AZURE_CLIENT_SECRET": "s", "AZURE_CLIENT_ID": "c"}, "set AZURE_TENANT_ID"),
    ],
)
def test_azure_names_the_missing_variables(variables: dict[str, str], words: str) -> None:
    """Those that would complete what was begun."""
    with pytest.raises(UnhealthyError) as raised:
        SdkDraughtsman.azure(AZURE, read(variables))

    assert str(raised.value).startswith(words)


def test_openai_names_the_missing_key() -> None:
    """Needed for OpenAI's own API."""
    with pytest.raises(UnhealthyError, match=r"^set OPENAI_API_KEY$"):
        SdkDraughtsman.openai(ModelConfig(name="m", provider="openai"), Environment())


def test_a_models_own_endpoint_wins_over_the_environment() -> None:
    """The environment's is for models that name none; two models may live in two resources."""
    without = AZURE.model_copy(update={"endpoint": None})
    with pytest.raises(UnhealthyError, match=r"^set AZURE_OPENAI_ENDPOINT"):
        SdkDraughtsman.azure(without, read({"AZURE_OPENAI_API_KEY": "k"}))

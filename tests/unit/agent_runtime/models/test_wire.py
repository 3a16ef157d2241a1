"""The SDK's outlines of requests: addresses and headers."""

import pytest

from agent_runtime.config import ModelConfig
from agent_runtime.environment import Environment, read
from agent_runtime.health import UnhealthyError
from agent_runtime.models.outlines import TOKEN, Outlines, draw
from agent_runtime.models.wire import Draughtsman

AZURE = ModelConfig(name="a", provider="azure_openai", deployment="gpt 4o", endpoint="https://x.openai.azure.com")
OPENAI = ModelConfig(name="m", provider="openai")


def test_openai_without_a_base_url_is_openais_api() -> None:
    """With the key, and none of the headers by which the SDK describes itself."""
    outline = draw(OPENAI, read({"OPENAI_API_KEY": "k"}))

    assert outline.completions == "https://api.openai.com/v1/chat/completions"
    assert outline.models == "https://api.openai.com/v1/models"
    assert outline.headers == {
        "authorization": "Bearer k",
        "accept": "application/json",
        "content-type": "application/json",
    }


def test_a_server_of_ones_own_needs_no_key() -> None:
    """And is sent none."""
    outline = draw(OPENAI.model_copy(update={"base_url": "http://llm/v1"}), Environment())

    assert outline.completions == "http://llm/v1/chat/completions"
    assert "authorization" not in outline.headers


def test_azure_with_a_key() -> None:
    """Deployment in the path, default API version in the query."""
    outline = draw(AZURE, read({"AZURE_OPENAI_API_KEY": "k"}))

    assert outline.completions == (
        "https://x.openai.azure.com/openai/deployments/gpt%204o/chat/completions?api-version=2024-10-01-preview"
    )
    assert outline.headers["api-key"] == "k"


async def test_azure_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wire has the token of its moment; what is encoded is not encoded again."""
    tokens = iter(("one", "two"))

    async def token(_: object) -> str:
        return next(tokens)

    monkeypatch.setattr("agent_runtime.models.credentials.EntraToken.__call__", token)
    known = read({"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"})
    draughtsman = Draughtsman(AZURE, known, Outlines([AZURE], known))

    wires = [await draughtsman.draw() for _ in range(2)]
    await draughtsman.aclose()

    assert draw(AZURE, known).headers["authorization"] == f"Bearer {TOKEN}"
    assert [wire.headers["authorization"] for wire in wires] == ["Bearer one", "Bearer two"]
    assert wires[0].completions.raw_path.startswith("/openai/deployments/gpt%204o/")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "set AZURE_OPENAI_API_KEY; or AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET (or"),
        ({"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}, "set AZURE_CLIENT_SECRET (or AZURE_FEDERATED_TOKEN_FILE"),
        ({"AZURE_CLIENT_SECRET": "s", "AZURE_CLIENT_ID": "c"}, "set AZURE_TENANT_ID"),
    ],
)
async def test_azure_names_the_missing_variables(variables: dict[str, str], words: str) -> None:
    """Those that would complete what was begun."""
    known = read(variables)

    with pytest.raises(UnhealthyError) as raised:
        await Draughtsman(AZURE, known, Outlines([AZURE], known)).draw()

    assert str(raised.value).startswith(words)


async def test_openai_names_the_missing_key() -> None:
    """Needed for OpenAI's own API; another model's outline is there all the same."""
    outlines = Outlines([OPENAI, AZURE], read({"AZURE_OPENAI_API_KEY": "k"}))

    with pytest.raises(UnhealthyError, match=r"^set OPENAI_API_KEY$"):
        await outlines.of("m")
    assert (await outlines.of("a")).headers["api-key"] == "k"


def test_a_models_own_endpoint_wins_over_the_environment() -> None:
    """The environment's is for models that name none; two models may live in two resources."""
    without = AZURE.model_copy(update={"endpoint": None})

    known = read({"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://y"})
    assert draw(AZURE, known).completions.startswith("https://x.openai.azure.com/")
    assert draw(without, known).completions.startswith("https://y/")
    with pytest.raises(UnhealthyError, match=r"^set AZURE_OPENAI_ENDPOINT"):
        draw(without, read({"AZURE_OPENAI_API_KEY": "k"}))

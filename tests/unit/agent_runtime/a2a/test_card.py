"""The agent card: its URL, and its defaults."""

import pytest
from aiohttp.test_utils import make_mocked_request

from agent_runtime.a2a.card import base_url, card
from agent_runtime.config import AgentConfig
from agent_runtime.environment import Environment, version


def make_config(**fields: object) -> AgentConfig:
    """Return a config with these fields."""
    return AgentConfig.model_validate({"models": [{"name": "m", "provider": "echo"}], **fields})


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({"Host": "agent.example.com"}, "http://agent.example.com"),
        ({"Host": "[::1]:8000"}, "http://[::1]:8000"),
        ({"Host": "agent.example.com", "X-Forwarded-Proto": "https"}, "https://agent.example.com"),
        ({"Host": "agent.example.com", "X-Forwarded-Proto": "javascript"}, "http://agent.example.com"),
        ({"Host": "evil.com/path?x="}, "http://localhost"),
        ({"Host": "user:password@evil.com"}, "http://localhost"),
    ],
)
def test_the_url_is_the_one_that_the_caller_used(headers: dict[str, str], url: str) -> None:
    """A Host header that is not only a host is ignored."""
    assert base_url(make_config(), make_mocked_request("GET", "/", headers=headers)) == url


def test_a_configured_url_takes_precedence() -> None:
    """The Host header of the request has no effect."""
    request = make_mocked_request("GET", "/", headers={"Host": "inner"})

    assert (
        base_url(make_config(card={"url": "https://agents.example.com/one/"}), request)
        == "https://agents.example.com/one"
    )


def test_the_defaults_of_the_card() -> None:
    """The name is that of the AgentDeployment and the version is its revision. The card has one skill."""
    environment = Environment(agent_name="clock", agent_revision="abc123")

    defaults = card(make_config(), environment, "http://a")

    assert (defaults["name"], defaults["version"], defaults["url"]) == ("clock", "abc123", "http://a/a2a")
    assert [skill["id"] for skill in defaults["skills"]] == ["chat"]
    assert "securitySchemes" not in defaults
    assert card(make_config(), Environment(), "http://a")["version"] == version()

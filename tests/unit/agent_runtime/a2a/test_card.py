"""The agent card: what it says when the config says little, and where it says the agent is."""

import pytest
from aiohttp.test_utils import make_mocked_request

from agent_runtime.a2a.card import base_url, card
from agent_runtime.config import AgentConfig
from agent_runtime.environment import Environment, version


def config(**fields: object) -> AgentConfig:
    """A config with these fields."""
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
    """As long as it is a host and nothing else."""
    assert base_url(config(), make_mocked_request("GET", "/", headers=headers)) == url


def test_a_configured_url_is_told_to_everybody() -> None:
    """Whatever the request says."""
    request = make_mocked_request("GET", "/", headers={"Host": "inner"})

    assert (
        base_url(config(card={"url": "https://agents.example.com/one/"}), request) == "https://agents.example.com/one"
    )


def test_an_agent_that_says_nothing_of_itself() -> None:
    """Has the name of its AgentDeployment, its revision as version, and one skill."""
    environment = Environment(agent_name="clock", agent_revision="abc123")

    told = card(config(), environment, "http://a")

    assert (told["name"], told["version"], told["url"]) == ("clock", "abc123", "http://a/a2a")
    assert [skill["id"] for skill in told["skills"]] == ["chat"]
    assert "securitySchemes" not in told
    assert card(config(), Environment(), "http://a")["version"] == version()

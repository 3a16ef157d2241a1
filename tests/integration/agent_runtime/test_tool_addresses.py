"""Connections to tool servers: their headers, and the addresses that are refused."""

from tests.integration.agent_runtime.conftest import ECHO, StartAgent, agent_toml
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually


def test_headers_from_takes_headers_from_the_environment(start_agent: StartAgent, model_server: ModelServer) -> None:
    """The server is not an MCP server, so the agent is degraded."""
    table = (
        f'[[agent.mcp]]\nname = "t"\ntype = "http"\nurl = "{model_server.url}/v1/chat/completions"\n'
        'headers_from = { X-Tool-Key = "TOOL_KEY" }'
    )
    agent = start_agent(agent_toml(ECHO, memory=table), TOOL_KEY="sk-canary-openai-3c1f").ready()

    eventually("the server is called", lambda: model_server.seen("/chat/completions"))

    assert model_server.seen("/chat/completions")[0]["headers"]["x-tool-key"] == "sk-canary-openai-3c1f"
    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")


def test_a_metadata_address_is_refused(start_agent: StartAgent) -> None:
    """This holds for every notation of the address. Health gives the reason."""
    hosts = ("169.254.169.254", "0xa9fea9fe", "[::ffff:a9fe:a9fe]")
    tables = [
        f'[[agent.mcp]]\nname = "t{number}"\ntype = "http"\nurl = "http://{host}/mcp"'
        for number, host in enumerate(hosts)
    ]
    agent = start_agent(agent_toml(ECHO, memory="\n".join(tables))).ready()

    refused = "refused unless allow_link_local"
    eventually("health names all of them", lambda: agent.details().text.count(refused) == len(hosts))


def test_a_redirect_to_a_metadata_address_is_not_followed(start_agent: StartAgent, model_server: ModelServer) -> None:
    """A compromised tool server cannot make the agent call another host."""
    location = {"Location": "http://169.254.169.254/latest/meta-data/"}
    model_server.script(completions=[{"status": 307, "headers": location, "always": True}])
    table = f'[[agent.mcp]]\nname = "t"\ntype = "http"\nurl = "{model_server.url}/v1/chat/completions"'
    agent = start_agent(agent_toml(ECHO, memory=table)).ready()

    eventually("the server is called", lambda: model_server.seen("/chat/completions"))
    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")
    assert agent.http.post("/api/chat", json={"message": "hi"}).json()["response"] == "hi"

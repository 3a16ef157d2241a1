"""The servers that `check-network` connects to, and the proxy of each."""

import pytest

from agent_runtime import environment
from agent_runtime.config import AgentSection
from agent_runtime.connectivity.targets import Target, parse_proxy, targets

CONFIG = {
    "models": [
        {"name": "azure", "provider": "azure_openai", "deployment": "gpt"},
        {
            "name": "own",
            "provider": "openai",
            "base_url": "https://models.example.com:8443/v1",
            "tls": {"ca_file": "/ca"},
        },
        {"name": "public", "provider": "openai"},
        {"name": "echo", "provider": "echo"},
    ],
    "memory": {
        "cache": {"sentinel": {"master": "m", "hosts": ["s1:1", "s2"]}, "ssl": True, "tls": {"server_name": "redis"}}
    },
    "mcp": [
        {"name": "docs", "type": "http", "url": "http://docs/mcp", "allow_link_local": True},
        {"name": "shell", "type": "stdio", "command": "tool"},
    ],
    "auth": {"jwt": {"issuer": "https://issuer.example.com", "audiences": ["a"]}},
}
VARIABLES = {
    "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com/",
    "AZURE_TENANT_ID": "t",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
}


def found(variables: dict[str, str]) -> list[Target]:
    config = AgentSection.model_validate(CONFIG)
    return targets(config, environment.read(variables), lambda _, *, for_all: "http://p:3128" if for_all else None)


def test_every_server_is_a_target_with_the_field_that_names_it() -> None:
    shown = {(it.component, it.address, it.tls, it.field) for it in found(VARIABLES)}
    assert shown == {
        ("azure", "res.openai.azure.com:443", True, "AZURE_OPENAI_ENDPOINT"),
        ("own", "models.example.com:8443", True, "agent.models[1].base_url"),
        ("public", "api.openai.com:443", True, "agent.models[2].base_url (default)"),
        ("redis", "s1:1", True, "agent.memory.cache.sentinel.hosts[0]"),
        ("redis", "s2:26379", True, "agent.memory.cache.sentinel.hosts[1]"),
        ("mcp: docs", "docs:80", False, "agent.mcp[0].url"),
        ("jwks", "issuer.example.com:443", True, "agent.auth.jwt.issuer"),
        ("entra-id", "login.microsoftonline.com:443", True, "AZURE_AUTHORITY_HOST"),
        ("traces", "collector:4318", False, "OTEL_EXPORTER_OTLP_ENDPOINT"),
    }


def test_an_azure_model_with_a_key_needs_no_entra_id() -> None:
    assert "entra-id" not in {it.component for it in found(VARIABLES | {"AZURE_OPENAI_API_KEY": "k"})}


def test_only_mcp_and_traces_use_the_proxy_for_all_protocols() -> None:
    assert {it.component for it in found(VARIABLES) if it.proxy} == {"mcp: docs", "traces"}


def test_each_target_has_its_own_trust() -> None:
    by_name = {it.component: it for it in found(VARIABLES)}
    assert (by_name["own"].ca_file, by_name["redis"].server_name) == ("/ca", "redis")
    assert by_name["mcp: docs"].allow_link_local
    assert not by_name["redis"].is_http


@pytest.mark.parametrize("url", ["", "http://", "http://[", "http://a:b", None])
def test_an_invalid_proxy_is_ignored(url: str | None) -> None:
    assert parse_proxy(url) is None


def test_the_login_of_a_proxy_is_no_part_of_its_address() -> None:
    proxy = parse_proxy("https://u:p@proxy.example.com")
    assert proxy is not None
    assert (proxy.host, proxy.port, proxy.tls, proxy.login) == ("proxy.example.com", 443, True, ("u", "p"))

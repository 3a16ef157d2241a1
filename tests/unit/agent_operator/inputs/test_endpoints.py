"""Endpoints are Services of the cluster, hosts outside of it, or the pod itself."""

import pytest

from agent_operator.inputs.endpoints import parse


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://x.openai.azure.com/", "x.openai.azure.com", 443),
        ("http://Ollama:11434/v1", "ollama", 11434),
        ("http://vllm.models.svc/v1", "vllm.models.svc", 80),
        ("http://[fd12::1]:9000", "fd12::1", 9000),
    ],
)
def test_url_is_parsed_to_host_and_port(url: str, host: str, port: int) -> None:
    endpoint = parse(url, "f")
    assert (endpoint.host, endpoint.port, endpoint.field) == (host, port, "f")


@pytest.mark.parametrize(
    ("host", "namespace", "maybe"),
    [
        ("redis", "own", None),
        ("redis.cache", None, "cache"),
        ("redis.cache.svc", "cache", None),
        ("redis.cache.svc.", "cache", None),
        ("redis.cache.svc.cluster.local", "cache", None),
        ("redis-0.redis.cache.svc.cluster.local", "cache", None),
        ("svc.example.com", None, None),
        ("a.svc.example.com", None, None),
        ("api.openai.com", None, None),
        ("10.1.2.3", None, None),
    ],
)
def test_namespace_of_a_service_host(host: str, namespace: str | None, maybe: str | None) -> None:
    endpoint = parse(f"http://{host}/", "f")
    assert endpoint.namespace("own") == namespace
    assert endpoint.maybe_namespace == maybe


def test_loopback_addresses_are_recognized() -> None:
    assert [parse(f"http://{host}/", "f").is_loopback for host in ("localhost", "127.0.0.9", "[::1]", "local")] == [
        *(True, True, True, False)
    ]

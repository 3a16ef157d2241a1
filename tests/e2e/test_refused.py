"""The schema and its CEL rules reject invalid input at admission, with the path and the remedy."""

from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl, make_agent

ECHO = {"name": "echo", "provider": "echo"}
AZURE = {"name": "gpt", "provider": "azure_openai", "deployment": "gpt-4o"}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "wrong type": ({"replicas": "three"}, "spec.replicas"),
    "below the least": ({"replicas": -1}, "spec.replicas"),
    "two prompt sources": (
        {"systemPrompt": {"text": "a", "configMapKeyRef": {"name": "a", "key": "b"}}},
        "set exactly one of text and configMapKeyRef",
    ),
    "no prompt source": ({"systemPrompt": {"variables": {"a": "b"}}}, "exactly one of text and configMapKeyRef"),
    "two credentials": (
        {"credentials": {"secretRef": {"name": "a"}, "values": {"A": "b"}}},
        "exactly one of secretRef",
    ),
    "a key that no variable can have": (
        {"credentials": {"values": {"1-A": "b"}}},
        "every key must be a valid environment variable name",
    ),
    "two stores": (
        {
            "credentials": {
                "externalSecret": {
                    "azureKeyVault": {"vaultUrl": "https://kv.vault.azure.net"},
                    "secretStoreRef": {"name": "s"},
                    "data": {"A": "a"},
                }
            }
        },
        "exactly one of azureKeyVault and secretStoreRef",
    ),
    "vault that is no URL": (
        {"credentials": {"externalSecret": {"azureKeyVault": {"vaultUrl": "kv"}, "data": {"A": "a"}}}},
        "spec.credentials.externalSecret.azureKeyVault.vaultUrl",
    ),
    "default model not in models": (
        {"config": {"models": [ECHO], "defaultModel": "gpt"}},
        "defaultModel must be the name of",
    ),
    "no model": ({"config": {"models": []}}, "spec.config.models"),
    "two models of a name": ({"config": {"models": [ECHO, ECHO]}}, "Duplicate value"),
    "unknown provider": (
        {"config": {"models": [{"name": "a", "provider": "magic"}]}},
        "spec.config.models[0].provider",
    ),
    "azure without deployment": (
        {"config": {"models": [{"name": "a", "provider": "azure_openai"}]}},
        "azure_openai requires deployment",
    ),
    "field of another provider": (
        {"config": {"models": [AZURE | {"baseUrl": "http://a/v1"}]}},
        "baseUrl requires provider openai: remove it",
    ),
    "endpoint that is no URL": ({"config": {"models": [AZURE | {"endpoint": "x"}]}}, "spec.config.models[0].endpoint"),
    "fallback that is no model": (
        {"config": {"models": [ECHO], "fallbacks": ["gpt"]}},
        "each of fallbacks must be",
    ),
    "tool server without an address": (
        {"config": {"models": [ECHO], "mcp": [{"name": "a", "type": "http"}]}},
        "type http requires url",
    ),
    "tool server with fields of the other type": (
        {"config": {"models": [ECHO], "mcp": [{"name": "a", "type": "stdio", "command": "x", "url": "http://a/b"}]}},
        "url requires type http: remove it",
    ),
    "two tool servers of a name": (
        {"config": {"models": [ECHO], "mcp": [{"name": "a", "type": "stdio", "command": "x"}] * 2}},
        "Duplicate value",
    ),
    "cache without host": (
        {"config": {"models": [ECHO], "memory": {"cache": {"ttl": 5}}}},
        "an enabled cache requires host",
    ),
    "port out of range": ({"service": {"port": 70000}}, "spec.service.port"),
    "host that is no DNS name": ({"ingress": {"host": "not a host!"}}, "spec.ingress.host"),
    "two tags": ({"runtime": {"image": "host:5000/runtime:1", "version": "2"}}, "version must not be set if image"),
    "a digest and a tag": ({"runtime": {"image": "runtime@sha256:abc", "version": "2"}}, "version must not be set"),
    "least above most": ({"autoscaling": {"minReplicas": 20}}, "must not exceed maxReplicas"),
    "two budgets": ({"disruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}}, "mutually exclusive"),
    "prompt of 2 MiB": ({"systemPrompt": {"text": "a" * 2_097_152}}, "spec.systemPrompt.text"),
    "quantity that is none": ({"resources": {"limits": {"cpu": "many"}}}, "spec.resources.limits.cpu"),
    "unknown field": ({"replica": 2}, 'unknown field "spec.replica"'),
    "unknown field deep down": ({"ingress": {"host": "a.b", "hots": "c"}}, 'unknown field "spec.ingress.hots"'),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_invalid_spec_is_rejected_at_admission(case: str, cluster: Kubectl) -> None:
    spec, words = REFUSED[case]

    done = cluster.run("create", "-f", "-", stdin=make_agent("refused", **spec), check=False)

    assert done.returncode == 1
    assert words in done.stderr
    assert cluster.get("agd", "refused") is None


@pytest.mark.parametrize(("name", "words"), [("a" * 53, "at most 52 characters"), ("1st", "starts with a letter")])
def test_a_name_that_is_invalid_for_children_is_rejected(name: str, words: str, cluster: Kubectl) -> None:
    done = cluster.run("create", "-f", "-", stdin=make_agent(name), check=False)

    assert done.returncode == 1
    assert words in done.stderr


def test_config_is_required(cluster: Kubectl) -> None:
    done = cluster.run("create", "-f", "-", stdin=make_agent("refused") | {"spec": {}}, check=False)

    assert done.returncode == 1
    assert "spec.config" in done.stderr


def test_the_namespace_is_immutable(cluster: Kubectl) -> None:
    """Without a running operator: it is a rule of the schema."""
    cluster.run("create", "namespace", "refused-namespace")
    in_namespace = Kubectl(cluster.kubeconfig, "refused-namespace")
    in_namespace.apply(make_agent("moves", suspend=True))

    done = in_namespace.run(
        "patch", "agd", "moves", "--type=merge", "-p", '{"spec":{"namespace":{"name":"other"}}}', check=False
    )

    assert done.returncode == 1
    assert "namespace can be neither added nor removed later" in done.stderr
    in_namespace.run("delete", "namespace", "refused-namespace", "--wait=false")

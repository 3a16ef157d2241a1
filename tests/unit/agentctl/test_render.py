"""`agentctl render` prints the manifests of the operator, in its order, without a cluster."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, render
from tests import fast_yaml as yaml

Agentctl = Callable[..., Any]
WriteFile = Callable[..., Path]
MakeAgent = Callable[..., dict[str, Any]]


def test_the_output_equals_the_manifests_of_the_operator(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    result = agentctl("render", "-n", "team", "-f", write_file(make_agent()))

    body = make_agent() | {"metadata": {"name": "support", "namespace": "team"}}
    expected = render(Inputs(AgentDeployment.model_validate(body))).manifests
    assert (result.status, result.err) == (0, "")
    assert list(yaml.safe_load_all(result.out)) == list(expected)


def test_the_same_input_gives_the_same_bytes(agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent) -> None:
    path = write_file(make_agent(ingress={"host": "a.example.com"}, autoscaling={}))

    assert agentctl("render", "-f", path).out == agentctl("render", "-f", path).out


def test_json_output_is_one_list(agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent) -> None:
    path = write_file(make_agent("one"), make_agent("two"))

    found = json.loads(agentctl("render", "-f", path, "-o", "json").out)

    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    deployments = [item["metadata"]["name"] for item in found["items"] if item["kind"] == "Deployment"]
    assert deployments == ["one", "two"]


def test_a_prompt_is_read_from_a_config_map_of_the_input(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    prompts = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "prompts"},
        "data": {"p": "Hi {{ who }}.\n"},
    }
    source = {"configMapKeyRef": {"name": "prompts", "key": "p"}, "variables": {"who": "Ada"}}

    result = agentctl("render", "-f", write_file(make_agent(systemPrompt=source), prompts))

    (config,) = [item for item in yaml.safe_load_all(result.out) if item["kind"] == "ConfigMap"]
    assert config["data"]["system_prompt.txt"] == "Hi Ada.\n"


def test_a_config_map_of_another_namespace_is_not_used(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    metadata = {"name": "prompts", "namespace": "elsewhere"}
    prompts = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"p": "Hi"}}
    prompted = make_agent(systemPrompt={"configMapKeyRef": {"name": "prompts", "key": "p"}})

    result = agentctl("render", "-f", write_file(prompted, prompts))

    assert (result.status, result.out) == (1, "")
    assert "the ConfigMap prompts with the key p does not exist in namespace default" in result.err


def test_a_secret_of_the_input_is_hashed_into_the_pods_and_not_printed(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    """The hash replaces the pods when the Secret changes, as in a cluster."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys"},
        "stringData": {"OPENAI_API_KEY": "canary-5f"},
    }
    agent = make_agent(credentials={"secretRef": {"name": "keys", "keys": ["OPENAI_API_KEY"]}})

    without_secret = agentctl("render", "-f", write_file(agent))
    with_secret = agentctl("render", "-f", write_file(agent, secret))

    assert "agent-operator.dev/secret-hash" in with_secret.out
    assert "agent-operator.dev/secret-hash" not in without_secret.out
    assert "canary" not in with_secret.out
    assert "Secret keys in namespace default is not in the input" in without_secret.err


def test_one_invalid_agent_prevents_all_output(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    result = agentctl("render", "-f", write_file(make_agent("good"), make_agent("bad", replica=1, zzz=2)))

    assert (result.status, result.out) == (1, "")
    assert result.err.count("\n") == 1
    assert "bad: spec.replica: unknown field" in result.err
    assert "(1 more: run agentctl validate)" in result.err


def test_strings_that_kubectl_would_read_as_numbers_are_quoted(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    """A hash can be such a string. PyYAML would not quote it."""
    numbers = ["y", "off", "12e3456789", "1e3", "0123456789", "0o17", ".5e3", "+1.e-5", "12"]
    env = [{"name": f"N{at}", "value": number} for at, number in enumerate([*numbers, "1.2.3", "12e"])]

    rendered = agentctl("render", "-f", write_file(json.dumps(make_agent(env=env)))).out

    assert [number for number in numbers if f"value: '{number}'\n" not in rendered] == []
    assert "value: 1.2.3\n" in rendered

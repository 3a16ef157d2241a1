"""`agentctl render`: offline, the operator's own manifests, in its order."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, render
from tests import fast_yaml as yaml

Agentctl = Callable[..., Any]
File = Callable[..., Path]
Agent = Callable[..., dict[str, Any]]


def test_the_objects_are_those_of_the_operator(agentctl: Agentctl, file: File, agent: Agent) -> None:
    done = agentctl("render", "-n", "team", "-f", file(agent()))

    body = agent() | {"metadata": {"name": "support", "namespace": "team"}}
    expected = render(Inputs(AgentDeployment.model_validate(body))).manifests
    assert (done.status, done.err) == (0, "")
    assert list(yaml.safe_load_all(done.out)) == list(expected)


def test_the_same_input_gives_the_same_bytes(agentctl: Agentctl, file: File, agent: Agent) -> None:
    path = file(agent(ingress={"host": "a.example.com"}, autoscaling={}))

    assert agentctl("render", "-f", path).out == agentctl("render", "-f", path).out


def test_json_is_one_list(agentctl: Agentctl, file: File, agent: Agent) -> None:
    path = file(agent("one"), agent("two"))

    found = json.loads(agentctl("render", "-f", path, "-o", "json").out)

    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    deployments = [item["metadata"]["name"] for item in found["items"] if item["kind"] == "Deployment"]
    assert deployments == ["one", "two"]


def test_a_prompt_comes_from_a_config_map_of_the_input(agentctl: Agentctl, file: File, agent: Agent) -> None:
    prompts = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "prompts"},
        "data": {"p": "Hi {{ who }}.\n"},
    }
    source = {"configMapKeyRef": {"name": "prompts", "key": "p"}, "variables": {"who": "Ada"}}

    done = agentctl("render", "-f", file(agent(systemPrompt=source), prompts))

    (config,) = [item for item in yaml.safe_load_all(done.out) if item["kind"] == "ConfigMap"]
    assert config["data"]["system_prompt.txt"] == "Hi Ada.\n"


def test_a_config_map_of_another_namespace_does_not_serve(agentctl: Agentctl, file: File, agent: Agent) -> None:
    there = {"name": "prompts", "namespace": "elsewhere"}
    prompts = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": there, "data": {"p": "Hi"}}

    done = agentctl(
        "render", "-f", file(agent(systemPrompt={"configMapKeyRef": {"name": "prompts", "key": "p"}}), prompts)
    )

    assert (done.status, done.out) == (1, "")
    assert "the ConfigMap prompts with the key p does not exist in namespace default" in done.err


def test_a_secret_of_the_input_marks_the_pods_and_is_not_printed(agentctl: Agentctl, file: File, agent: Agent) -> None:
    """Its hash rolls the pods when it changes, as in a cluster."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys"},
        "stringData": {"OPENAI_API_KEY": "canary-5f"},
    }
    body = agent(credentials={"secretRef": {"name": "keys", "keys": ["OPENAI_API_KEY"]}})

    plain = agentctl("render", "-f", file(body))
    marked = agentctl("render", "-f", file(body, secret))

    assert "agent-operator.dev/secret-hash" in marked.out
    assert "agent-operator.dev/secret-hash" not in plain.out
    assert "canary" not in marked.out
    assert "Secret keys of namespace default is not in the input" in plain.err


def test_one_bad_agent_prints_nothing(agentctl: Agentctl, file: File, agent: Agent) -> None:
    done = agentctl("render", "-f", file(agent("good"), agent("bad", replica=1, zzz=2)))

    assert (done.status, done.out) == (1, "")
    assert done.err.count("\n") == 1
    assert "bad: spec.replica: unknown field" in done.err
    assert "(1 more: run agentctl validate)" in done.err


def test_texts_that_kubectl_would_read_as_numbers_are_quoted(agentctl: Agentctl, file: File, agent: Agent) -> None:
    """A hash may be such a text; PyYAML writes YAML 1.1, where it is none."""
    numbers = ["12e3456789", "1e3", "0123456789", "0o17", ".5e3", "+1.e-5", "12"]
    env = [{"name": f"N{at}", "value": number} for at, number in enumerate([*numbers, "1.2.3", "12e"])]

    shown = agentctl("render", "-f", file(agent(env=env))).out

    assert [number for number in numbers if f"value: '{number}'\n" not in shown] == []
    assert "value: 1.2.3\n" in shown

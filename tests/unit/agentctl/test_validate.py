"""`agentctl validate`: every error at once, with file, line, field and remedy; exit status 1."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import fast_yaml as yaml

Agentctl = Callable[..., Any]
File = Callable[..., Path]
Agent = Callable[..., dict[str, Any]]

ECHO = {"name": "echo", "provider": "echo"}
PROMPT_REF = {"configMapKeyRef": {"name": "prompts", "key": "p"}}


def test_a_good_agent_is_valid(agentctl: Agentctl, file: File, agent: Agent) -> None:
    done = agentctl("validate", "-f", file(agent()))

    assert (done.status, done.out, done.err) == (0, "1 AgentDeployment: valid\n", "")


@pytest.mark.parametrize(
    ("spec", "field", "remedy"),
    [
        ({"replica": 3}, "spec.replica", 'unknown field: did you mean "replicas"?'),
        ({"zzz": 3}, "spec.zzz", "unknown field: remove it, or use one of apiKeys, autoscaling, config"),
        ({"ingress": {"host": "a.b", "hots": "x"}}, "spec.ingress.hots", 'did you mean "host"?'),
        ({"replicas": "three"}, "spec.replicas", "must be of type integer, not string: Number of desired pods"),
        ({"suspend": "yes, please"}, "spec.suspend", "must be of type boolean, not string"),
        ({"systemPrompt": "Be kind."}, "spec.systemPrompt", "must be of type object, not string"),
        ({"systemPrompt": {"text": "a"} | PROMPT_REF}, "spec.systemPrompt", "keep one and remove the others"),
        ({"systemPrompt": {"text": "Hello {{ team }}"}}, "spec.systemPrompt.text", "team"),
        ({"systemPrompt": {"text": "Hello {% if %}"}}, "spec.systemPrompt.text", "line 1"),
        ({"systemPrompt": {"text": "x" * 2 * 1024**2}}, "spec.systemPrompt.text", "900000"),
        ({"config": {"models": []}}, "spec.config.models", "at least 1 items: Models that the agent can call"),
        (
            {"config": {"models": [ECHO], "defaultModel": "gpt"}},
            "spec.config.defaultModel",
            "correct it or add the model",
        ),
        ({"config": {"models": [ECHO, ECHO]}}, "spec.config.models[1]", "Duplicate value"),
        ({"config": {"models": [{"name": "a", "provider": "llm"}]}}, "spec.config.models[0].provider", '"echo"'),
        ({"config": {"models": [ECHO | {"model": "x"}]}}, "spec.config.models[0].model", "remove it or change"),
        ({"service": {"port": 70000}}, "spec.service.port", "less than or equal to 65535: Service port for HTTP"),
        ({"service": {"port": 0}}, "spec.service.port", "greater than or equal to 1"),
        ({"ingress": {"host": "not a host"}}, "spec.ingress.host", "Host name of the agent"),
        ({"ingress": {}}, "spec.ingress.host", "Required value: Host name of the agent"),
        ({"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}, "spec.autoscaling.minReplicas", "change one of them"),
        ({"resources": {"limits": {"cpu": "many"}}}, "spec.resources.limits.cpu", "CPU in cores"),
        ({"env": [{"value": "x"}]}, "spec.env[0].name", "Required value"),
    ],
)
def test_bad_input_is_told_with_field_and_remedy(
    agentctl: Agentctl, file: File, agent: Agent, spec: dict[str, Any], field: str, remedy: str
) -> None:
    path = file(agent(**spec))

    done = agentctl("validate", "-f", path)

    assert done.status == 1
    assert done.out == ""
    told = [line for line in done.err.splitlines() if f": support: {field}: " in line]
    assert told, done.err
    assert remedy in told[0]
    assert told[0].startswith(f"error: {path}:")
    assert len(told[0]) < 1500


def test_all_errors_of_all_documents_are_told_at_once(agentctl: Agentctl, file: File, agent: Agent) -> None:
    path = file(agent("one", replicas=-1, servce={}), agent("two", ingress={"host": "A"}, dns={"policy": "None"}))

    done = agentctl("validate", "-f", path)

    told = [line.removeprefix(f"error: {path}:").split(": ")[1:3] for line in done.err.splitlines()]
    assert told == [
        ["one", "spec.servce"],
        ["one", "spec.replicas"],
        ["two", "spec.dns.policy"],
        ["two", "spec.ingress.host"],
    ]


def test_a_rule_of_two_fields_is_told_beside_a_wrong_type(agentctl: Agentctl, file: File, agent: Agent) -> None:
    """The API server would leave the rule for the next try."""
    path = file(agent(replicas="many", systemPrompt={"text": "a"} | PROMPT_REF))

    assert "spec.systemPrompt: exactly one of" in agentctl("validate", "-f", path).err


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("a" * 53, "at most 52 characters"),
        ("Upper", "metadata.name"),
        ("dotted.name", "a DNS label that starts with a letter"),
        ("", "metadata"),
    ],
)
def test_a_bad_name_is_told(agentctl: Agentctl, file: File, agent: Agent, name: str, remedy: str) -> None:
    done = agentctl("validate", "-f", file(agent(name)))

    assert done.status == 1
    assert remedy in done.err


def test_a_key_given_twice_is_told(agentctl: Agentctl, file: File, agent: Agent) -> None:
    text = yaml.safe_dump(agent(replicas=2), sort_keys=False) + "  replicas: 3\n"

    done = agentctl("validate", "-f", file(text))

    assert done.status == 1
    assert "spec.replicas: given twice: keep one of the two" in done.err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"apiVersion": "agent-operator.dev/v9", "kind": "AgentDeployment"},
            "apiVersion: must be agent-operator.dev/v1alpha1",
        ),
        (
            {"apiVersion": "agent-operator.dev/v1alpha1", "kind": "AgentDeployment"},
            "metadata: must be an object with a name",
        ),
        ({"kind": "AgentDeployment"}, "apiVersion: must be"),
        ({"apiVersion": "v1", "kind": "Pod"}, "no AgentDeployment in it, but Pod: name the file that holds one"),
        ({"hello": "world"}, "no AgentDeployment in it, but no kind"),
        (
            {"apiVersion": "agent-operator.dev/v1alpha1", "kind": "AgentDeployment", "metadata": 3, "spec": 4},
            "metadata: must be",
        ),
    ],
)
def test_what_is_no_agent_is_told(agentctl: Agentctl, file: File, body: dict[str, Any], said: str) -> None:
    done = agentctl("validate", "-f", file(body))

    assert done.status == 1
    assert said in done.err


def test_a_missing_key_of_a_config_map_or_secret_is_told(agentctl: Agentctl, file: File, agent: Agent) -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prompts"}, "data": {"other": "x"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"A": "canary-5f"}}
    path = file(agent(systemPrompt=PROMPT_REF, credentials={"secretRef": {"name": "keys", "keys": ["A", "B"]}}))

    done = agentctl("validate", "-f", path, "-f", file(config_map, secret, name="refs.yaml"))

    assert done.status == 1
    assert (
        "configMapKeyRef.key: ConfigMap prompts has no key p: add it there or correct the key here (it has other)"
        in done.err
    )
    assert "secretRef.keys[1]: Secret keys has no key B" in done.err
    assert "canary" not in done.err


def test_a_reference_out_of_the_input_is_a_warning(agentctl: Agentctl, file: File, agent: Agent) -> None:
    done = agentctl("validate", "-f", file(agent(systemPrompt=PROMPT_REF)))

    assert done.status == 0
    assert done.err.startswith("warning: ")
    assert "ConfigMap prompts of namespace default is not in the input" in done.err


def test_plain_credentials_are_a_warning(agentctl: Agentctl, file: File, agent: Agent) -> None:
    done = agentctl("validate", "-f", file(agent(credentials={"values": {"OPENAI_API_KEY": "canary-5f"}})))

    assert done.status == 0
    assert "warning: " in done.err
    assert "canary" not in done.err + done.out


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_machine_output_has_every_part(
    agentctl: Agentctl, file: File, agent: Agent, form: str, load: Callable[[str], Any]
) -> None:
    path = file("# nothing\n", agent("one"), agent("two", replica=1))

    done = agentctl("validate", "-f", path, "-o", form)

    assert done.status == 1
    found = load(done.out)
    assert (found["valid"], found["agents"], found["warnings"]) == (False, 2, [])
    (error,) = found["errors"]
    assert error["message"] == 'unknown field: did you mean "replicas"?'
    assert {key: error[key] for key in ("file", "document", "agent", "field")} == {
        "file": str(path),
        "document": 2,
        "agent": "two",
        "field": "spec.replica",
    }
    assert path.read_text(encoding="utf-8").splitlines()[error["line"] - 1].strip() == "replica: 1"


def test_standard_input_is_read(agentctl: Agentctl, agent: Agent) -> None:
    done = agentctl("validate", "-f", "-", stdin=yaml.safe_dump(agent(replica=1)))

    assert done.status == 1
    assert done.err.startswith("error: -:")

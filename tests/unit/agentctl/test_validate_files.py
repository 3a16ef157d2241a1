"""Which files `agentctl validate` reads, and which it skips when pre-commit passes whatever has changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Agentctl = Callable[..., Any]
File = Callable[..., Path]
Agent = Callable[..., dict[str, Any]]

PROMPT_REF = {"configMapKeyRef": {"name": "prompts", "key": "p"}}


def test_files_without_a_flag_are_files_too(agentctl: Agentctl, file: File, agent: Agent) -> None:
    """As pre-commit passes them."""
    one, two = file(agent("one"), name="one.yaml"), file(agent("two"), name="two.yaml")

    done = agentctl("validate", one, two, "-f", file(agent("three")))

    assert (done.status, done.out, done.err) == (0, "3 AgentDeployments: valid\n", "")


def test_no_input_is_wrong_usage(agentctl: Agentctl) -> None:
    done = agentctl("validate")

    assert (done.status, done.out) == (2, "")
    assert done.err == "error: no input: name files, directories or - (standard input)\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just text\n",
        "- hosts: all\n",
        "apiVersion: v1\nkind: Pod\n",
        "replicas: {{ .Values.replicas }}\n{{- end }}\n",
        "x: [" + "1, " * 200_001 + "]\n",
    ],
)
def test_other_files_are_skipped_on_request(agentctl: Agentctl, file: File, agent: Agent, text: str) -> None:
    other, one = file(text, name="other.yaml"), file(agent())

    alone = agentctl("validate", "--ignore-other-files", other)
    together = agentctl("validate", "--ignore-other-files", other, one)

    assert (alone.status, alone.out, alone.err) == (0, "0 AgentDeployments: valid\n", "")
    assert (together.status, together.out, together.err) == (0, "1 AgentDeployment: valid\n", "")
    assert agentctl("validate", other).status == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apiVersion: agent-operator.dev/v1alpha1\nkind: [\n", ":3: not YAML"),
        ("apiVersion: agent-operator.dev/v1alpha1\nkind: AgentDeployment\n", "metadata: must be an object with a name"),
    ],
)
def test_a_broken_agent_is_no_other_file(agentctl: Agentctl, file: File, text: str, expected: str) -> None:
    done = agentctl("validate", "--ignore-other-files", file(text))

    assert done.status == 1
    assert expected in done.err


def test_other_files_still_serve_references(agentctl: Agentctl, file: File, agent: Agent) -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prompts"}, "data": {"other": "x"}}

    done = agentctl(
        "validate",
        "--ignore-other-files",
        file(config_map, name="prompts.yaml"),
        file(agent(systemPrompt=PROMPT_REF)),
    )

    assert done.status == 1
    assert "ConfigMap prompts has no key p" in done.err

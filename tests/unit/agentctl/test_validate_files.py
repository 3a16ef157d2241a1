"""The files that `agentctl validate` reads, and the files that it ignores for pre-commit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Agentctl = Callable[..., Any]
WriteFile = Callable[..., Path]
MakeAgent = Callable[..., dict[str, Any]]

PROMPT_REF = {"configMapKeyRef": {"name": "prompts", "key": "p"}}


def test_arguments_without_a_flag_are_files(agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent) -> None:
    """pre-commit passes files like this."""
    one = write_file(make_agent("one"), name="one.yaml")
    two = write_file(make_agent("two"), name="two.yaml")

    result = agentctl("validate", one, two, "-f", write_file(make_agent("three")))

    assert (result.status, result.out, result.err) == (0, "3 AgentDeployments: valid\n", "")


def test_no_input_is_a_usage_error(agentctl: Agentctl) -> None:
    result = agentctl("validate")

    assert (result.status, result.out) == (2, "")
    assert result.err == "error: no input: specify files, directories or - (standard input)\n"


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
def test_other_files_are_ignored_on_request(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent, text: str
) -> None:
    other, one = write_file(text, name="other.yaml"), write_file(make_agent())

    alone = agentctl("validate", "--ignore-other-files", other)
    together = agentctl("validate", "--ignore-other-files", other, one)

    assert (alone.status, alone.out, alone.err) == (0, "0 AgentDeployments: valid\n", "")
    assert (together.status, together.out, together.err) == (0, "1 AgentDeployment: valid\n", "")
    assert agentctl("validate", other).status == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apiVersion: agent-operator.dev/v1alpha1\nkind: [\n", ":3: invalid YAML"),
        ("apiVersion: agent-operator.dev/v1alpha1\nkind: AgentDeployment\n", "metadata: must be an object with a name"),
    ],
)
def test_an_invalid_agent_is_not_ignored(agentctl: Agentctl, write_file: WriteFile, text: str, expected: str) -> None:
    result = agentctl("validate", "--ignore-other-files", write_file(text))

    assert result.status == 1
    assert expected in result.err


def test_references_to_other_files_are_resolved(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prompts"}, "data": {"other": "x"}}

    result = agentctl(
        "validate",
        "--ignore-other-files",
        write_file(config_map, name="prompts.yaml"),
        write_file(make_agent(systemPrompt=PROMPT_REF)),
    )

    assert result.status == 1
    assert "ConfigMap prompts has no key p" in result.err

"""Checks of a canary come from the AgentDeployment or a ConfigMap. A text that would harm the operator is rejected."""

from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs import checks
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.inputs.checks_text import ChecksError

GREETS = {"name": "greets", "prompt": "Hello", "contains": ["hello"]}
FROM_CONFIG_MAP = {"checksFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}


def inputs(canary: dict[str, Any] | None, text: str | None = None, strategy: str = "Canary") -> Inputs:
    rollout = {"strategy": strategy} | ({} if canary is None else {"canary": canary})
    spec = {"config": {"models": [{"name": "echo", "provider": "echo"}]}, "rollout": rollout}
    body = {"metadata": {"name": "web", "namespace": "team"}, "spec": spec}
    return Inputs(AgentDeployment.model_validate(body), checks_text=text)


def test_checks_are_read_from_the_agent_deployment() -> None:
    found = checks.of(inputs({"checks": [GREETS]}))
    assert found
    assert [check.name for check in found.checks] == ["greets"]


@pytest.mark.parametrize(
    "text",
    [
        '{"checks": [{"name": "greets", "prompt": "Hello", "notContains": ["no"]}]}',
        "checks:\n- name: greets\n  prompt: |\n    Hello\n  notContains: ['no']\n",
    ],
)
def test_checks_in_a_config_map_are_json_or_yaml(text: str) -> None:
    found = checks.of(inputs(FROM_CONFIG_MAP, text))
    assert found
    assert found.checks[0].not_contains == ("no",)


@pytest.mark.parametrize(
    "given",
    [inputs(None), inputs({}), inputs(FROM_CONFIG_MAP), inputs(FROM_CONFIG_MAP, '{"checks": []}', "RollingUpdate")],
)
def test_checks_are_optional(given: Inputs) -> None:
    """None without checks in the spec, without the ConfigMap, or without a canary."""
    assert checks.of(given) is None


def test_reference_is_returned_only_if_the_config_map_is_used() -> None:
    reference = checks.reference(inputs(FROM_CONFIG_MAP))
    assert reference
    assert (reference.name, reference.key) == ("c", "k")
    assert checks.reference(inputs({"checks": [GREETS]})) is None
    assert checks.reference(inputs(FROM_CONFIG_MAP, strategy="RollingUpdate")) is None


INVALID = [
    ("an empty text", "", "must be a mapping"),
    ("a list", "- name: a", "must be a mapping"),
    ("checks that are no list", "checks: 5", "checks: Input should be"),
    ("an empty list", "checks: []", "checks: Tuple should have at least 1 item"),
    ("an unknown field", "checks: []\nmore: 1", "more: Extra inputs"),
    ("a check without a prompt", "checks: [{name: a, contains: [x]}]", "checks[0].prompt: Field required"),
    ("a check that expects nothing", "checks: [{name: a, prompt: x}]", "checks[0]: nothing is expected"),
    ("a duplicate name", f"checks: [{GREETS}, {GREETS}]", "checks: every name must be unique: rename the duplicates"),
    (
        "an invalid regular expression",
        "checks: [{name: a, prompt: x, regex: '('}]",
        "checks[0].regex: not a regular expression",
    ),
    ("neither YAML nor JSON", "checks: [", "neither YAML nor JSON: did not find expected node content, line 2"),
    ("a control character", "checks: \x00", "neither YAML nor JSON"),
    ("an impossible date", "checks: 2020-99-99", "neither YAML nor JSON: a value cannot be parsed"),
    ("a Python object", "checks: !!python/object:os.system {}", "neither YAML nor JSON"),
    ("a recursive alias", "checks: &a [*a]", "aliases (*name) are not supported"),
    ("deep nesting", "checks: " + "[" * 70 + "]" * 70, "nested deeper than 64 levels"),
    ("nesting that would crash the parser", "[" * 120_000 + "]" * 120_000, "nested deeper than 64 levels"),
    ("too long", "#" * 262_145, "longer than 262144 bytes"),
]


@pytest.mark.parametrize(("text", "message"), [case[1:] for case in INVALID], ids=[case[0] for case in INVALID])
def test_invalid_text_is_rejected(text: str, message: str) -> None:
    with pytest.raises(ChecksError) as caught:
        checks.parse(text)
    assert message in str(caught.value)


def test_billion_laughs_are_rejected() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    with pytest.raises(ChecksError, match="aliases"):
        checks.parse("\n".join(lines))

"""Checks are read from the AgentDeployment or from a text, and a text that would hurt is refused."""

from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs import checks
from agent_operator.inputs.agent_inputs import Inputs

GREETS = {"name": "greets", "prompt": "Hello", "contains": ["hello"]}
KEPT = {"checksFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}


def inputs(canary: dict[str, Any] | None, text: str | None = None, strategy: str = "Canary") -> Inputs:
    rollout = {"strategy": strategy} | ({} if canary is None else {"canary": canary})
    spec = {"config": {"models": [{"name": "echo", "provider": "echo"}]}, "rollout": rollout}
    body = {"metadata": {"name": "web", "namespace": "team"}, "spec": spec}
    return Inputs(AgentDeployment.model_validate(body), checks_text=text)


def test_checks_of_the_agent_itself() -> None:
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
def test_checks_of_a_text_are_json_or_yaml(text: str) -> None:
    found = checks.of(inputs(KEPT, text))
    assert found
    assert found.checks[0].not_contains == ("no",)


@pytest.mark.parametrize(
    "given", [inputs(None), inputs({}), inputs(KEPT), inputs(KEPT, '{"checks": []}', "RollingUpdate")]
)
def test_there_may_be_none(given: Inputs) -> None:
    """None asked for, none there yet, or no canary that could be asked."""
    assert checks.of(given) is None


def test_only_a_text_that_is_used_is_referred_to() -> None:
    reference = checks.reference(inputs(KEPT))
    assert reference
    assert (reference.name, reference.key) == ("c", "k")
    assert checks.reference(inputs({"checks": [GREETS]})) is None
    assert checks.reference(inputs(KEPT, strategy="RollingUpdate")) is None


REFUSED = [
    ("nothing", "", "must be a mapping"),
    ("a list", "- name: a", "must be a mapping"),
    ("no list of checks", "checks: 5", "checks: Input should be"),
    ("no check", "checks: []", "checks: Tuple should have at least 1 item"),
    ("more than a list", "checks: []\nmore: 1", "more: Extra inputs"),
    ("a check without a prompt", "checks: [{name: a, contains: [x]}]", "checks[0].prompt: Field required"),
    ("a check that expects nothing", "checks: [{name: a, prompt: x}]", "checks[0]: nothing is expected"),
    ("a name twice", f"checks: [{GREETS}, {GREETS}]", "checks: every name must be unique"),
    ("a wrong expression", "checks: [{name: a, prompt: x, regex: '('}]", "checks[0].regex: not a regular expression"),
    ("neither YAML nor JSON", "checks: [", "neither YAML nor JSON: did not find expected node content, line 2"),
    ("a control character", "checks: \x00", "neither YAML nor JSON"),
    ("a date that is none", "checks: 2020-99-99", "neither YAML nor JSON: a value cannot be read"),
    ("an object of Python", "checks: !!python/object:os.system {}", "neither YAML nor JSON"),
    ("what refers to itself", "checks: &a [*a]", "aliases (*name) are not read"),
    ("deeper than any schema", "checks: " + "[" * 70 + "]" * 70, "64 deep are the most"),
    ("deep enough to end the process", "[" * 120_000 + "]" * 120_000, "64 deep are the most"),
    ("too long", "#" * 262_145, "longer than 262144 bytes"),
]


@pytest.mark.parametrize(("_case", "text", "told"), REFUSED, ids=[case for case, *_ in REFUSED])
def test_text_is_refused(_case: str, text: str, told: str) -> None:
    with pytest.raises(checks.ChecksError) as caught:
        checks.parse(text)
    assert told in str(caught.value)


def test_a_text_that_grows_when_it_is_read_is_refused() -> None:
    """A billion laughs."""
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    with pytest.raises(checks.ChecksError, match="aliases"):
        checks.parse("\n".join(lines))

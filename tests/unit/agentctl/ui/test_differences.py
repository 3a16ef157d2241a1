"""What differs between two revisions is named in the user's words."""

from dataclasses import replace
from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, Platform, Revision, render
from agentctl.ui import differences


def revision(agent: Any, version: str = "1.0.0", **spec: Any) -> Revision:
    body = agent(**spec)
    body["metadata"] |= {"namespace": "team", "uid": "1"}
    inputs = Inputs(AgentDeployment.model_validate(body), platform=Platform(runtime_version=version))
    return render(inputs).revision


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ({}, ()),
        ({"replicas": 7, "service": {"port": 81}}, ()),
        ({"systemPrompt": {"text": "Be brief."}}, ("prompt",)),
        ({"config": {"models": [{"name": "other", "provider": "echo"}]}}, ("config",)),
        ({"runtime": {"version": "1.0.1"}}, ("image",)),
        ({"env": [{"name": "A", "value": "b"}]}, ("env",)),
        ({"resources": {"limits": {"memory": "3Gi"}}}, ("resources",)),
        ({"podTemplate": {"metadata": {"labels": {"team": "sales"}}}}, ("pods",)),
        ({"podTemplate": {"spec": {"priorityClassName": "high"}}, "systemPrompt": {"text": "x"}}, ("prompt", "pods")),
    ],
)
def test_each_change_has_its_word(agent: Any, spec: dict[str, Any], parts: tuple[str, ...]) -> None:
    before, after = revision(agent), revision(agent, **spec)

    assert differences.changes(before, after) == parts
    assert bool(list(differences.lines(before, after))) is bool(parts)


def test_a_diff_shows_what_was_changed_and_not_what_follows_from_it(agent: Any) -> None:
    before = revision(agent, systemPrompt={"text": "Be kind.\nBe brief."})
    after = revision(agent, systemPrompt={"text": "Be kind.\nBe long."})

    assert list(differences.lines(before, after)) == [
        f"--- {before.name}/system_prompt.txt",
        f"+++ {after.name}/system_prompt.txt",
        "@@ -1,2 +1,2 @@",
        " Be kind.",
        "-Be brief.",
        "+Be long.",
    ]


def test_another_image_is_one_line_of_the_template(agent: Any) -> None:
    diff = [line for line in differences.lines(revision(agent), revision(agent, "2.0.0")) if line[0] in "+-"]

    assert [line.strip("+- ") for line in diff[2:]] == [
        "image: agent-operator/agent-runtime:1.0.0",
        "image: agent-operator/agent-runtime:2.0.0",
    ]


def test_what_a_terminal_would_obey_is_not_shown(agent: Any) -> None:
    """Whoever writes a prompt must not write on the screen of who reads it."""
    plain = revision(agent)
    config = {**plain.config, "system_prompt.txt": "Be \x1b[2Jkind.\r\n\x07"}

    text = differences.coloured(differences.lines(plain, replace(plain, name="x", config=config))).plain

    assert "kind." in text
    assert not {"\x1b", "\x07", "\r"} & set(text)


def test_lines_are_coloured_by_what_they_say(agent: Any) -> None:
    before, after = revision(agent), revision(agent, systemPrompt={"text": "Be brief."})

    text = differences.coloured(differences.lines(before, after))

    styles = {text.plain[span.start : span.end].rstrip("\n"): str(span.style) for span in text.spans}
    assert styles["+Be brief."] == "green"
    assert styles[f"--- {before.name}/system_prompt.txt"] == "bold"
    assert next(style for line, style in styles.items() if line.startswith("@@")) == "cyan"

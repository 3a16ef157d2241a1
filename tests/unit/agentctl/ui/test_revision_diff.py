"""The parts in which two revisions differ, and the diff between them."""

from dataclasses import replace
from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, Platform, Revision, render
from agentctl.ui import revision_diff


def make_revision(make_agent: Any, version: str = "1.0.0", **spec: Any) -> Revision:
    body = make_agent(**spec)
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
def test_a_change_is_reported_in_its_part_only(make_agent: Any, spec: dict[str, Any], parts: tuple[str, ...]) -> None:
    before, after = make_revision(make_agent), make_revision(make_agent, **spec)

    assert revision_diff.changed_parts(before, after) == parts
    assert bool(list(revision_diff.diff_lines(before, after))) is bool(parts)


def test_a_diff_leaves_out_the_names_that_change_with_the_content(make_agent: Any) -> None:
    before = make_revision(make_agent, systemPrompt={"text": "Be kind.\nBe brief."})
    after = make_revision(make_agent, systemPrompt={"text": "Be kind.\nBe long."})

    assert list(revision_diff.diff_lines(before, after)) == [
        f"--- {before.name}/system_prompt.txt",
        f"+++ {after.name}/system_prompt.txt",
        "@@ -1,2 +1,2 @@",
        " Be kind.",
        "-Be brief.",
        "+Be long.",
    ]


def test_another_image_changes_one_line_of_the_template(make_agent: Any) -> None:
    before, after = make_revision(make_agent), make_revision(make_agent, "2.0.0")

    diff = [line for line in revision_diff.diff_lines(before, after) if line[0] in "+-"]

    assert [line.strip("+- ") for line in diff[2:]] == [
        "image: agent-operator/agent-runtime:1.0.0",
        "image: agent-operator/agent-runtime:2.0.0",
    ]


def test_control_characters_are_replaced(make_agent: Any) -> None:
    """The author of a prompt must not control the terminal of its reader."""
    plain = make_revision(make_agent)
    config = {**plain.config, "system_prompt.txt": "Be \x1b[2Jkind.\r\n\x07"}

    lines = revision_diff.diff_lines(plain, replace(plain, name="x", config=config))
    text = revision_diff.coloured(lines).plain

    assert "kind." in text
    assert not {"\x1b", "\x07", "\r"} & set(text)


def test_added_lines_and_headers_are_coloured(make_agent: Any) -> None:
    before, after = make_revision(make_agent), make_revision(make_agent, systemPrompt={"text": "Be brief."})

    text = revision_diff.coloured(revision_diff.diff_lines(before, after))

    styles = {text.plain[span.start : span.end].rstrip("\n"): str(span.style) for span in text.spans}
    assert styles["+Be brief."] == "green"
    assert styles[f"--- {before.name}/system_prompt.txt"] == "bold"
    assert next(style for line, style in styles.items() if line.startswith("@@")) == "cyan"

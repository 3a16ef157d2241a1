"""Prompts are templates over their variables. A template that is wrong is reported with its line and a remedy."""

import pytest

from agent_operator.inputs.prompt import MAX_FILTERED_CHARS, MAX_TOKENS, PromptError, render
from agent_runtime.config import MAX_PROMPT_BYTES

VARIABLES = {"team": "billing", "long": "x" * 1000}


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("You help.", "You help."),
        ('JSON {"a": {"b": 1}} and 100 % #1', 'JSON {"a": {"b": 1}} and 100 % #1'),
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("a\r\n{{ team }}\n", "a\nbilling\n"),
        ("{{ team | upper }} {{ team|title }} {{ none_such|default('-') }}", "BILLING Billing -"),
        ("{{ team|capitalize }} {{ 'A '|trim|lower }} {{ none_such|d(team) }}", "Billing a billing"),
        ("{% if team == 'billing' %}yes{% else %}no{% endif %}", "yes"),
        ("{% if team != 'billing' or not team %}a{% elif team|upper == 'BILLING' %}b{% endif %}", "b"),
        ("{% if x is defined and team %}a{% elif x is undefined %}b{% endif %}", "b"),
        ("{% if not (x is defined) %}a{% endif %}", "a"),
        ("{%- if team -%} a {%- endif %} b", "a b"),
        ("{% raw %}{{ not.a.template }}{% endraw %}{# a comment #}", "{{ not.a.template }}"),
        ("{{ '{{' }}", "{{"),
        ("<b>&'\"{{ team }}", "<b>&'\"billing"),
    ],
)
def test_prompt_is_rendered(template: str, prompt: str) -> None:
    assert render(template, VARIABLES) == prompt


@pytest.mark.parametrize(
    ("template", "line", "part"),
    [
        ("a\nb {{ nobody }}", 2, "'nobody' is undefined: add it to spec.systemPrompt.variables"),
        ("{% if nobody %}{% endif %}", 1, "'nobody' is undefined"),
        ("a\n\n{% if x %}", 3, "Unexpected end of template"),
        ("{{ }", 1, "unexpected '}'"),
        ("\n{{ team | shout }}", 2, "the filter shout is not supported"),
        ("{{ team|replace('b', long) }}", 1, "the filter replace is not supported"),
        ("{{ team is sorted }}", 1, "the test sorted is not supported"),
        ("a\n{{ team < 1 }}", 2, "the comparison < is not supported"),
        ("{% if team not in long %}{% endif %}", 1, "the comparison not in is not supported"),
        ("\n{% for a in team %}{% endfor %}", 2, "for is not supported"),
        ("{% set a = team %}", 1, "set is not supported"),
        ("{% macro m() %}{% endmacro %}", 1, "macro is not supported"),
        ("{% filter upper %}{% endfilter %}", 1, "filter is not supported"),
        ("{{ 'x' if team else 'y' }}", 1, "an inline if is not supported"),
        ("\n{{ team * 1000 }}", 2, "* is not supported"),
        ("{{ 10 ** 10 ** 10 }}", 1, "** is not supported"),
        ("{{ team ~ team }}", 1, "~ is not supported"),
        ("{{ '%9999999999s' % team }}", 1, "% is not supported"),
        ("{{ team.format }}", 1, ".format is not supported"),
        ("{{ team.__class__.__mro__ }}", 1, ".__mro__ is not supported"),
        ("{{ team['upper'] }}", 1, "[] is not supported"),
        ("{{ [team, team] }}", 1, "list is not supported"),
        ("{{ range(9) }}", 1, "a function call is not supported"),
        ("{{ self._TemplateReference__context }}", 1, "is not supported"),
        ("{% include '/etc/passwd' %}", 1, "include is not supported"),
        ("{% import 'os' as os %}", 1, "import is not supported"),
        ("{% extends 'x' %}", 1, "extends is not supported"),
        ("{{ loop.index }}", 1, ".index is not supported"),
        ("{{ huge|title }}", 1, f"the filter title takes at most {MAX_FILTERED_CHARS} characters"),
    ],
)
def test_invalid_template_is_rejected_with_line_and_remedy(template: str, line: int, part: str) -> None:
    with pytest.raises(PromptError) as caught:
        render(template, VARIABLES | {"huge": "x" * (MAX_FILTERED_CHARS + 1)})
    message = str(caught.value)
    assert message.startswith(f"line {line}: ")
    assert part in message
    assert "add it to" in message or "a prompt supports {{ variable }}, {% if %}" in message
    assert not caught.value.too_large


@pytest.mark.parametrize(
    ("template", "part"),
    [
        ("{{ team }}" * MAX_TOKENS, f"more than {MAX_TOKENS} tokens"),
        ("{{ [" + "1," * MAX_TOKENS + "] }}", f"more than {MAX_TOKENS} tokens"),
        ("{{ " + "(" * 1900 + "1" + ")" * 1900 + " }}", "nested too deeply"),
        ("{{ " + "not " * 1900 + "1 }}", "nested too deeply"),
        ("{{ " + "9" * 5000 + " }}", "digits"),
        ("{{ '\\ud800' }}", "surrogates not allowed"),
    ],
    ids=["tags", "tokens", "parentheses", "operators", "number", "surrogate"],
)
def test_template_cannot_exhaust_the_operator(template: str, part: str) -> None:
    with pytest.raises(PromptError, match=part):
        render(template, VARIABLES)


@pytest.mark.parametrize("template", ["x" * (MAX_PROMPT_BYTES + 1), "{{ long }}" * 500])
def test_rendered_prompt_fits_a_config_map(template: str) -> None:
    with pytest.raises(PromptError) as caught:
        render(template, {"long": "x" * 2000})
    assert caught.value.too_large


def test_largest_prompt_is_rendered() -> None:
    assert len(render("x" * MAX_PROMPT_BYTES, {})) == MAX_PROMPT_BYTES

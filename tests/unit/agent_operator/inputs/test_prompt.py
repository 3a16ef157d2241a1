"""Prompts are rendered from templates. Invalid and dangerous templates are rejected with the line."""

import pytest

from agent_operator.inputs.prompt import MAX_TOKENS, PromptError, render
from agent_runtime.config import MAX_PROMPT_BYTES

VARIABLES = {"team": "billing", "long": "x" * 1000}
HUGE = {"huge": "x" * 500_000}


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("You help.", "You help."),
        ('JSON {"a": {"b": 1}} and 100 % #1', 'JSON {"a": {"b": 1}} and 100 % #1'),
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("a\r\n{{ team }}\n", "a\nbilling\n"),
        ("{{ team | upper }} {{ team|title }} {{ none_such|default('-') }}", "BILLING Billing -"),
        ("{% if team == 'billing' %}yes{% else %}no{% endif %}", "yes"),
        ("{% if team in ['a', 'b'] and not team is undefined %}yes{% elif 1 < 2 %}no{% endif %}", "no"),
        ("{{ 'x' if nobody is defined else 'y' }}", "y"),
        (
            "{% for c in team %}{{ loop.index }}{{ c }}{% if not loop.last %},{% endif %}{% endfor %}",
            "1b,2i,3l,4l,5i,6n,7g",
        ),
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
        ("{% for a in nobody %}{% endfor %}", 1, "'nobody' is undefined"),
        ("a\n\n{% if x %}", 3, "Unexpected end of template"),
        ("{{ }", 1, "unexpected '}'"),
        ("\n{{ team | shout }}", 2, "No filter named 'shout'"),
        ("{{ team is sorted }}", 1, "No test named 'sorted'"),
        ("a\n{{ team < 1 }}", 2, "not supported between"),
        ("{% set a = team %}", 1, "set cannot be used here"),
        ("{% macro m() %}{% endmacro %}", 1, "macro cannot be used here"),
        ("\n{{ team * 1000 }}", 2, "* cannot be used here"),
        ("{{ 10 ** 10 ** 10 }}", 1, "** cannot be used here"),
        ("{{ team ~ team }}", 1, "~ cannot be used here"),
        ("{{ '%9999999999s' % team }}", 1, "% cannot be used here"),
        ("{{ team.format }}", 1, ".format cannot be used here"),
        ("{{ team.__class__.__mro__ }}", 1, "cannot be used here"),
        ("{{ loop.cycle }}", 1, ".cycle cannot be used here"),
        ("{{ team['upper'] }}", 1, "getitem cannot be used here"),
        ("{{ range(9) }}", 1, "call cannot be used here"),
        ("{{ self._TemplateReference__context }}", 1, "cannot be used here"),
        ("{% include '/etc/passwd' %}", 1, "include cannot be used here"),
        ("{% import 'os' as os %}", 1, "import cannot be used here"),
        ("{% extends 'x' %}", 1, "extends cannot be used here"),
        ("{% for a in [[team, team]] %}{% endfor %}", 1, "list cannot be used here"),
        ("{{ loop.index }}", 1, "'loop' is undefined"),
    ],
)
def test_invalid_template_is_rejected_with_line_and_remedy(template: str, line: int, part: str) -> None:
    with pytest.raises(PromptError) as caught:
        render(template, VARIABLES)
    assert str(caught.value).startswith(f"line {line}: ")
    assert part in str(caught.value)
    assert not caught.value.too_large


@pytest.mark.parametrize(
    ("template", "part"),
    [
        ("{% for a in long %}" * 4 + "{% endfor %}" * 4, "too many steps"),
        ("{% for a in long %}" + "{% if 'a' in huge %}{% endif %}" * 900 + "{% endfor %}", "too many steps"),
        ("{{ [" + "1," * MAX_TOKENS + "] }}", f"more than {MAX_TOKENS} tokens"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deeply"),
        ("{{ " + "not " * 5000 + "1 }}", "nested too deeply"),
        ("{{ " + "9" * 5000 + " }}", "digits"),
        ("{{ '\\ud800' }}", "surrogates not allowed"),
    ],
    ids=["loops", "work", "tokens", "parentheses", "operators", "number", "surrogate"],
)
def test_template_cannot_exhaust_the_operator(template: str, part: str) -> None:
    with pytest.raises(PromptError, match=part):
        render(template, VARIABLES | HUGE)


def test_variable_cannot_be_named_loop() -> None:
    with pytest.raises(PromptError, match="rename it"):
        render("{{ loop }}", {"loop": "x"})


@pytest.mark.parametrize("template", ["x" * (MAX_PROMPT_BYTES + 1), "{% for a in long %}{{ long }}{% endfor %}"])
def test_rendered_prompt_fits_a_config_map(template: str) -> None:
    with pytest.raises(PromptError) as caught:
        render(template, VARIABLES)
    assert caught.value.too_large


def test_largest_prompt_is_rendered() -> None:
    assert len(render("x" * MAX_PROMPT_BYTES, {})) == MAX_PROMPT_BYTES


def test_renders_do_not_share_their_budget() -> None:
    for _ in range(3):
        assert render("{% for a in long %}{% for b in 'abcdefghi' %}{% endfor %}{% endfor %}", VARIABLES) == ""

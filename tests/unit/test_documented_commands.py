"""Commands that the docs name exist, with their options, targets and files, also where the tests do not run them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from agentctl.app import app
from tests.documents import ROOT, Command, File, masked, missing, steps
from tests.unit.test_links import pages

PAGES = [ROOT / page for page in pages() if not page.endswith("CHANGELOG.md")]
INLINE = re.compile(r"(?<!`)`((?:agentctl|kubectl agent(?:deploy)?|make|python|pytest) [^`\n]+)`(?!`)")
TARGETS = set(re.findall(r"(?m)^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
_AGENTCTL = typer.main.get_command(app)
# Why a block is not run, or `see` and the file of another test that runs it. The words are fixed, so that a page cannot
# leave out commands that would work.
REASONS = {
    "needs a cloud",
    "needs a registry",
    "needs a release",
    "needs a model",
    "needs an image builder",
    "needs kind",
    "needs a free port",
    "needs Helm",
    "needs an optional API",
    "a placeholder of the reader's system",
    "runs in a pod",
    "runs until it is interrupted",
    "takes hours",
}


def words(text: str) -> Iterator[list[str]]:
    """Yield the simple commands of a script as words."""
    without_comments = re.sub(r"(?m)(^|\s)#.*$", "", text.replace("\\\n", " "))
    lexer = shlex.shlex(without_comments, posix=True, punctuation_chars="|&;<>()\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    command: list[str] = []
    for word in [*lexer, "\n"]:
        if not set(word) <= set("|&;()\n"):
            command.append(word)
        elif command:
            yield command
            command = []


def documented(page: Path) -> Iterator[list[str]]:
    """Yield the commands in the blocks and in the sentences of a page."""
    for step in steps(page):
        if isinstance(step, Command) and "<<" not in step.text:
            yield from words(step.text)
    for code in INLINE.findall(page.read_text(encoding="utf-8")):
        yield from words(code)


def fault(command: list[str]) -> str:
    """Return what is wrong with a command of this project, or nothing."""
    while command and re.match(r"[A-Z_]+=", command[0]):
        command = command[1:]
    name = Path(command[0]).name if command else ""
    if name == "agentctl":
        return _unknown("agentctl", _AGENTCTL, command[1:])
    if command[:2] in (["kubectl", "agent"], ["kubectl", "agentdeploy"]):
        return _unknown("agentctl", _AGENTCTL, command[2:])
    if name == "make":
        named = [word for word in command[1:] if re.fullmatch(r"[a-z0-9-]+", word)]
        return "" if {*named} <= TARGETS else f"no target {' '.join(named)}"
    if name in {"python", "pytest", "kubectl", "helm"}:
        files = [
            word
            for word in command
            if word.startswith(("deploy/kustomize", "deploy/helm", "examples/", "crds/", "tests/"))
        ]
        return next((f"no file {file}" for file in files if not (ROOT / file).exists()), "")
    return ""


def _unknown(command_name: str, command: Any, arguments: list[str]) -> str:
    """Return the first argument that a command of agentctl does not know."""
    options = {name: param for param in command.params for name in (*param.opts, *param.secondary_opts)}
    rest = iter(arguments)
    for word in rest:
        name, _, value = word.partition("=")
        if name.startswith("-") and name != "-":
            if name not in {*options, *command.context_settings.get("help_option_names", ()), "--help"}:
                return f"{command_name} has no option {name}"
            if name in options and not options[name].is_flag and not value:
                next(rest, None)
        elif subcommands := getattr(command, "commands", None):
            if name not in subcommands:
                return f"{command_name} has no command {name}" if name.islower() else ""
            return _unknown(name, subcommands[name], list(rest))
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_exist(page: Path) -> None:
    assert [f"{' '.join(command)}: {found}" for command in documented(page) if (found := fault(command))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_block_that_is_not_run_has_a_reason(page: Path) -> None:
    reasons = {step.not_run for step in steps(page) if not isinstance(step, File)} - {""}

    others = {reason.removeprefix("see ") for reason in reasons if reason.startswith("see tests/")}
    assert {name for name in others if not (ROOT / name).is_file()} == set()
    assert reasons - {f"see {name}" for name in others} <= REASONS


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("agentctl validate -f agent.yaml --output json", ""),
        ("agentctl validate --file agent.yaml", "validate has no option --file"),
        ("kubectl agent bounce support", "agentctl has no command bounce"),
        ("COLUMNS=80 .venv/bin/agentctl rollout status --watch", ""),
        ("make tests", "no target tests"),
        ("PYTHON=python3.12 make test ARGS='-k x'", ""),
        ("pytest tests/e2e/test_none.py -s", "no file tests/e2e/test_none.py"),
        ("kubectl apply -k deploy/kustomize/overlays/none", "no file deploy/kustomize/overlays/none"),
        ("helm install ours deploy/helm/none", "no file deploy/helm/none"),
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str, expected: str) -> None:
    (found,) = words(command)

    assert fault(found) == expected


def test_a_page_is_read_as_a_reader_would_run_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        """\
<!-- file: a.yaml -->
```yaml
a: 1
```

<!-- setup: kubectl create
namespace x -->
1. Then:

   <!-- exit status: 1 -->
   ```console
   $ one \\
       two   # comment
   out

   $ three
   ```

<!-- not run: needs kind -->
```sh
kind create cluster
kind get clusters
```
""",
        encoding="utf-8",
    )

    assert list(steps(page)) == [
        File(2, "a.yaml", "a: 1\n"),
        Command(6, "kubectl create\nnamespace x"),
        Command(12, "one \\\n    two   # comment", ("out", "")),
        Command(16, "three", status=1),
        Command(21, "kind create cluster\nkind get clusters", not_run="needs kind"),
    ]


@pytest.mark.parametrize(
    ("expected", "output", "lost"),
    [
        (("NAME  AGE", "a-5d4c8b7f96-x2x4z  5s"), "x\nNAME   AGE\na-7c9f8b6d54-abcde  12s\n", []),
        (("b", "a"), "a\nb\n", ["a"]),
        (("a … c", "…", ""), "a b c", []),
        (("ready 2/2",), "ready 1/2", ["ready 2/2"]),
    ],
)
def test_outputs_are_compared_without_what_varies(expected: tuple[str, ...], output: str, lost: list[str]) -> None:
    assert missing(expected, output) == lost


def test_what_varies_is_masked() -> None:
    text = "hello-config-f9990fe27b pid 12 http://127.67.0.11:80/ 0.5 s 2m30s 2026-01-31T08:00:00Z"

    assert masked(text) == "hello-config-REVISION pid N http://ADDRESS/ DURATION DURATION TIME"

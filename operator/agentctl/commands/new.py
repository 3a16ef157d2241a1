"""`agentctl new`: writes an AgentDeployment from options, and asks for the rest on a terminal."""

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from agentctl.errors import CommandError, UsageError
from agentctl.formats import Format, Provider
from agentctl.objects import Object
from agentctl.offline import draft
from agentctl.offline.diagnostics import Diagnostic
from agentctl.offline.draft import Answers
from agentctl.ui import output


@dataclass(frozen=True, slots=True)
class Question:
    """A question for a field of Answers, asked if it applies to the answers so far."""

    field: str
    text: str
    default: Any = ""
    applies: Callable[[Answers], bool] = lambda _: True
    type: Any = str


QUESTIONS = (
    Question("name", "Name of the agent"),
    Question("provider", "Provider of the model", "echo", type=Provider),
    Question("deployment", "Name of the Azure OpenAI deployment", applies=lambda it: it.provider == "azure_openai"),
    Question("model", "Name of the model, such as gpt-4o", applies=lambda it: it.provider == "openai"),
    Question(
        "endpoint",
        "URL of the server (empty: that of the provider, or of the Secret)",
        applies=lambda it: it.provider != "echo",
    ),
    Question("secret", "Secret with the API key (empty: none)", applies=lambda it: it.provider != "echo"),
    Question("prompt", "System prompt (empty: none)"),
    Question("replicas", "Number of pods", 2, type=int),
    Question("host", "Host name outside of the cluster (empty: not exposed)"),
    Question("chat_page", "Serve a chat page?", default=False, type=bool),
)


def run(answers: Answers, given: frozenset[str], form: Format, path: Path | None, *, force: bool) -> None:
    """Write the AgentDeployment to a file or to standard output.

    Args:
        answers: the options.
        given: names of the options that are set, which are not asked.
        form: YAML or JSON.
        path: of the file; None for standard output.
        force: replace a file.

    Raises:
        UsageError: an option is missing or invalid.
        CommandError: the file exists or cannot be written.
    """
    if path is not None and path.exists() and not force:
        raise CommandError(f"{path} exists: choose another --output-file, or replace it with --force")
    if sys.stdin.isatty() and sys.stderr.isatty():
        obj, warnings = _asked(answers, given)
    else:
        obj, warnings = _checked(_complete(answers))
    _write(output.objects_text([obj], form), path)
    for warning in warnings:
        output.note(f"warning: {warning.field}: {warning.message}")
    _next_steps(obj, path)


def prompt_of(path: Path) -> str:
    """Return the prompt in a file.

    Raises:
        CommandError: the file cannot be read, or is no text in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CommandError(f"--prompt-file: {path}: {error}: name a file with text in UTF-8") from error


def _complete(answers: Answers) -> Answers:
    if not answers.name:
        raise UsageError("no name: specify the name of the agent, such as agentctl new support --provider echo")
    if not answers.provider:
        raise UsageError(f"no provider: add --provider with one of {', '.join(Provider)}")
    if answers.provider == Provider.AZURE_OPENAI and not answers.deployment:
        raise UsageError("--provider azure_openai requires --deployment: add the name of the Azure OpenAI deployment")
    if answers.provider == Provider.OPENAI and not answers.model:
        raise UsageError("--provider openai requires --model: add the name of the model, such as gpt-4o")
    return answers


def _checked(answers: Answers) -> tuple[Object, tuple[Diagnostic, ...]]:
    obj = draft.draft(answers)
    errors, warnings = draft.validate(obj)
    if errors:
        # A pattern comes before the message in words about the same field.
        by_field = {error.field: error for error in errors}
        raise UsageError("; ".join(map(_explained, by_field.values())))
    return obj, warnings


def _explained(error: Diagnostic) -> str:
    option = draft.option_of(error.field)
    name = "the name" if option == "name" else f"--{option.replace('_', '-')}" if option else ""
    return f"{name} ({error.field}): {error.message}" if name else f"{error.field}: {error.message}"


def _asked(answers: Answers, given: frozenset[str]) -> tuple[Object, tuple[Diagnostic, ...]]:
    """Ask the questions that the options leave open, and again those whose answers are invalid."""
    pending = {question.field for question in QUESTIONS} - given
    while True:
        for question in QUESTIONS:
            if question.field in pending and question.applies(answers):
                answers = replace(answers, **{question.field: _ask(question, answers)})
        obj = draft.draft(answers)
        errors, warnings = draft.validate(obj)
        if not errors:
            return obj, warnings
        for error in errors:
            output.note(f"error: {_explained(error)}")
        pending = {draft.option_of(error.field) for error in errors} & {question.field for question in QUESTIONS}
        if not pending:
            raise UsageError("correct the options and run the command again")


def _ask(question: Question, answers: Answers) -> Any:
    default = getattr(answers, question.field) or question.default
    show = default != ""
    # Questions go to standard error, because standard output may be a file. typer's `err` leaves a space there.
    with redirect_stdout(sys.stderr):
        if question.type is bool:
            return typer.confirm(question.text, default=default)
        answer = typer.prompt(question.text, default=default, type=question.type, show_default=show)
    return answer.strip() if isinstance(answer, str) else answer


def _write(text: str, path: Path | None) -> None:
    if path is None:
        output.write(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}: choose another --output-file") from error


def _next_steps(obj: Object, path: Path | None) -> None:
    if command := draft.secret_command(obj):
        output.note(f"create the Secret: {command}")
    if path is not None:
        output.note(f"wrote {path}: kubectl apply -f {path}")

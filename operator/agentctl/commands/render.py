"""`agentctl render`."""

from collections.abc import Sequence
from typing import Any

from agent_operator.api.problems import ProblemError
from agent_operator.render import render
from agentctl.errors import CommandError
from agentctl.offline import input_files
from agentctl.offline.checks import check
from agentctl.offline.documents import Document
from agentctl.offline.faults import Fault
from agentctl.ui import output
from agentctl.ui.output import Format


def run(paths: Sequence[str], namespace: str, form: Format) -> None:
    """Print the children of every agent of the input, in the order in which the operator applies them.

    Raises:
        CommandError: one of the agents cannot be rendered; nothing is printed then.
    """
    sources = input_files.read(paths, namespace)
    manifests = [manifest for document in sources.agents for manifest in _render(document, sources)]
    output.write(output.dump(manifests, form))


def _render(document: Document, sources: input_files.Sources) -> Sequence[dict[str, Any]]:
    checked = check(document, sources)
    for warning in checked.warnings:
        output.note(f"warning: {warning}")
    if checked.inputs is None:
        more = len(checked.errors) - 1
        rest = f" ({more} more: run agentctl validate)" if more else ""
        raise CommandError(f"{checked.errors[0]}{rest}")
    try:
        return render(checked.inputs).manifests
    except ProblemError as error:
        raise CommandError(str(Fault.of(document, error.problem.field, error.problem.message))) from error

"""`agentctl render`."""

from collections.abc import Callable, Sequence

from agent_operator.api import constants
from agent_operator.api.problems import ProblemError
from agent_operator.render import Inputs, render
from agentctl.errors import CommandError
from agentctl.formats import Format
from agentctl.objects import Object
from agentctl.offline import input_files
from agentctl.offline.checks import check
from agentctl.offline.diagnostics import Diagnostic
from agentctl.offline.documents import Document
from agentctl.ui import output


def run(paths: Sequence[str], namespace: str, form: Format) -> None:
    """Print the children of every agent of the input, in the order in which the operator applies them.

    Raises:
        CommandError: an agent cannot be rendered; nothing is printed to standard output.
    """
    found = [manifest for _, manifests in rendered(paths, namespace) for manifest in manifests]
    output.write(output.objects_text(found, form))


def rendered(
    paths: Sequence[str], namespace: str, render_agent: Callable[[Document, Inputs], Sequence[Object]] | None = None
) -> list[tuple[Document, Sequence[Object]]]:
    """Return each agent of the input with its manifests.

    Args:
        paths: of the input.
        namespace: of agents that set none.
        render_agent: renders one agent; None to render it without a cluster.

    Raises:
        CommandError: an agent cannot be rendered.
    """
    sources = input_files.read(paths, namespace)
    for document in sources.unreadable:
        raise CommandError(document.message)
    if not sources.agents:
        raise CommandError(f"{', '.join(paths)}: no {constants.KIND} found: specify a file that contains one")
    return [(document, _render(document, sources, render_agent or _offline)) for document in sources.agents]


def _offline(_: Document, inputs: Inputs) -> Sequence[Object]:
    return render(inputs).manifests


def _render(
    document: Document, sources: input_files.Sources, render_agent: Callable[[Document, Inputs], Sequence[Object]]
) -> Sequence[Object]:
    result = check(document, sources)
    for warning in result.warnings:
        output.note(f"warning: {warning}")
    if result.inputs is None:
        more = len(result.errors) - 1
        rest = f" ({more} more: run agentctl validate)" if more else ""
        raise CommandError(f"{result.errors[0]}{rest}")
    try:
        return render_agent(document, result.inputs)
    except ProblemError as error:
        raise CommandError(str(Diagnostic.of(document, error.problem.field, error.problem.message))) from error

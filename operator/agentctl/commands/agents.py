"""`agentctl list`."""

from datetime import UTC, datetime

from rich.live import Live
from rich.table import Table

from agent_operator.api import constants
from agentctl.cluster import fleet
from agentctl.cluster.fleet import Row
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import list_agents
from agentctl.cluster.watch import Event, watch
from agentctl.commands.tables import all_texts, print_line, texts
from agentctl.errors import UsageError
from agentctl.formats import Format, View
from agentctl.permissions import AGENTS
from agentctl.ui import output, rows
from agentctl.ui.console import SafeConsole, stdout_console


def run(kubectl: Kubectl, selector: str, view: View, *, everywhere: bool, follow: bool) -> None:
    """Print the agents of a namespace or of all, once or until Ctrl-C.

    Raises:
        CommandError: the API server does not respond.
        UsageError: a watch cannot print JSON or YAML.
    """
    if follow and view is not View.TEXT:
        raise UsageError("--watch prints text only: remove --output")
    arguments = [f"--selector={selector}"] if selector else []
    if everywhere:
        arguments.append("--all-namespaces")
    found = fleet.rows(list_agents(kubectl, *arguments))
    if follow:
        _follow(kubectl, arguments, found, everywhere=everywhere)
    elif view is not View.TEXT:
        output.write(output.data_text({"agents": [row.to_json() for row in found]}, Format(view)))
    elif found:
        stdout_console().print(_table(found, everywhere=everywhere))
    else:
        output.note(_none(kubectl, everywhere=everywhere))


def _none(kubectl: Kubectl, *, everywhere: bool) -> str:
    where = "" if everywhere else f" in namespace {kubectl.namespace}" if kubectl.namespace else " in this namespace"
    hint = "" if everywhere else ": list all namespaces with --all-namespaces"
    return f"no {constants.KIND}s found{where}{hint}"


def _header(*, everywhere: bool) -> tuple[str, ...]:
    return ("NAMESPACE", *fleet.HEADER) if everywhere else fleet.HEADER


def _table(found: list[Row], *, everywhere: bool) -> Table:
    now = datetime.now(UTC)
    cells = (row.cells(now, with_namespace=everywhere) for row in found)
    return rows.drawn(_header(everywhere=everywhere), all_texts(cells))


def _follow(kubectl: Kubectl, arguments: list[str], found: list[Row], *, everywhere: bool) -> None:
    console = stdout_console()
    agents = {(row.namespace, row.name): row for row in found}
    if not console.is_terminal:
        _follow_lines(console, kubectl, arguments, agents, everywhere=everywhere)
        return
    with Live(_table(found, everywhere=everywhere), console=console, auto_refresh=False) as live:
        while True:
            for event in watch(kubectl, AGENTS, *arguments):
                _apply(agents, event)
                ordered = [agents[key] for key in sorted(agents)]
                live.update(_table(ordered, everywhere=everywhere), refresh=True)


def _apply(agents: dict[tuple[str, str], Row], event: Event) -> Row | None:
    """Update the known agents, and return the row if it has changed."""
    row = fleet.row(event.object)
    key = (row.namespace, row.name)
    if event.type == "DELETED":
        agents.pop(key, None)
        return row
    changed = agents.get(key) != row
    agents[key] = row
    return row if changed else None


def _follow_lines(
    console: SafeConsole,
    kubectl: Kubectl,
    arguments: list[str],
    agents: dict[tuple[str, str], Row],
    *,
    everywhere: bool,
) -> None:
    """Print the table, and then a line for each change, until the reader of the pipe closes it."""
    header, now = _header(everywhere=everywhere), datetime.now(UTC)
    first = all_texts(row.cells(now, with_namespace=everywhere) for row in agents.values())
    columns = rows.Columns(header, first)
    is_read = all(print_line(console, columns.line(cells)) for cells in (texts(header), *first))
    while is_read:
        for event in watch(kubectl, AGENTS, *arguments):
            row = _apply(agents, event)
            cells = row and row.cells(datetime.now(UTC), with_namespace=everywhere)
            if cells and not print_line(console, columns.line(texts(cells))):
                return

"""`agentctl history` and `agentctl diff`."""

from typing import Any

from rich.table import Table
from rich.text import Text

from agentctl.cluster import history, tree
from agentctl.cluster.history import Entry, History
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.states import State
from agentctl.errors import CommandError
from agentctl.offline.input_files import dig
from agentctl.ui import differences, output
from agentctl.ui.output import Format, View

COLUMNS = ("REVISION", "NUMBER", "VERSION", "STATE", "AGE", "CHANGES")


def show(kubectl: Kubectl, name: str, revision: str, view: View) -> None:
    """Print the revisions of an agent, or what one of them is made of.

    Raises:
        CommandError: there is no such agent or revision.
    """
    found = history.read(kubectl, name)
    if revision:
        _show_one(found.entry(revision), view)
    elif view is not View.TEXT:
        meta = found.agent["metadata"]
        listed = [entry.to_json() for entry in found.entries]
        output.write(output.data({"agent": f"{meta['namespace']}/{meta['name']}", "revisions": listed}, Format(view)))
    else:
        _show_all(found)


def diff(kubectl: Kubectl, name: str, first: str, second: str) -> None:
    """Print what differs from the first revision to the second; the one that runs when no second is given.

    Raises:
        CommandError: there is no such agent or revision.
    """
    found = history.read(kubectl, name)
    before, after = found.entry(first), found.entry(second) if second else found.running
    lines = tuple(differences.lines(before.revision, after.revision))
    if lines:
        tree.console().print(differences.coloured(lines), soft_wrap=True, end="")
    else:
        output.note(f"{before.revision.name} and {after.revision.name} do not differ")


def table(*columns: str) -> Table:
    """Make a table as kubectl prints it."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def _show_all(found: History) -> None:
    if not found.entries:
        name = dig(found.agent, "metadata", "name")
        raise CommandError(f"{name} has no revisions yet: agentctl status {name} tells why")
    made = table(*COLUMNS)
    for row in history.rows(found.entries):
        made.add_row(*(Text(cell.text, cell.colour) if isinstance(cell, State) else cell for cell in row))
    tree.console().print(made)


def _show_one(entry: Entry, view: View) -> None:
    told = entry.to_json()
    if view is not View.TEXT:
        parts: dict[str, Any] = {"config": dict(entry.revision.config), "template": entry.revision.template}
        output.write(output.data(told | parts, Format(view)))
        return
    told |= {"changes": ", ".join(entry.changes) or "none"}
    heads = "".join(f"{key + ':':<16}{value or '-'}\n" for key, value in told.items())
    texts = differences.texts(entry.revision).items()
    output.write(heads + "".join(f"\n--- {part}\n{text.rstrip()}\n" for part, text in texts if text))

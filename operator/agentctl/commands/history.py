"""`agentctl history` and `agentctl diff`."""

from rich.text import Text

from agentctl.cluster import history
from agentctl.cluster.history import Entry, History
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.states import DisplayState
from agentctl.errors import CommandError
from agentctl.formats import Format, View
from agentctl.objects import Object, nested_field
from agentctl.ui import output, revision_diff
from agentctl.ui.console import stdout_console, table

COLUMNS = ("REVISION", "NUMBER", "VERSION", "STATE", "AGE", "CHANGES")


def show(kubectl: Kubectl, name: str, revision: str, view: View) -> None:
    """Print the revisions of an agent, or the content of one.

    Raises:
        CommandError: the agent or the revision does not exist.
    """
    found = history.read(kubectl, name)
    if revision:
        _show_one(found.entry(revision), view)
    elif view is not View.TEXT:
        meta = found.agent["metadata"]
        entries = [entry.to_json() for entry in found.entries]
        data = {"agent": f"{meta['namespace']}/{meta['name']}", "revisions": entries}
        output.write(output.data_text(data, Format(view)))
    else:
        _show_all(found)


def diff(kubectl: Kubectl, name: str, first: str, second: str, view: View) -> None:
    """Print the diff from the first revision to the second, or to the running revision if `second` is empty.

    Raises:
        CommandError: the agent or a revision does not exist.
    """
    found = history.read(kubectl, name)
    before, after = found.entry(first), found.entry(second) if second else found.running
    lines = tuple(revision_diff.diff_lines(before.revision, after.revision))
    if view is not View.TEXT:
        parts = list(revision_diff.changed_parts(before.revision, after.revision))
        names = {"from": before.revision.name, "to": after.revision.name}
        output.write(output.data_text(names | {"changes": parts, "diff": "\n".join(lines)}, Format(view)))
    elif lines:
        stdout_console().print(revision_diff.coloured(lines), soft_wrap=True, end="")
    else:
        output.note(f"no differences between {before.revision.name} and {after.revision.name}")


def _show_all(found: History) -> None:
    if not found.entries:
        name = nested_field(found.agent, "metadata", "name")
        raise CommandError(f"{name} has no revisions yet: run agentctl status {name} to see why")
    rows, console = table(*COLUMNS), stdout_console()
    for row in history.rows(found.entries, shorten=console.is_terminal):
        rows.add_row(*(Text(cell.text, cell.colour) if isinstance(cell, DisplayState) else cell for cell in row))
    console.print(rows)


def _show_one(entry: Entry, view: View) -> None:
    data = entry.to_json()
    if view is not View.TEXT:
        content: Object = {"config": dict(entry.revision.config), "template": entry.revision.template}
        output.write(output.data_text(data | content, Format(view)))
        return
    data |= {"changes": ", ".join(entry.changes) or "none"}
    header = "".join(f"{key + ':':<16}{value or '-'}\n" for key, value in data.items())
    texts = revision_diff.part_texts(entry.revision).items()
    output.write(header + "".join(f"\n--- {part}\n{text.rstrip()}\n" for part, text in texts if text))

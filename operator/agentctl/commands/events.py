"""`agentctl events`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from queue import Queue
from threading import Thread

from agentctl.cluster import agent_events
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import get_agent
from agentctl.cluster.watch import watch
from agentctl.commands.tables import all_texts, print_line, texts
from agentctl.errors import UsageError
from agentctl.formats import Format, View
from agentctl.objects import Object
from agentctl.ui import output, rows
from agentctl.ui.console import stdout_console

# Changes that wait until they are printed.
_QUEUED = 100


def run(kubectl: Kubectl, name: str, view: View, *, warnings: bool, follow: bool) -> None:
    """Print the Events of an agent, the latest at the end, once or until Ctrl-C.

    Raises:
        CommandError: the agent does not exist, or the API server does not respond.
        UsageError: a watch cannot print JSON or YAML.
    """
    if follow and view is not View.TEXT:
        raise UsageError("--watch prints text only: remove --output")
    agent = get_agent(kubectl, name)
    found, complete = agent_events.read(kubectl, agent)
    shown = agent_events.only_warnings(found) if warnings else found
    if not complete:
        output.note("warning: the namespace has too many Events: only a part of them was read")
    if follow:
        _follow(kubectl, agent, list(shown), warnings=warnings)
    elif view is not View.TEXT:
        output.write(output.data_text({"events": list(shown)}, Format(view)))
    elif shown:
        now = datetime.now(UTC)
        cells = all_texts(agent_events.cells(event, now) for event in shown)
        stdout_console().print(rows.drawn(agent_events.HEADER, cells))
    else:
        output.note(
            f"no {'warnings' if warnings else 'Events'} of {name} found: the API server deletes them after an hour"
        )


def _follow(kubectl: Kubectl, agent: Object, found: list[Object], *, warnings: bool) -> None:
    console, now = stdout_console(), datetime.now(UTC)
    first = all_texts(agent_events.cells(event, now) for event in found)
    columns = rows.Columns(agent_events.HEADER, first)
    for cells in (texts(agent_events.HEADER), *first):
        print_line(console, columns.line(cells))
    known = {str(event["metadata"].get("uid")): event["metadata"].get("resourceVersion") for event in found}
    for event in _changes(kubectl, agent):
        uid, version = str(event["metadata"].get("uid")), event["metadata"].get("resourceVersion")
        if known.get(uid) != version and (not warnings or event.get("type") == "Warning"):
            known[uid] = version
            if not print_line(console, columns.line(texts(agent_events.cells(event, datetime.now(UTC))))):
                return


def _changes(kubectl: Kubectl, agent: Object) -> Iterator[Object]:
    """Yield new and changed Events of the agent from its namespaces."""
    queue: Queue[Object | Exception] = Queue(_QUEUED)
    for namespace in agent_events.namespaces(agent):
        Thread(target=_watch, args=(kubectl.in_namespace(namespace), agent, queue), daemon=True).start()
    while True:
        found = queue.get()
        if isinstance(found, Exception):
            raise found
        yield found


def _watch(kubectl: Kubectl, agent: Object, queue: "Queue[Object | Exception]") -> None:
    try:
        wanted = agent_events.selection(agent)
        while True:
            for change in watch(kubectl, "events"):
                if change.type != "DELETED" and wanted.has(change.object):
                    queue.put(change.object)
    except Exception as error:  # noqa: BLE001
        # The reader waits for the queue, and no other thread would end it.
        queue.put(error)

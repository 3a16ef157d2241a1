"""`agentctl status`."""

import time
from typing import NoReturn

from rich.live import Live

from agentctl.cluster import status_tree
from agentctl.cluster.blockers import blockers
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import take_snapshot
from agentctl.formats import Format, View
from agentctl.ui import output
from agentctl.ui.console import SafeConsole, stdout_console

INTERVAL = 2.0


def run(kubectl: Kubectl, name: str, view: View, *, watch: bool) -> None:
    """Show an agent once, or refresh until Ctrl-C."""
    if view is not View.TEXT:
        snapshot = take_snapshot(kubectl, name)
        waits = {"blockedBy": [blocker.to_json() for blocker in blockers(snapshot)]}
        output.write(output.data_text(snapshot.to_json() | waits, Format(view)))
        return
    console = stdout_console()
    if not watch:
        console.print(status_tree.draw(take_snapshot(kubectl, name)))
        return
    if not console.is_terminal:
        _print_forever(console, kubectl, name)
    with Live(status_tree.draw(take_snapshot(kubectl, name)), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(INTERVAL)
            live.update(status_tree.draw(take_snapshot(kubectl, name)), refresh=True)


def _print_forever(console: SafeConsole, kubectl: Kubectl, name: str) -> NoReturn:
    while True:
        console.print(status_tree.draw(take_snapshot(kubectl, name)))
        console.print()
        time.sleep(INTERVAL)

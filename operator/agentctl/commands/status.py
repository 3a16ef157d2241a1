"""`agentctl status`."""

import time

from rich.live import Live

from agentctl.cluster import tree
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import take
from agentctl.ui import output
from agentctl.ui.output import Format, View

INTERVAL = 2.0


def run(kubectl: Kubectl, name: str, view: View, *, watch: bool) -> None:
    """Show an agent once, or until Ctrl-C."""
    if view is not View.TEXT:
        output.write(output.data(take(kubectl, name).to_json(), Format(view)))
        return
    console = tree.console()
    if not watch:
        console.print(tree.draw(take(kubectl, name)))
        return
    with Live(tree.draw(take(kubectl, name)), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(INTERVAL)
            live.update(tree.draw(take(kubectl, name)), refresh=True)

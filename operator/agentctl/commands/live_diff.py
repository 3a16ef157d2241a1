"""`agentctl diff -f`: what applying agents would change in a cluster."""

from collections.abc import Sequence

from rich.text import Text

from agent_operator.render import Inputs, render
from agentctl.cluster import live_inputs
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.live_diff import Change, compare
from agentctl.commands.render import rendered
from agentctl.formats import Format, View
from agentctl.objects import Object
from agentctl.offline.documents import Document
from agentctl.ui import output
from agentctl.ui.console import stdout_console
from agentctl.ui.revision_diff import coloured


def run(kubectl: Kubectl, paths: Sequence[str], view: View) -> None:
    """Print each object of the agents with its differences from the cluster.

    Raises:
        CommandError: an agent cannot be rendered, or the API server does not respond.
    """

    def render_agent(document: Document, inputs: Inputs) -> Sequence[Object]:
        found = live_inputs.complete(kubectl, document.body, inputs)
        return live_inputs.as_applied(found, render(found).manifests)

    agents = rendered(paths, kubectl.default_namespace(), render_agent)
    changes = [change for document, found in agents for change in compare(kubectl, document.body, found)]
    if view is not View.TEXT:
        output.write(output.data_text({"objects": [change.to_json() for change in changes]}, Format(view)))
        return
    console = stdout_console()
    for change in changes:
        console.print(_text(change), end="", soft_wrap=True)


def _text(change: Change) -> Text:
    note = f": {change.note}" if change.note else ""
    style = "bold" if change.action.is_difference else ""
    return Text(f"{change.title} {change.action}{note}\n", style).append_text(coloured(change.diff))

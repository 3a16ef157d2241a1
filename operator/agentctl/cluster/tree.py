"""A snapshot as a tree for people."""

from collections.abc import Iterable

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from agent_operator.api import constants
from agentctl.cluster import states
from agentctl.cluster.snapshot import Child, Object, Snapshot
from agentctl.cluster.states import Colour, State
from agentctl.offline.input_files import dig

# Of these, True is the bad news, or at least no good news.
NEGATIVE = {
    "Reconciling": Colour.WAITING,
    "Progressing": Colour.WAITING,
    "Warning": Colour.WAITING,
    "Stalled": Colour.BAD,
}
# Where there is no terminal there is no width to fold at; 80 would cut names.
WIDTH = 160


def console() -> Console:
    """Standard output; rich asks for the terminal and NO_COLOR by itself."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDTH)


def draw(snapshot: Snapshot) -> Group:
    """Return the tree of children, then the conditions."""
    agent = snapshot.agent
    root = Tree(_headline(agent), guide_style="dim")
    for child in snapshot.children:
        branch = root.add(_line(child.kind, child.name, state(child)))
        if child.kind == "Deployment":
            for pod in snapshot.pods:
                branch.add(_line("Pod", pod["metadata"]["name"], states.of_pod(pod)))
    parts: list[Tree | Text | Table] = [root]
    parts += [Text(), _conditions(dig(agent, "status", "conditions") or ())]
    parts += list(_failure(dig(agent, "status", "lastFailure")))
    return Group(*parts)


def _headline(agent: Object) -> Text:
    status = dig(agent, "status") or {}
    metadata = agent["metadata"]
    text = Text.assemble((f"{constants.KIND} {metadata['namespace']}/{metadata['name']}", "bold"))
    if status.get("observedGeneration") != metadata.get("generation"):
        text.append("  not yet seen by the operator", Colour.WAITING)
    for label, key in (("ready", "ready"), ("model", "model"), ("version", "runtimeVersion"), ("", "url")):
        if status.get(key):
            text.append(f"  {label} {status[key]}" if label else f"  {status[key]}")
    return text


def _line(kind: str, name: str, state: State) -> Text:
    return Text.assemble((f"{kind} ", "dim"), f"{name}  ", (state.text, state.colour))


def state(child: Child) -> State:
    """Return the state of a child, be it there or not."""
    if child.live is not None:
        return states.of(child.live)
    if child.kind == "Secret":
        return State("not ready", Colour.BAD) if child.ready is False else State("present")
    return State("missing", Colour.BAD) if child.served else State("not installed in this cluster", Colour.WAITING)


def _conditions(conditions: Iterable[Object]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for condition in conditions:
        status = Text(condition["status"], _colour(condition))
        table.add_row(condition["type"], status, condition["reason"], Text(condition["message"]))
    return table


def _colour(condition: Object) -> Colour:
    negative = NEGATIVE.get(condition["type"])
    if negative is not None:
        return negative if condition["status"] == "True" else Colour.PLAIN
    return {"True": Colour.GOOD, "False": Colour.BAD}.get(condition["status"], Colour.WAITING)


def _failure(failure: Object | None) -> Iterable[Text]:
    if not failure:
        return
    code = f", exit code {failure['exitCode']}" if "exitCode" in failure else ""
    said = f": {failure['message']}" if failure.get("message") else ""
    yield Text()
    yield Text(f"Last failure: pod {failure['pod']}: {failure['reason']}{code}{said}", Colour.BAD)

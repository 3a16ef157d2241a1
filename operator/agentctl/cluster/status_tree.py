"""A snapshot as a tree of objects, followed by the conditions."""

from collections.abc import Iterable, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from agent_operator.api import constants
from agent_operator.kube.pod_failures import describe
from agentctl.cluster import states
from agentctl.cluster.blockers import blockers
from agentctl.cluster.snapshot import Child, Snapshot
from agentctl.cluster.states import Colour, DisplayState
from agentctl.objects import Object, nested_field
from agentctl.ui.console import table

_MAX_BLOCKERS = 10
# The colour of conditions for which True is not the desired status.
NEGATIVE = {
    "Reconciling": Colour.WAITING,
    "Progressing": Colour.WAITING,
    "Warning": Colour.WAITING,
    "Stalled": Colour.BAD,
}


def draw(snapshot: Snapshot) -> Group:
    """Return the tree of children, the conditions and the last failure."""
    agent = snapshot.agent
    root = Tree(_headline(agent), guide_style="dim")
    for child in snapshot.children:
        branch = root.add(_line(child.kind, child.name, child_state(child)))
        if child.kind == "Deployment":
            for pod in snapshot.pods:
                branch.add(_line("Pod", pod["metadata"]["name"], states.pod_state(pod)))
    parts: list[Tree | Text | Table] = [root, *_blockers(snapshot), Text()]
    warnings = nested_field(agent, "status", "warnings") or ()
    parts.append(conditions_table(nested_field(agent, "status", "conditions") or (), warnings=len(warnings)))
    parts += _warnings(warnings)
    parts += _last_failure(nested_field(agent, "status", "lastFailure"))
    return Group(*parts)


def _blockers(snapshot: Snapshot) -> Iterable[Text]:
    """Yield what an agent that is not ready waits for."""
    found = blockers(snapshot)
    if not found or nested_field(snapshot.agent, "spec", "suspend"):
        return
    yield Text("\nNot ready:", "bold")
    for blocker in found[:_MAX_BLOCKERS]:
        yield Text(f"  {blocker}", Colour.BAD)
    if len(found) > _MAX_BLOCKERS:
        yield Text(f"  and {len(found) - _MAX_BLOCKERS} more: use -o json")
    yield Text(f"  agentctl doctor {snapshot.agent['metadata']['name']} looks for the cause")


def _headline(agent: Object) -> Text:
    status = nested_field(agent, "status") or {}
    metadata = agent["metadata"]
    text = Text.assemble((f"{constants.KIND} {metadata['namespace']}/{metadata['name']}", "bold"))
    if status.get("observedGeneration") != metadata.get("generation"):
        text.append("  not yet reconciled", Colour.WAITING)
    for label, key in (("ready", "ready"), ("model", "model"), ("version", "runtimeVersion"), ("", "url")):
        if status.get(key):
            text.append(f"  {label} {status[key]}" if label else f"  {status[key]}")
    return text


def _line(kind: str, name: str, state: DisplayState) -> Text:
    return Text.assemble((f"{kind} ", "dim"), f"{name}  ", (state.text, state.colour))


def child_state(child: Child) -> DisplayState:
    """Return the state of a child, which may not exist."""
    if child.live is not None:
        return states.child_state(child.live)
    if child.kind == "Secret":
        return DisplayState("not ready", Colour.BAD) if child.ready is False else DisplayState("present")
    if child.served:
        return DisplayState("missing", Colour.BAD)
    return DisplayState("not installed in this cluster", Colour.WAITING)


def conditions_table(conditions: Iterable[Object], *, warnings: int = 0) -> Table:
    """Return type, status, reason and message of conditions. Several `warnings` follow the table, one per line."""
    rows = table()
    for condition in conditions:
        status, reason, message = (
            Text(condition["status"], _colour(condition)),
            condition["reason"],
            condition["message"],
        )
        if condition["type"] == "Warning" and warnings > 1:
            reason, message = "", f"{warnings} warnings, see below"
        rows.add_row(condition["type"], status, reason, Text(message))
    return rows


def _warnings(warnings: Sequence[Object]) -> Iterable[Text]:
    if len(warnings) > 1:
        yield Text()
    for warning in warnings if len(warnings) > 1 else ():
        field = f"{warning['field']}: " if warning.get("field") else ""
        yield Text.assemble((f"{warning['reason']}  ", Colour.WAITING), f"{field}{warning['message']}")


def _colour(condition: Object) -> Colour:
    negative = NEGATIVE.get(condition["type"])
    if negative is not None:
        return negative if condition["status"] == "True" else Colour.PLAIN
    return {"True": Colour.GOOD, "False": Colour.BAD}.get(condition["status"], Colour.WAITING)


def _last_failure(failure: Object | None) -> Iterable[Text]:
    if not failure:
        return
    yield Text()
    yield Text(f"Last failure: {describe(failure)}", Colour.BAD)

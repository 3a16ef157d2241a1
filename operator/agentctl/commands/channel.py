"""`agentctl channel`: see and stop the fleet upgrades of a cluster."""
# ruff: noqa: PLC0415 - rich is not imported before a command runs

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_operator.api import constants
from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import CommandError
from agentctl.options import EPILOG, Context, Kubeconfig
from agentctl.ui import output
from agentctl.ui.output import Format, View

if TYPE_CHECKING:
    from rich.table import Table

Object = dict[str, Any]
RESOURCE = f"{constants.CHANNEL_PLURAL}.{constants.GROUP}"
_HEADINGS = ("NAME", "VERSION", "UPDATED", "WAVE", "STATUS")

commands = typer.Typer(
    help="See and stop fleet upgrades: AgentRuntimeChannels, which give agents their runtime version.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="Name of the AgentRuntimeChannel.")]
Output = Annotated[View, typer.Option("--output", "-o", help="Text for people, or the objects.")]


@commands.command("list", epilog=EPILOG)
def list_(view: Output = View.TEXT, kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """List the channels and how far each is. With -o json or yaml: {channels}."""
    found = Kubectl(kubeconfig=kubeconfig, context=context).get(RESOURCE)
    if view is not View.TEXT:
        output.write(output.data({"channels": found}, Format(view)))
    elif found:
        _print(_table(_HEADINGS, (_row(channel) for channel in found)))
    else:
        output.note("no AgentRuntimeChannel there")


@commands.command(epilog=EPILOG)
def status(name: Name, view: Output = View.TEXT, kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """Show a channel, its waves and its conditions. With -o json or yaml: the object."""
    channel = _find(Kubectl(kubeconfig=kubeconfig, context=context), name)
    if view is not View.TEXT:
        output.write(output.data(channel, Format(view)))
        return
    said = channel.get("status") or {}
    stable = f"; complete was last {said['stableVersion']}" if said.get("stableVersion") else ""
    output.write(f"{constants.CHANNEL_KIND} {name}: version {channel['spec']['version']}{stable}\n")
    output.write(f"{said.get('summary', 'not yet seen by the operator')}\n\n")
    waves = said.get("waves") or ()
    rows = ((it["name"], f"{it['updated']}/{it['agents']}", str(it["failed"]), it["phase"]) for it in waves)
    _print(_table(("WAVE", "UPDATED", "FAILED", "PHASE"), rows))
    output.write("\n")
    conditions = said.get("conditions") or ()
    _print(_table((), ((c["type"], c["status"], c["reason"], c["message"]) for c in conditions)))


@commands.command(epilog=EPILOG)
def pause(name: Name, kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """Give no agent another version: sets spec.paused. Rollouts that are under way go on."""
    _set_paused(Kubectl(kubeconfig=kubeconfig, context=context), name, paused=True)


@commands.command(epilog=EPILOG)
def resume(name: Name, kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """Go on: removes spec.paused."""
    _set_paused(Kubectl(kubeconfig=kubeconfig, context=context), name, paused=False)


def _set_paused(kubectl: Kubectl, name: str, *, paused: bool) -> None:
    patch = '{"spec":{"paused":true}}' if paused else '{"spec":{"paused":null}}'
    _find(kubectl, name)
    kubectl.run("patch", RESOURCE, name, "--type=merge", f"--patch={patch}")
    output.write(f"channel {name} is {'paused' if paused else 'resumed'}\n")


def _find(kubectl: Kubectl, name: str) -> Object:
    found = kubectl.get(RESOURCE, name)
    if not found:
        raise CommandError(f"no {constants.CHANNEL_KIND} {name} there: agentctl channel list tells what is")
    return found[0]


def _row(channel: Object) -> Sequence[str]:
    said = channel.get("status") or {}
    ready = next((it["reason"] for it in said.get("conditions") or () if it["type"] == "Ready"), "")
    name, version = channel["metadata"]["name"], channel["spec"]["version"]
    return name, version, said.get("progress", ""), said.get("wave", ""), ready


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=bool(headings), padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _print(table: "Table") -> None:
    from agentctl.cluster.tree import console

    console().print(table)

"""`agentctl channel`: shows and pauses the fleet upgrades of a cluster."""
# ruff: noqa: PLC0415 - rich is not imported before a command runs

from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from agent_operator.api import constants
from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import CommandError
from agentctl.objects import Object
from agentctl.options import CHANNEL_NAME, EPILOG, Context, Kubeconfig
from agentctl.ui import output
from agentctl.ui.output import Format, View

RESOURCE = f"{constants.CHANNEL_PLURAL}.{constants.GROUP}"

commands = typer.Typer(
    help="Show and pause fleet upgrades. An AgentRuntimeChannel gives agents their runtime version.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[
    str, typer.Argument(help="Name of the AgentRuntimeChannel, or agentruntimechannel/NAME.", callback=CHANNEL_NAME)
]
Output = Annotated[View, typer.Option("--output", "-o", help="Output format.")]


@commands.command("list", epilog=EPILOG)
def list_(view: Output = View.TEXT, kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """List the channels and their progress. With -o json or yaml: {channels}."""
    channels = Kubectl(kubeconfig=kubeconfig, context=context).get(RESOURCE)
    if view is not View.TEXT:
        output.write(output.data_text({"channels": channels}, Format(view)))
    elif channels:
        _print_table(("NAME", "VERSION", "UPDATED", "WAVE", "STATUS"), (_row(channel) for channel in channels))
    else:
        output.note(f"no {constants.CHANNEL_KIND}s found")


@commands.command(epilog=EPILOG)
def status(name: Name, view: Output = View.TEXT, kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """Show a channel, its waves and its conditions. With -o json or yaml: the object."""
    channel = _get(Kubectl(kubeconfig=kubeconfig, context=context), name)
    if view is View.TEXT:
        _print_status(name, channel)
    else:
        output.write(output.data_text(channel, Format(view)))


@commands.command(epilog=EPILOG)
def pause(name: Name, view: Output = View.TEXT, kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """Stop giving agents another version: sets spec.paused. Rollouts in progress continue.

    With -o json or yaml: the object.
    """
    _set_paused(Kubectl(kubeconfig=kubeconfig, context=context), name, view, paused=True)


@commands.command(epilog=EPILOG)
def resume(name: Name, view: Output = View.TEXT, kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """Resume a paused channel: removes spec.paused. With -o json or yaml: the object."""
    _set_paused(Kubectl(kubeconfig=kubeconfig, context=context), name, view, paused=False)


def _print_status(name: str, channel: Object) -> None:
    from agentctl.cluster.status_tree import conditions_table
    from agentctl.ui.console import stdout_console

    found = channel.get("status") or {}
    stable = f", last complete version {found['stableVersion']}" if found.get("stableVersion") else ""
    output.write(f"{constants.CHANNEL_KIND} {name}: version {channel['spec']['version']}{stable}\n")
    output.write(f"{found.get('summary', 'not yet reconciled')}\n\n")
    waves = found.get("waves") or ()
    rows = ((wave["name"], f"{wave['updated']}/{wave['agents']}", str(wave["failed"]), wave["phase"]) for wave in waves)
    _print_table(("WAVE", "UPDATED", "FAILED", "PHASE"), rows)
    output.write("\n")
    stdout_console().print(conditions_table(found.get("conditions") or ()))


def _set_paused(kubectl: Kubectl, name: str, view: View, *, paused: bool) -> None:
    patch = '{"spec":{"paused":true}}' if paused else '{"spec":{"paused":null}}'
    _get(kubectl, name)
    kubectl.run("patch", RESOURCE, name, "--type=merge", f"--patch={patch}")
    if view is not View.TEXT:
        output.write(output.data_text(_get(kubectl, name), Format(view)))
        return
    output.write(f"{constants.CHANNEL_KIND.lower()}.{constants.GROUP}/{name} {'paused' if paused else 'resumed'}\n")


def _get(kubectl: Kubectl, name: str) -> Object:
    found = kubectl.get(RESOURCE, name)
    if not found:
        raise CommandError(f'{constants.CHANNEL_KIND} "{name}" not found: list all channels with agentctl channel list')
    return found[0]


def _row(channel: Object) -> Sequence[str]:
    found = channel.get("status") or {}
    conditions = found.get("conditions") or ()
    reason = next((condition["reason"] for condition in conditions if condition["type"] == "Ready"), "")
    name, version = channel["metadata"]["name"], channel["spec"]["version"]
    return name, version, found.get("progress", ""), found.get("wave", ""), reason


def _print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.text import Text

    from agentctl.ui.console import stdout_console, table

    found = table(*columns)
    for row in rows:
        found.add_row(*(Text(cell) for cell in row))
    stdout_console().print(found)

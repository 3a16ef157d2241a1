"""Shows and pauses AgentRuntimeChannels."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from agent_operator.api import constants
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.status_tree import conditions_table
from agentctl.errors import CommandError
from agentctl.formats import Format, View
from agentctl.objects import Object
from agentctl.permissions import CHANNELS as RESOURCE
from agentctl.ui import output
from agentctl.ui.console import stdout_console, table


def show_all(kubectl: Kubectl, view: View) -> None:
    """Print all channels."""
    channels = kubectl.get(RESOURCE)
    if view is not View.TEXT:
        output.write(output.data_text({"channels": channels}, Format(view)))
    elif channels:
        _print_table(("NAME", "VERSION", "UPDATED", "WAVE", "STATUS"), (_row(channel) for channel in channels))
    else:
        output.note(f"no {constants.CHANNEL_KIND}s found")


def show(kubectl: Kubectl, name: str, view: View) -> None:
    """Print one channel.

    Raises:
        CommandError: it does not exist.
    """
    channel = _get(kubectl, name)
    if view is View.TEXT:
        _print_status(name, channel)
    else:
        output.write(output.data_text(channel, Format(view)))


def _print_status(name: str, channel: Object) -> None:
    found = channel.get("status") or {}
    stable = f", last complete version {found['stableVersion']}" if found.get("stableVersion") else ""
    output.write(f"{constants.CHANNEL_KIND} {name}: version {channel['spec']['version']}{stable}\n")
    output.write(f"{found.get('summary', 'not yet reconciled')}\n\n")
    waves = found.get("waves") or ()
    rows = ((wave["name"], f"{wave['updated']}/{wave['agents']}", str(wave["failed"]), wave["phase"]) for wave in waves)
    _print_table(("WAVE", "UPDATED", "FAILED", "PHASE"), rows)
    output.write("\n")
    stdout_console().print(conditions_table(found.get("conditions") or ()))


def set_paused(kubectl: Kubectl, name: str, view: View, *, paused: bool) -> None:
    """Pause or resume a channel.

    Raises:
        CommandError: it does not exist.
    """
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
    found = table(*columns)
    for row in rows:
        found.add_row(*(Text(cell) for cell in row))
    stdout_console().print(found)

"""`agentctl channel`: shows and pauses the fleet upgrades of a cluster. Imports are as in app.py."""
# ruff: noqa: PLC0415 - rich is not imported before a command runs

import typer

from agentctl.commands.arguments import ChannelName, Context, Kubeconfig, Output
from agentctl.formats import View
from agentctl.options import EPILOG
from agentctl.permissions import CHANNELS, permit, requires

commands = typer.Typer(
    help="Show and pause fleet upgrades. An AgentRuntimeChannel gives agents their runtime version.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@commands.command("list", epilog=EPILOG)
@requires(permit("list", CHANNELS))
def list_(output: Output = View.TEXT, kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """List the channels and their progress. With -o json or yaml: {channels}."""
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import channel_views

    channel_views.show_all(Kubectl(kubeconfig=kubeconfig, context=context), output)


@commands.command(epilog=EPILOG)
@requires(permit("get", CHANNELS))
def status(name: ChannelName, output: Output = View.TEXT, kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """Show a channel, its waves and its conditions. With -o json or yaml: the object."""
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import channel_views

    channel_views.show(Kubectl(kubeconfig=kubeconfig, context=context), name, output)


@commands.command(epilog=EPILOG)
@requires(permit("get patch", CHANNELS))
def pause(name: ChannelName, output: Output = View.TEXT, kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """Stop giving agents another version: sets spec.paused. Rollouts in progress continue.

    With -o json or yaml: the object.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import channel_views

    channel_views.set_paused(Kubectl(kubeconfig=kubeconfig, context=context), name, output, paused=True)


@commands.command(epilog=EPILOG)
@requires(permit("get patch", CHANNELS))
def resume(name: ChannelName, output: Output = View.TEXT, kubeconfig: Kubeconfig = "", context: Context = "") -> None:
    """Resume a paused channel: removes spec.paused. With -o json or yaml: the object."""
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import channel_views

    channel_views.set_paused(Kubectl(kubeconfig=kubeconfig, context=context), name, output, paused=False)

"""`agentctl local` and `demo`, and their options. Imports are as in app.py."""
# ruff: noqa: PLC0415 - as in app.py

from pathlib import Path
from typing import Annotated

import typer

from agentctl.formats import View
from agentctl.local.installed import require_localkube
from agentctl.options import EPILOG
from agentctl.permissions import requires

DEFAULT_DIRECTORY = Path(".local-cluster")

commands = typer.Typer(rich_markup_mode=None)
local = typer.Typer(
    help="Run a local cluster for development and tests: loopback only, no Docker.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)
Directory = Annotated[
    Path,
    typer.Option("--dir", envvar="AGENTCTL_DIR", help="Directory of the cluster: its state, logs and kubeconfig."),
]


@local.command(epilog=EPILOG)
@requires()
def up(
    directory: Directory = DEFAULT_DIRECTORY,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Run in the foreground until Ctrl-C; log to standard error.")
    ] = False,
    lifeline: Annotated[bool, typer.Option("--lifeline", hidden=True)] = False,
) -> None:
    """Start a local cluster with the operator.

    Starts an API server, controllers, a node and the operator, and prints how to connect. If the cluster is already
    running, only prints how to connect.
    """
    require_localkube()
    if foreground:
        from agentctl.local import supervisor

        supervisor.run(directory, lifeline=lifeline)
        return
    from agentctl.commands import local

    local.up(directory)


@local.command(epilog=EPILOG)
@requires()
def down(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Stop the local cluster and all its pods."""
    from agentctl.commands import local

    local.down(directory)


@local.command("status", epilog=EPILOG)
@requires()
def local_status(
    directory: Directory = DEFAULT_DIRECTORY,
    output: Annotated[View, typer.Option("--output", "-o", help="Output format.")] = View.TEXT,
) -> None:
    """Show whether the local cluster is running, and how to connect.

    The exit status is 1 if it is not running. With -o json or yaml: {running, logs, url, kubeconfig, pid, operatorPid,
    metrics}.
    """
    from agentctl.commands import local

    raise typer.Exit(local.status(directory, output))


@commands.command(epilog=EPILOG)
@requires()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit after the first answer.")] = False,
    directory: Directory = DEFAULT_DIRECTORY,
) -> None:
    """Start an agent and send it a message.

    Works offline and takes less than a minute. Starts a local cluster as `local up` does, or uses the one that is
    running. Applies a small agent with kubectl, waits until it is ready, and sends it a message. At the end (Ctrl-C or
    --once), stops what it started.
    """
    require_localkube()
    from agentctl.commands import demo as demonstration

    demonstration.run(directory, once=once)

"""The commands and their options; what they do is in a module each, imported when the command runs."""
# ruff: noqa: PLC0415 - the models of Kubernetes take a second to import: --help and completion must not pay for them

from pathlib import Path
from typing import Annotated

import typer

from agentctl.commands import channel, rollout
from agentctl.errors import UsageError
from agentctl.local.installed import require_localkube
from agentctl.options import EPILOG, Context, Kubeconfig, Name, OwnNamespace
from agentctl.ui.output import Format, View

STATE = Path(".local-cluster")

app = typer.Typer(
    help="Describe, check and watch AI agents on Kubernetes. As a plugin of kubectl: kubectl agent.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
local = typer.Typer(
    help="A cluster on this machine, for trying out: loopback only, no Docker.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(local, name="local")
app.add_typer(rollout.commands)
app.add_typer(channel.commands, name="channel")

_FILENAME = typer.Option("--filename", "-f", help="File, directory or - (standard input); may be given several times.")
Files = Annotated[list[str], _FILENAME]
OptionalFiles = Annotated[list[str] | None, _FILENAME]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of objects that name none.")]
Directory = Annotated[
    Path, typer.Option("--dir", envvar="AGENTCTL_DIR", help="Where the cluster keeps its state, logs and kubeconfig.")
]


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
) -> None:
    # Read by __main__, which sees an error wherever it comes from.
    del debug


@app.command(epilog=EPILOG)
def render(
    filename: Files,
    namespace: Namespace = "default",
    output: Annotated[Format, typer.Option("--output", "-o", help="Format of the objects.")] = Format.YAML,
) -> None:
    """Print the objects that agents become. Offline.

    The same bytes as the operator applies, in its order, but for the owner's uid, which only a cluster gives.

    A ConfigMap or Secret in the same input serves the references to it. Objects of other kinds are left out.
    """
    from agentctl.commands import render

    render.run(filename, namespace, output)


@app.command(epilog=EPILOG)
def validate(
    files: Annotated[list[str] | None, typer.Argument(help="Files, as with -f.", metavar="FILE")] = None,
    filename: OptionalFiles = None,
    namespace: Namespace = "default",
    output: Annotated[View, typer.Option("--output", "-o", help="Format of the result.")] = View.TEXT,
    ignore_other_files: Annotated[
        bool, typer.Option("--ignore-other-files", help="Skip files without an AgentDeployment (for pre-commit).")
    ] = False,
) -> None:
    """Tell every error at once. Offline.

    Checks AgentDeployments as the API server and the operator would.

    Errors and warnings go to standard error with file, line, field and remedy; the exit status is 1 if there is an
    error. With -o json or yaml one value goes to standard output: {valid, agents, errors, warnings}, an error being
    {file, line, document, agent, field, message}.
    """
    from agentctl.commands import validate

    paths = [*(filename or ()), *(files or ())]
    if not paths:
        raise UsageError("no input: name files, directories or - (standard input)")
    raise typer.Exit(validate.run(paths, namespace, output, ignore_other_files=ignore_other_files))


@app.command(epilog=EPILOG)
def status(
    name: Name,
    namespace: OwnNamespace = "",
    output: Annotated[View, typer.Option("--output", "-o", help="A tree, or all that it is made of.")] = View.TEXT,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it anew until Ctrl-C.")] = False,
) -> None:
    """Show an agent, its children and its conditions.

    The exit status is 0 whether the agent is ready or not: kubectl wait --for=condition=Ready tells that.
    With -o json or yaml: {agent, children, pods}, each the object as the API server has it, without managedFields.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import status

    status.run(Kubectl(kubeconfig=kubeconfig, context=context, namespace=namespace), name, output, watch=watch)


@local.command(epilog=EPILOG)
def up(
    directory: Directory = STATE,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay in front until Ctrl-C; log here.")] = False,
    lifeline: Annotated[bool, typer.Option("--lifeline", hidden=True)] = False,
) -> None:
    """Start a cluster with the operator on it.

    Starts an API server, controllers, a node and the operator, and prints how to reach them. Where one runs already,
    it says so and does nothing else.
    """
    require_localkube()
    if foreground:
        from agentctl.local import supervisor

        supervisor.run(directory, lifeline=lifeline)
        return
    from agentctl.commands import local

    local.up(directory)


@local.command(epilog=EPILOG)
def down(directory: Directory = STATE) -> None:
    """Stop the cluster and all that runs on it."""
    from agentctl.commands import local

    local.down(directory)


@local.command("status", epilog=EPILOG)
def local_status(
    directory: Directory = STATE,
    output: Annotated[View, typer.Option("--output", "-o", help="Format of the result.")] = View.TEXT,
) -> None:
    """Say whether a cluster runs, and where.

    The exit status is 1 when none does. With -o json or yaml: {running, logs, url, kubeconfig,
    pid, operatorPid, metrics}.
    """
    from agentctl.commands import local

    raise typer.Exit(local.status(directory, output))


@app.command(epilog=EPILOG)
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the first answer.")] = False,
    directory: Directory = STATE,
) -> None:
    """Bring an agent up and ask it a question.

    Offline and within a minute: starts a cluster as `local up` does, unless one runs, applies a small agent with
    kubectl, waits until it is ready, and asks it. What it started is stopped at the end: with Ctrl-C, or with --once.
    """
    require_localkube()
    from agentctl.commands import demo as demonstration

    demonstration.run(directory, once=once)


@app.command(epilog=EPILOG)
def version() -> None:
    """Print the version of agentctl and the operator."""
    from agent_operator import __version__

    typer.echo(__version__)

"""The commands and their options. Each command imports the module that implements it when it runs."""
# ruff: noqa: PLC0415 - the Kubernetes models take a second to import, which --help and completion do not need

from pathlib import Path
from typing import Annotated

import typer

from agentctl.commands import authoring, channel, diagnose, local_cluster, operations, rollout, upgrades
from agentctl.commands.arguments import AgentNamespace, Context, Kubeconfig, Name
from agentctl.errors import UsageError
from agentctl.formats import Format, View
from agentctl.options import EPILOG, IMPERSONATION, Impersonation, name_of
from agentctl.permissions import READ_AGENT, READ_CHILDREN, READ_OTHER_CHILDREN, permit, requires

app = typer.Typer(
    help="Validate, render and inspect AI agents on Kubernetes. Also a kubectl plugin: kubectl agent.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(local_cluster.local, name="local")
app.add_typer(local_cluster.commands)
app.add_typer(rollout.commands)
app.add_typer(upgrades.commands, name="upgrade")
app.add_typer(operations.commands)
app.add_typer(authoring.commands)
app.add_typer(diagnose.commands)
app.add_typer(channel.commands, name="channel")

_FILENAME = typer.Option("--filename", "-f", help="File, directory or - (standard input). Can be repeated.")
Files = Annotated[list[str], _FILENAME]
OptionalFiles = Annotated[list[str] | None, _FILENAME]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of objects that do not set one.")]


def _names_of_deployments(values: list[str] | None) -> list[str]:
    return [
        name_of("Deployment", "deployments", "deploy", "deployment.apps", "deployments.apps")(it) for it in values or ()
    ]


def _print_version(wanted: bool) -> None:
    if wanted:
        from agent_operator import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    user: Annotated[str, typer.Option("--as", help="User to impersonate, as with kubectl.", metavar="USER")] = "",
    groups: Annotated[
        list[str] | None, typer.Option("--as-group", help="Group to impersonate. Can be repeated.", metavar="GROUP")
    ] = None,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
) -> None:
    # --debug is declared for --help. __main__ reads it, because it also handles errors that occur before this runs.
    del debug, show_version
    if groups and not user:
        raise UsageError("--as-group requires --as: add the user")
    IMPERSONATION.set(Impersonation(user, tuple(groups or ())))


@app.command(epilog=EPILOG)
@requires()
def render(
    filename: Files,
    namespace: Namespace = "default",
    output: Annotated[Format, typer.Option("--output", "-o", help="Output format.")] = Format.YAML,
) -> None:
    """Print the Kubernetes objects of agents, without a cluster.

    The output has the bytes that the operator applies, in the same order. Only the UID of the owner is missing, because
    a cluster assigns it.

    References to ConfigMaps and Secrets are resolved within the input. Objects of other kinds are ignored.
    """
    from agentctl.commands import render

    render.run(filename, namespace, output)


@app.command(epilog=EPILOG)
@requires()
def validate(
    files: Annotated[list[str] | None, typer.Argument(help="Files, as with -f.", metavar="FILE")] = None,
    filename: OptionalFiles = None,
    namespace: Namespace = "default",
    output: Annotated[View, typer.Option("--output", "-o", help="Output format.")] = View.TEXT,
    ignore_other_files: Annotated[
        bool,
        typer.Option("--ignore-other-files", help="Ignore files without an AgentDeployment; for pre-commit."),
    ] = False,
) -> None:
    """Check AgentDeployments and AgentRuntimeChannels and report all errors, without a cluster.

    Runs the checks of the API server and of the operator.

    Errors and warnings go to standard error with file, line, field and remedy. The exit status is 1 if there is an
    error. With -o json or yaml, one value goes to standard output: {valid, agents, channels, errors, warnings}. Each
    error has {file, line, document, agent, field, message}.
    """
    from agentctl.commands import validate

    paths = [*(filename or ()), *(files or ())]
    if not paths:
        raise UsageError("no input: specify files, directories or - (standard input)")
    raise typer.Exit(validate.run(paths, namespace, output, ignore_other_files=ignore_other_files))


@app.command(
    "import",
    epilog="Exit status: 0 nothing is lost · 1 a finding loses behavior, or the request failed · 2 usage error · "
    "130 interrupted.",
)
@requires(
    permit(
        "list",
        "deployments.apps",
        "services",
        "serviceaccounts",
        "ingresses.networking.k8s.io",
        "networkpolicies.networking.k8s.io",
        "horizontalpodautoscalers.autoscaling",
        "poddisruptionbudgets.policy",
        "rolebindings.rbac.authorization.k8s.io",
    ).when("without -f; a kind that may not be listed is left out, except Deployments"),
    permit("get", "configmaps").when("without -f"),
)
def import_(  # noqa: PLR0913 - one parameter per option
    *,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Deployments. Default: all that run agents.", metavar="NAME", callback=_names_of_deployments
        ),
    ] = None,
    filename: OptionalFiles = None,
    namespace: Annotated[
        str,
        typer.Option(
            "--namespace",
            "-n",
            help="Namespace to read; with -f, namespace of objects that do not set one. Default: that of the context, "
            "or default.",
        ),
    ] = "",
    new_name: Annotated[
        str, typer.Option("--name", help="Name of the AgentDeployment. Default: that of the Deployment.")
    ] = "",
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Annotate the AgentDeployment, so that it adopts the objects that it replaces."),
    ] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="Output format.")] = Format.YAML,
    output_file: Annotated[
        Path | None, typer.Option("--output-file", help="File to write. Default: standard output.", dir_okay=False)
    ] = None,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Convert hand-written manifests into AgentDeployments.

    Reads files with -f, otherwise the namespace of a cluster. Nothing is applied.

    The AgentDeployments go to standard output. Standard error lists what becomes of each object, and each field that
    the operator changes, adds or cannot express. Secrets are referenced by name; their values are neither read from
    the cluster nor printed.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import import_manifests

    kubectl = Kubectl(kubeconfig=kubeconfig, context=context, namespace=namespace)
    options = import_manifests.Options(
        tuple(filename or ()), tuple(names or ()), new_name, output, output_file, adopt=adopt
    )
    raise typer.Exit(import_manifests.run(kubectl, options))


@app.command(epilog=EPILOG)
@requires(READ_AGENT, permit("list", "pods"), READ_CHILDREN, READ_OTHER_CHILDREN)
def status(
    name: Name,
    namespace: AgentNamespace = "",
    output: Annotated[View, typer.Option("--output", "-o", help="Output format; text is a tree.")] = View.TEXT,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh the output until Ctrl-C.")] = False,
) -> None:
    """Show an agent, its children, its pods and its conditions, and what it waits for if it is not ready.

    The exit status is 0 whether the agent is ready or not. To test for readiness, use kubectl wait
    --for=condition=Ready. With -o json or yaml: {agent, children, pods, blockedBy}. The first three
    are objects of the API server without managedFields, and blockedBy has {object, reason, message}.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import status

    status.run(Kubectl(kubeconfig=kubeconfig, context=context, namespace=namespace), name, output, watch=watch)


@app.command(epilog=EPILOG)
@requires()
def version(
    view: Annotated[View, typer.Option("--output", "-o", help="Output format.")] = View.TEXT,
) -> None:
    """Print the version of agentctl and the operator. With -o json or yaml: {version}."""
    from agent_operator import __version__
    from agentctl.ui import output

    text = f"{__version__}\n" if view is View.TEXT else output.data_text({"version": __version__}, Format(view))
    output.write(text)

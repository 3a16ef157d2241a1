"""The commands about rollouts and their options, as in app.py."""
# ruff: noqa: PLC0415 - the models of Kubernetes take a second to import: --help and completion must not pay for them
# ruff: noqa: PLR0913, PLR0917 - an option is an argument

from typing import Annotated

import typer

from agentctl.errors import UsageError
from agentctl.options import EPILOG, Context, Kubeconfig, Name, OwnNamespace
from agentctl.ui.output import View

commands = typer.Typer(rich_markup_mode=None)
rollout = typer.Typer(
    help="Look at the rollout of an agent.", epilog=EPILOG, no_args_is_help=True, rich_markup_mode=None
)
upgrade = typer.Typer(
    help="Make agents anew as this version of the operator renders them; without that none is restarted.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)
commands.add_typer(rollout, name="rollout")
commands.add_typer(upgrade, name="upgrade")

NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait until the operator has carried it out.")]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds to wait for it.")]
Image = Annotated[
    str,
    typer.Option(
        envvar="AGENT_OPERATOR_RUNTIME_IMAGE",
        help="Repository of the runtime image, if the operator is to get another. Default: the one that runs.",
    ),
]
Maybe = Annotated[str, typer.Argument(help="Name of the AgentDeployment. Default: all of the namespace.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="The agents of all namespaces.")]
Data = Annotated[View, typer.Option("--output", "-o", help="Format of the result.")]


@commands.command(epilog=EPILOG)
def history(
    name: Name,
    revision: Annotated[str, typer.Option(help="Show this revision, by name or number: image, config, prompt.")] = "",
    output: Data = View.TEXT,
    namespace: OwnNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Show the revisions of an agent that are kept.

    A revision is all that pods are made from: image, config, prompt and pod template together. The first wanted stands
    first; CHANGES says what differs from the one before. With -o json or yaml: {agent, revisions}, or one revision
    with its config and template.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import history

    history.show(Kubectl(kubeconfig, context, namespace), name, revision, output)


@commands.command(epilog=EPILOG)
def diff(
    name: Name,
    revision: Annotated[str, typer.Argument(help="A revision, by name or number.")],
    other: Annotated[str, typer.Argument(help="Another. Default: the one that runs.")] = "",
    namespace: OwnNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Show what differs between two revisions.

    A unified diff of prompt, agent.toml, pod template and egress, without the names that differ with them.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import history

    history.diff(Kubectl(kubeconfig, context, namespace), name, revision, other)


@commands.command(epilog=EPILOG)
def rollback(
    name: Name,
    to: Annotated[str, typer.Option(help="Revision to return to, by name or number. Default: the last good one.")] = "",
    no_wait: NoWait = False,
    timeout: Timeout = 60,
    namespace: OwnNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Return to an earlier revision, until the spec changes.

    Image, config and prompt go back together. The AgentDeployment keeps what the user, or Git, has written: the
    operator remembers in its status that another revision is to run. `agentctl retry` takes that back.
    """
    from agentctl.cluster import rollout_commands
    from agentctl.cluster.kubectl import Kubectl

    rollout_commands.rollback(Kubectl(kubeconfig, context, namespace), name, to, None if no_wait else timeout)


@commands.command(epilog=EPILOG)
def promote(
    name: Name,
    full: Annotated[bool, typer.Option("--full", help="Skip all further steps.")] = False,
    no_wait: NoWait = False,
    timeout: Timeout = 60,
    namespace: OwnNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """End the present step of a canary now, and go on with the next.

    Refused until its pods are ready and its checks have passed.
    """
    _give("promote-full" if full else "promote", name, (kubeconfig, context, namespace), None if no_wait else timeout)


def _plain(word: str, told: str) -> None:
    """Add a command that says nothing but its name."""

    @commands.command(word, help=told, epilog=EPILOG)
    def command(
        name: Name,
        no_wait: NoWait = False,
        timeout: Timeout = 60,
        namespace: OwnNamespace = "",
        kubeconfig: Kubeconfig = "",
        context: Context = "",
    ) -> None:
        _give(word, name, (kubeconfig, context, namespace), None if no_wait else timeout)


_plain("pause", "Stop a canary where it is.")
_plain("resume", "Let a paused canary go on.")
_plain("abort", "Give a canary up; its revision is not tried again until the spec changes, or `agentctl retry`.")
_plain("retry", "Try the revision again that was given up, or left by a rollback.")


@rollout.command("status", epilog=EPILOG)
def rollout_status(
    name: Name,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it anew until the rollout has ended.")] = False,
    timeout: Annotated[float | None, typer.Option(min=1, help="Seconds to watch. Default: for ever.")] = None,
    output: Data = View.TEXT,
    namespace: OwnNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Show where the rollout of an agent stands.

    Of a canary: its steps, how long the present one lasts, what its checks and gates have shown. The exit status is 0
    when it is complete, or under way and not watched, and 1 when it was rolled back or gets no further. With -o json
    or yaml: {verdict, revision, lastGoodRevision, ready, rollout, conditions}, the verdict being complete, under_way,
    waiting (for `agentctl promote`) or failed.
    """
    from agentctl.cluster import rollout_wait
    from agentctl.cluster.kubectl import Kubectl

    kubectl = Kubectl(kubeconfig, context, namespace)
    raise typer.Exit(rollout_wait.run(kubectl, name, output, watch=watch, timeout=timeout))


@upgrade.command(epilog=EPILOG)
def plan(
    name: Maybe = "",
    everywhere: Everywhere = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show each agent's diff, as is done for a single one.")] = False,
    runtime_image: Image = "",
    output: Data = View.TEXT,
    namespace: OwnNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Show what an operator of this version would make of the pods that run.

    A new operator leaves agents as they are until their spec changes, their channel moves or `upgrade apply`. This
    renders them here, with this agentctl, and compares that with the revisions that the cluster keeps. With -o json or
    yaml: {operator, agents}, an agent being {namespace, name, from, to, differs, changes, diff, note}.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import upgrade

    kubectl = Kubectl(kubeconfig, context, namespace)
    found = upgrade.plan(kubectl, name, runtime_image, everywhere=everywhere)
    upgrade.show(found, output, diffs=diff or bool(name))


@upgrade.command(epilog=EPILOG)
def apply(
    name: Annotated[str, typer.Argument(help="Name of the AgentDeployment.")] = "",
    everywhere: Everywhere = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for the rollout of each agent.")] = 900,
    runtime_image: Image = "",
    namespace: OwnNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Make the pods of an agent anew, as the operator renders them now.

    Each agent by its own rollout strategy. With -A those that differ, one after the other; the first that fails ends
    it. The operator that runs must be of the version of this agentctl.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import upgrade

    if not name and not everywhere:
        raise UsageError("name an agent, or all of them with --all-namespaces")
    kubectl = Kubectl(kubeconfig, context, namespace)
    found = upgrade.plan(kubectl, name, runtime_image, everywhere=everywhere)
    upgrade.apply(kubectl, found, yes=yes, timeout=timeout)


def _give(command: str, name: str, connection: tuple[str, str, str], timeout: float | None) -> None:
    from agentctl.cluster import rollout_commands
    from agentctl.cluster.kubectl import Kubectl

    rollout_commands.run(Kubectl(*connection), name, command, timeout)

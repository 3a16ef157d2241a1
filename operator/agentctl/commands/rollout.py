"""The commands for rollouts and upgrades, and their options. Imports are as in app.py."""
# ruff: noqa: PLC0415 - the Kubernetes models take a second to import, which --help and completion do not need
# ruff: noqa: PLR0913, PLR0917 - every option is an argument

from typing import Annotated

import typer

from agentctl.commands.arguments import (
    AgentNamespace,
    Context,
    Kubeconfig,
    Name,
    Output,
    complete_agents,
)
from agentctl.errors import UsageError
from agentctl.formats import View
from agentctl.options import EPILOG
from agentctl.permissions import (
    COMMAND_AGENT,
    READ_AGENT,
    READ_CHILDREN,
    READ_OTHER_CHILDREN,
    REVISIONS,
    permit,
    requires,
)

commands = typer.Typer(rich_markup_mode=None)
rollout = typer.Typer(help="Show the rollout of an agent.", epilog=EPILOG, no_args_is_help=True, rich_markup_mode=None)
commands.add_typer(rollout, name="rollout")

NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait until the operator has executed the command.")]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds to wait until the operator has executed the command.")]


@commands.command(epilog=EPILOG)
@requires(READ_AGENT, permit("list", REVISIONS))
def history(
    name: Name,
    revision: Annotated[str, typer.Option(help="Show the content of this revision, by name or number.")] = "",
    output: Output = View.TEXT,
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Show the stored revisions of an agent.

    A revision is everything that pods are created from: image, config, prompt and pod template. The list is sorted by
    number: the latest target is last. CHANGES lists the parts that differ from the revision before. With -o json or
    yaml: {agent, revisions}, or one revision with its config and template.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import history

    history.show(Kubectl(kubeconfig, context, namespace), name, revision, output)


@commands.command(epilog=EPILOG)
@requires(
    READ_AGENT,
    permit("list", REVISIONS).when("without -f"),
    READ_CHILDREN.when("with -f"),
    READ_OTHER_CHILDREN.when("with -f, if the agent has other children, such as an Ingress"),
    permit("get", "services").when("with -f, in the namespaces of the Services that the agent connects to"),
    permit("list", "services").when("with -f, if a Deployment is adopted"),
)
def diff(
    name: Annotated[str, typer.Argument(help="Name of the agent.", autocompletion=complete_agents)] = "",
    revision: Annotated[str, typer.Argument(help="First revision, by name or number.")] = "",
    other: Annotated[str, typer.Argument(help="Second revision. Default: the running revision.")] = "",
    filename: Annotated[
        list[str] | None,
        typer.Option("--filename", "-f", help="File, directory or - with agents to compare with the cluster."),
    ] = None,
    output: Output = View.TEXT,
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Show the differences between two revisions, or with -f what applying agents would change.

    Of revisions, prints a unified diff of prompt, agent.toml, pod template and egress. Generated names are left out.
    With -o json or yaml: {from, to, changes, diff}.

    With -f, lists each object that the operator would create, update or adopt, and conflicts, with a diff of its
    fields. Nothing is applied, and Secrets are not read. During a canary, the pods run another revision. With -o json
    or yaml: {objects}, each with {object, action, note, diff}.
    """
    from agentctl.cluster.kubectl import Kubectl

    kubectl = Kubectl(kubeconfig, context, namespace)
    if bool(filename) is bool(name) or bool(name) is not bool(revision):
        raise UsageError("specify an agent and a revision, or files with -f")
    if filename:
        from agentctl.commands import live_diff

        live_diff.run(kubectl, filename, output)
        return
    from agentctl.commands import history

    history.diff(kubectl, name, revision, other, output)


@commands.command(epilog=EPILOG)
@requires(*COMMAND_AGENT, permit("list", REVISIONS).when("with --to"))
def rollback(
    name: Name,
    to: Annotated[str, typer.Option(help="Revision, by name or number. Default: the last good revision.")] = "",
    no_wait: NoWait = False,
    timeout: Timeout = 60,
    output: Output = View.TEXT,
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Roll back to an earlier revision.

    Rolls back image, config and prompt together. The spec does not change: the operator records the rollback in the
    status. It lasts until the spec changes or you run `agentctl retry`.
    """
    from agentctl.cluster import rollout_commands
    from agentctl.cluster.kubectl import Kubectl

    rollout_commands.rollback(Kubectl(kubeconfig, context, namespace), name, to, None if no_wait else timeout, output)


@commands.command(epilog=EPILOG)
@requires(*COMMAND_AGENT)
def promote(
    name: Name,
    full: Annotated[bool, typer.Option("--full", help="Skip all remaining steps.")] = False,
    no_wait: NoWait = False,
    timeout: Timeout = 60,
    output: Output = View.TEXT,
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """End the current step of a canary and continue with the next.

    The operator refuses this until the pods of the canary are ready and its checks have passed.
    """
    _run(
        "promote-full" if full else "promote",
        name,
        (kubeconfig, context, namespace),
        None if no_wait else timeout,
        output,
    )


def _add_command(verb: str, summary: str) -> None:
    """Add a command that submits the rollout command of the same name."""

    @commands.command(verb, help=summary, epilog=EPILOG)
    @requires(*COMMAND_AGENT)
    def command(
        name: Name,
        no_wait: NoWait = False,
        timeout: Timeout = 60,
        output: Output = View.TEXT,
        namespace: AgentNamespace = "",
        kubeconfig: Kubeconfig = "",
        context: Context = "",
    ) -> None:
        _run(verb, name, (kubeconfig, context, namespace), None if no_wait else timeout, output)


_add_command("pause", "Pause a canary at its current step.")
_add_command("resume", "Resume a paused canary.")
_add_command("abort", "Abort a canary. Its revision is not tried again until the spec changes or `agentctl retry`.")
_add_command("retry", "Try a revision again that was rolled back or aborted.")


@commands.command(epilog=EPILOG)
@requires(*COMMAND_AGENT, permit("list", "pods").when("with --wait"))
def restart(
    name: Name,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all pods are replaced.")] = False,
    no_wait: NoWait = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait.")] = 600,
    output: Output = View.TEXT,
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Replace all pods of an agent, one after the other, without a change of the spec.

    The operator performs a rolling update of the stable and the canary pods, as `kubectl rollout restart` does. It
    needs no right to change Deployments. With -o json or yaml: {command, executed} and the state of the rollout.
    """
    from agentctl.cluster import restart
    from agentctl.cluster.kubectl import Kubectl

    if wait and no_wait:
        raise UsageError("--wait and --no-wait cannot be combined: use one of them")
    kubectl = Kubectl(kubeconfig, context, namespace)
    restart.run(kubectl, name, restart.Waiting(timeout, executed=not no_wait, replaced=wait), output)


@rollout.command("status", epilog=EPILOG)
@requires(READ_AGENT)
def rollout_status(
    name: Name,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until the rollout ends.")] = False,
    timeout: Annotated[float | None, typer.Option(min=1, help="Seconds to watch. Default: no limit.")] = None,
    output: Output = View.TEXT,
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Show the status of a rollout.

    For a canary, shows its steps, the time left in the current step, and the results of checks and gates. The exit
    status is 1 if the rollout was rolled back or cannot continue. With -o json or yaml: {verdict, revision,
    lastGoodRevision, ready, rollout, conditions}. The verdict is complete, under_way, waiting (for `agentctl promote`
    or `agentctl resume`) or failed.
    """
    from agentctl.cluster import rollout_wait
    from agentctl.cluster.kubectl import Kubectl

    kubectl = Kubectl(kubeconfig, context, namespace)
    raise typer.Exit(rollout_wait.show_status(kubectl, name, output, watch=watch, timeout=timeout))


def _run(command: str, name: str, connection: tuple[str, str, str], timeout: float | None, output: View) -> None:
    from agentctl.cluster import rollout_commands
    from agentctl.cluster.kubectl import Kubectl

    rollout_commands.run(Kubectl(*connection), name, command, timeout, output)

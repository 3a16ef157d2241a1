"""The commands that observe and operate running agents, and their options. Imports are as in app.py."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - as in rollout.py

from typing import Annotated

import typer

from agentctl.commands.arguments import AgentNamespace, AllNamespaces, Context, Kubeconfig, Name, Output, Watch
from agentctl.formats import View
from agentctl.options import EPILOG
from agentctl.permissions import AGENTS, READ_AGENT, permit, requires

commands = typer.Typer(rich_markup_mode=None)


@commands.command("list", epilog=EPILOG)
@requires(permit("list", AGENTS), permit("watch", AGENTS).when("with --watch"))
def list_(
    everywhere: AllNamespaces = False,
    selector: Annotated[str, typer.Option("--selector", "-l", help="Label selector, as in kubectl.")] = "",
    watch: Watch = False,
    output: Output = View.TEXT,
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """List agents with version, phase, ready pods, model and channel.

    The phase is Ready, the step of a canary, or the reason why the agent is not ready. With -o json or yaml: {agents},
    each with {namespace, name, version, phase, message, ready, model, channel, created}.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import agents

    kubectl = Kubectl(kubeconfig, context, namespace)
    agents.run(kubectl, selector, output, everywhere=everywhere, follow=watch)


@commands.command(epilog=EPILOG)
@requires(READ_AGENT, permit("list", "events"), permit("watch", "events").when("with --watch"))
def events(
    name: Name,
    warnings: Annotated[bool, typer.Option("--warnings", help="Only Events of type Warning.")] = False,
    watch: Watch = False,
    output: Output = View.TEXT,
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Show the Events of an agent, its children and its pods, the latest last.

    Includes those of deleted pods, as long as the API server keeps them (usually an hour). With -o json or yaml:
    {events}, each an object of the API server.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import events

    events.run(Kubectl(kubeconfig, context, namespace), name, output, warnings=warnings, follow=watch)


@commands.command(epilog=EPILOG)
@requires(
    READ_AGENT,
    permit("get patch", f"{AGENTS}/scale"),
    permit("update", "deployments.apps/scale").when("where the admission policy of the operator is installed"),
)
def scale(
    name: Name,
    replicas: Annotated[int, typer.Option(min=0, help="Number of pods; 0 stops the agent.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until this number of pods is ready.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait with --wait.")] = 300,
    output: Output = View.TEXT,
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Set the number of pods of an agent.

    Sets spec.replicas through the scale subresource. If Git has the field, change it there, too. With -o json or yaml:
    {name, replicas, before, ready}.
    """
    from agentctl.cluster import scale
    from agentctl.cluster.kubectl import Kubectl

    scale.run(Kubectl(kubeconfig, context, namespace), name, replicas, timeout if wait else None, output)

"""`agentctl upgrade plan` and `apply`, and their options. Imports are as in app.py."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - as in rollout.py

from typing import Annotated

import typer

from agentctl.commands.arguments import (
    AGENT_NAME,
    AgentNamespace,
    AllNamespaces,
    Context,
    Kubeconfig,
    OptionalName,
    Output,
    complete_agents,
)
from agentctl.errors import UsageError
from agentctl.formats import View
from agentctl.options import EPILOG
from agentctl.permissions import AGENTS, CHANNELS, COMMAND_AGENT, REVISIONS, permit, requires

UPGRADE_PLAN = (
    permit("get list", AGENTS),
    permit("list", REVISIONS),
    permit("get", "configmaps").when("if an agent reads its prompt or checks from a ConfigMap"),
    permit("list", CHANNELS).when("if an agent follows a channel; without it, its version is not compared"),
)

commands = typer.Typer(
    help="Preview and roll out the changes that a new version of the operator makes to pods.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)
RuntimeImage = Annotated[
    str,
    typer.Option(
        envvar="AGENT_OPERATOR_RUNTIME_IMAGE",
        help="Repository of the runtime image, if it changes with the upgrade. Default: the current repository.",
    ),
]


@commands.command(epilog=EPILOG)
@requires(*UPGRADE_PLAN)
def plan(
    name: OptionalName = "",
    everywhere: AllNamespaces = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show a diff of each agent; implied by a name.")] = False,
    runtime_image: RuntimeImage = "",
    output: Output = View.TEXT,
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Show how an operator of this version would change the running pods.

    A new operator does not restart agents. Each keeps its revision until its spec changes, its channel moves, or you
    run `upgrade apply`. This command renders the agents with this version of agentctl and compares the result with the
    revisions in the cluster. With -o json or yaml: {operator, agents}. Each agent has {namespace, name, from, to,
    differs, changes, diff, note}.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import upgrade

    kubectl = Kubectl(kubeconfig, context, namespace)
    upgrades = upgrade.plan(kubectl, name, runtime_image, everywhere=everywhere)
    upgrade.show(upgrades, output, diffs=diff or bool(name))


@commands.command(epilog=EPILOG)
@requires(*UPGRADE_PLAN, *COMMAND_AGENT)
def apply(
    name: Annotated[
        str, typer.Argument(help="Name of the AgentDeployment.", callback=AGENT_NAME, autocompletion=complete_agents)
    ] = "",
    everywhere: AllNamespaces = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for the rollout of each agent.")] = 900,
    runtime_image: RuntimeImage = "",
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Roll out agents as the operator renders them now.

    Each agent uses its own rollout strategy. With -A, upgrades all agents that differ, one at a time, and stops at the
    first failure. The running operator must have the version of this agentctl.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import upgrade

    if not name and not everywhere:
        raise UsageError("specify the name of an agent, or --all-namespaces")
    kubectl = Kubectl(kubeconfig, context, namespace)
    upgrades = upgrade.plan(kubectl, name, runtime_image, everywhere=everywhere)
    upgrade.apply(kubectl, upgrades, yes=yes, timeout=timeout)

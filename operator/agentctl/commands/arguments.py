"""Arguments and options that several commands share, with the completion of their values."""
# ruff: noqa: PLC0415 - completion imports kubectl only when it runs

from typing import Annotated

import typer

from agent_operator.api import constants
from agentctl.formats import View
from agentctl.options import name_of


def complete_agents(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of agents that start with a text; none if the cluster does not answer quickly."""
    from agentctl.cluster import completion

    return completion.names(completion.AGENTS, ctx.params, incomplete)


def complete_channels(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of channels that start with a text; none if the cluster does not answer quickly."""
    from agentctl.cluster import completion

    return completion.names(completion.CHANNELS, ctx.params, incomplete)


def complete_namespaces(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the namespaces that start with a text; none if the cluster does not answer quickly."""
    from agentctl.cluster import completion

    return completion.names("namespaces", ctx.params, incomplete)


AGENT_NAME = name_of(constants.KIND, constants.PLURAL, constants.SHORT_NAME)
CHANNEL_NAME = name_of(constants.CHANNEL_KIND, constants.CHANNEL_PLURAL, constants.CHANNEL_SHORT_NAME)

Name = Annotated[
    str,
    typer.Argument(
        help="Name of the AgentDeployment, or agentdeployment/NAME.",
        callback=AGENT_NAME,
        autocompletion=complete_agents,
    ),
]
OptionalName = Annotated[
    str,
    typer.Argument(
        help="Name of the AgentDeployment. Default: all in the namespace.",
        callback=AGENT_NAME,
        autocompletion=complete_agents,
    ),
]
ChannelName = Annotated[
    str,
    typer.Argument(
        help="Name of the AgentRuntimeChannel, or agentruntimechannel/NAME.",
        callback=CHANNEL_NAME,
        autocompletion=complete_channels,
    ),
]
AgentNamespace = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        help="Namespace of the AgentDeployment. Default: that of the context.",
        autocompletion=complete_namespaces,
    ),
]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Agents in all namespaces.")]
Kubeconfig = Annotated[str, typer.Option(help="Path to the kubeconfig file. Default: the one that kubectl uses.")]
Context = Annotated[str, typer.Option(help="Name of the kubeconfig context. Default: the current context.")]
Output = Annotated[View, typer.Option("--output", "-o", help="Output format.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Continue with changes until Ctrl-C.")]

"""Options that several commands share, and the epilog of every help text."""

from typing import Annotated

import typer

EPILOG = "Exit status: 0 success · 1 the request failed; the reason is on one line · 2 usage error · 130 interrupted."

Name = Annotated[str, typer.Argument(help="Name of the AgentDeployment.")]
AgentNamespace = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace of the AgentDeployment. Default: that of the context.")
]
Kubeconfig = Annotated[str, typer.Option(help="Path to the kubeconfig file. Default: the one that kubectl uses.")]
Context = Annotated[str, typer.Option(help="Name of the kubeconfig context. Default: the current context.")]

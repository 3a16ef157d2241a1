"""Options that several commands have, and what all of them say at the end of their help."""

from typing import Annotated

import typer

EPILOG = "Exit status: 0 done · 1 refused or not so, with the reason in one line · 2 wrong usage · 130 interrupted."

Name = Annotated[str, typer.Argument(help="Name of the AgentDeployment.")]
OwnNamespace = Annotated[str, typer.Option("--namespace", "-n", help="Its namespace. Default: the context's.")]
Kubeconfig = Annotated[str, typer.Option(help="Kubeconfig file. Default: as kubectl.")]
Context = Annotated[str, typer.Option(help="Context of the kubeconfig. Default: the current one.")]

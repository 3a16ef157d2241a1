"""The commands that write objects and scripts, and their options. Imports are as in app.py."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - as in rollout.py

from pathlib import Path
from typing import Annotated

import typer

from agentctl.errors import UsageError
from agentctl.formats import Component, Crds, Format, Provider, Shell
from agentctl.options import EPILOG
from agentctl.permissions import AGENTS, CHANNELS, permit, requires

commands = typer.Typer(rich_markup_mode=None)
install = typer.Typer(
    help="Print what installs the operator.", epilog=EPILOG, no_args_is_help=True, rich_markup_mode=None
)
commands.add_typer(install, name="install")


@install.command(epilog=EPILOG)
@requires()
def generate(
    crds: Annotated[
        Crds, typer.Option(help="Print the CRDs, too, or only them. Deleting a CRD deletes every agent.")
    ] = Crds.WITHOUT,
    registry: Annotated[str, typer.Option(help="Where the images are, such as HOST/PATH.")] = "",
    tag: Annotated[str, typer.Option(help="Tag of the operator's image. Default: the version of agentctl.")] = "",
    replicas: Annotated[int | None, typer.Option(min=1, help="Replicas of the operator. Default: 2.")] = None,
    namespaces: Annotated[
        list[str] | None, typer.Option("--watch", help="Namespace to watch. Can be repeated. Default: all.")
    ] = None,
    pull_secrets: Annotated[
        list[str] | None, typer.Option("--pull-secret", help="Secret for the registry. Can be repeated.")
    ] = None,
    components: Annotated[
        list[Component] | None, typer.Option("--component", help="Component to add. Can be repeated.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="Option of the operator, such as workers=16."),
    ] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="Output format.")] = Format.YAML,
) -> None:
    """Print the manifests that install the operator, for kubectl apply or a Git repository.

    They are those of deploy/kustomize, with the options given here. Apply the CRDs first:
    agentctl install generate --crds only | kubectl apply --server-side -f -
    """
    from agentctl.commands import install
    from agentctl.offline.installation import Options

    options = Options(
        registry,
        tag,
        replicas,
        tuple(namespaces or ()),
        tuple(pull_secrets or ()),
        tuple(components or ()),
        tuple(settings or ()),
    )
    install.generate(options, crds, output)


@commands.command(epilog=EPILOG)
@requires()
def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the agent.")] = "",
    provider: Annotated[Provider | None, typer.Option(help="Provider of the model; echo needs no model.")] = None,
    model: Annotated[str, typer.Option(help="Name of the model.")] = "",
    deployment: Annotated[str, typer.Option(help="Name of the Azure OpenAI deployment.")] = "",
    endpoint: Annotated[str, typer.Option(help="URL of the server of the model.")] = "",
    secret: Annotated[str, typer.Option(help="Secret with the API key of the model.")] = "",
    prompt: Annotated[str, typer.Option(help="System prompt.")] = "",
    prompt_file: Annotated[
        Path | None, typer.Option(help="File with the system prompt.", exists=True, dir_okay=False)
    ] = None,
    replicas: Annotated[int | None, typer.Option(min=0, help="Number of pods, or the minimum.")] = None,
    max_replicas: Annotated[int | None, typer.Option(min=1, help="Maximum of an autoscaler. Default: none.")] = None,
    host: Annotated[str, typer.Option(help="Host name of an Ingress. Default: none.")] = "",
    ingress_class: Annotated[str, typer.Option(help="Class of the Ingress.")] = "",
    chat_page: Annotated[bool, typer.Option("--chat-page", help="Serve a chat page.")] = False,
    output_file: Annotated[
        Path | None, typer.Option("--output-file", help="File to write. Default: standard output.", dir_okay=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="Output format.")] = Format.YAML,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace to write into the object.")] = "",
) -> None:
    """Write an AgentDeployment.

    On a terminal, asks for what the options leave open. Without one, name and --provider are required. The result has
    passed the checks of `agentctl validate`.
    """
    from agentctl.commands import new
    from agentctl.offline.draft import Answers

    if prompt and prompt_file:
        raise UsageError("--prompt and --prompt-file cannot be combined: use one of them")
    answers = Answers(
        name=name,
        namespace=namespace,
        provider=str(provider or ""),
        model=model,
        deployment=deployment,
        endpoint=endpoint,
        secret=secret,
        prompt=new.prompt_of(prompt_file) if prompt_file else prompt,
        replicas=replicas,
        max_replicas=max_replicas,
        host=host,
        ingress_class=ingress_class,
        chat_page=chat_page,
    )
    given = frozenset(key for key, value in ctx.params.items() if value not in (None, "", False))
    new.run(answers, given | ({"prompt"} if prompt_file else set()), output, output_file, force=force)


@commands.command(epilog=EPILOG)
@requires(permit("list", AGENTS, "namespaces", CHANNELS).when("to complete names"))
def completion(shell: Annotated[Shell, typer.Argument(help="Your shell.")]) -> None:
    """Print the script that completes commands, options and the names of agents.

    bash: source <(agentctl completion bash) in ~/.bashrc. zsh: source <(agentctl completion zsh) in ~/.zshrc, after
    compinit. fish: agentctl completion fish > ~/.config/fish/completions/agentctl.fish. kubectl completes its plugins
    itself, with the program kubectl_complete-agentdeploy in PATH.
    """
    from agentctl.commands import completion

    completion.run(shell)

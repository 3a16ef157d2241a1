"""The commands that observe and operate running agents, and their options. Imports are as in app.py."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - as in rollout.py

from typing import Annotated

import typer

from agentctl.commands.arguments import AgentNamespace, AllNamespaces, Context, Kubeconfig, Name, Output, Watch
from agentctl.formats import LogFormat, View
from agentctl.options import EPILOG
from agentctl.permissions import AGENTS, READ_AGENT, permit, requires

commands = typer.Typer(rich_markup_mode=None)
FORWARD = permit("create get", "pods/portforward")


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
    permit("patch", f"{AGENTS}/scale"),
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


@commands.command(
    epilog="Exit status: 0 the last message was answered · 1 the request failed · 2 usage error · 130 interrupted."
)
@requires(READ_AGENT, permit("list", "pods"), permit("get", "pods"), FORWARD)
def chat(
    name: Name,
    session: Annotated[str, typer.Option("--session", help="Id of the session to continue.")] = "",
    model: Annotated[str, typer.Option("--model", help="Name of the model. Default: that of the agent.")] = "",
    pod: Annotated[str, typer.Option("--pod", help="Pod to chat with. Default: any that is ready.")] = "",
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Chat with an agent through a port that is forwarded to one of its pods.

    Streams the answers. On a terminal, /new starts a new conversation and /quit ends the chat. Without a terminal, each
    line of standard input is a message. If the agent requires an API key, set AGENT_API_KEY.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import chat

    kubectl = Kubectl(kubeconfig, context, namespace)
    raise typer.Exit(chat.run(kubectl, name, pod=pod, session=session, model=model))


@commands.command("open", epilog=EPILOG)
@requires(
    READ_AGENT,
    *(
        item.when("without an Ingress or a Gateway")
        for item in (permit("list", "pods"), permit("get", "pods"), FORWARD)
    ),
)
def open_(
    name: Name,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of this machine. Default: a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open a browser, if the output is a terminal.")] = True,
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Open the chat page of an agent in a browser, and print its URL.

    Uses the URL of the Ingress or the Gateway. Without one, forwards a port of this machine to a pod until Ctrl-C.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import open_agent

    open_agent.run(Kubectl(kubeconfig, context, namespace), name, port=port, browser=browser)


@commands.command(epilog=EPILOG)
@requires(
    READ_AGENT,
    permit("list", "pods"),
    permit("get", "pods", "pods/log"),
    permit("watch", "pods").when("with --follow"),
)
def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue with new lines and pods.")] = False,
    since: Annotated[str, typer.Option(help="Only lines of this time, such as 10m or 2h.")] = "",
    tail: Annotated[int | None, typer.Option(min=0, help="Only the last lines of each pod.")] = None,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Containers before their last restart.")] = False,
    pod: Annotated[str, typer.Option("--pod", help="Only this pod.")] = "",
    container: Annotated[str, typer.Option("--container", "-c", help="Container of the pods.")] = "agent",
    timestamps: Annotated[bool, typer.Option("--timestamps", help="Print the time of each line.")] = False,
    prefix: Annotated[bool, typer.Option(help="Print the name of the pod before each line.")] = True,
    max_pods: Annotated[int, typer.Option(min=1, help="Pods whose logs are followed at once.")] = 20,
    output: Annotated[LogFormat, typer.Option("--output", "-o", help="Output format.")] = LogFormat.TEXT,
    namespace: AgentNamespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Print the logs of all pods of an agent, merged in the order of their times.

    With --follow, includes the pods and containers that start later. With -o json, each line is a value
    {pod, container, time, message}.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.cluster.pod_logs import Options
    from agentctl.commands import logs

    display = logs.Display(output, timestamps, prefix, pod, max_pods)
    options = Options(container, since, tail, previous)
    logs.run(Kubectl(kubeconfig, context, namespace), name, options, display, follow=follow)

"""The commands that find out what is wrong with an agent, and their options."""
# ruff: noqa: PLC0415 - as in app

from pathlib import Path
from typing import Annotated

import typer

from agentctl.commands.arguments import AgentNamespace, Context, Kubeconfig, Name
from agentctl.formats import View
from agentctl.options import EPILOG
from agentctl.permissions import READ_AGENT, permit, requires

commands = typer.Typer()
Connect = Annotated[
    bool, typer.Option("--connect/--no-connect", help="Check the connections of the agent from inside a pod.")
]
_READ = (
    READ_AGENT,
    permit(
        "list",
        "deployments.apps",
        "endpointslices.discovery.k8s.io",
        "events.events.k8s.io",
        "horizontalpodautoscalers.autoscaling",
        "networkpolicies.networking.k8s.io",
        "poddisruptionbudgets.policy",
        "pods",
        "resourcequotas",
        "services",
    ),
    permit("get", "pods/log", "secrets", "serviceaccounts"),
    permit("list", "pods.metrics.k8s.io").when("to compare the usage with the limits"),
    permit("create", "pods/exec").when("to check connections from a pod"),
    permit("get", "nodes").when("to check the nodes of the pods"),
    permit("list", "pods", "deployments.apps", "leases.coordination.k8s.io").when(
        "in all namespaces, for the operator"
    ),
    permit("list", "ingresses.networking.k8s.io", "ingressclasses.networking.k8s.io").when("with spec.ingress"),
    permit("list", "certificates.cert-manager.io").when("with spec.ingress.tls"),
)


@commands.command(
    epilog="Exit status: 0 no problems · 1 problems · 2 the agent cannot be read, or usage error · 130 interrupted."
)
@requires(*_READ)
def doctor(
    name: Name,
    namespace: AgentNamespace = "",
    output: Annotated[View, typer.Option("--output", "-o", help="Output format.")] = View.TEXT,
    connect: Connect = True,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Find out what is wrong with an agent: evidence, cause and remedy of each problem.

    Checks the operator, conditions, pods, health, network, resources, quotas, Secrets, identity, policies, Service,
    Ingress, certificate, autoscaler and disruption budget. Changes nothing. What you may not read is listed, and is no
    problem.

    The connections are checked by `agent-runtime check-network` in a pod: DNS, TCP, TLS and HTTP for each server in the
    config, with the proxy, the authorities and the credentials of the agent. No value of a Secret is printed.

    With -o json or yaml: {agent, namespace, problems, findings, leftOut, areas}. Each finding has {severity, area,
    reason, subject, evidence, cause, remedy}; severity is error, warning or info.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import doctor

    kubectl = Kubectl(kubeconfig=kubeconfig, context=context, namespace=namespace)
    raise typer.Exit(doctor.run(kubectl, name, output, connect=connect))


@commands.command(epilog=EPILOG)
@requires(
    *_READ,
    permit(
        "list",
        "configmaps",
        "controllerrevisions.apps",
        "jobs.batch",
        "limitranges",
        "replicasets.apps",
    ),
    permit("get", "pods/log").when("in the namespace of the operator, for its log"),
)
def report(
    name: Name,
    namespace: AgentNamespace = "",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File to write. Default: NAME-TIME.tar.gz.", dir_okay=False, metavar="FILE.tar.gz"
        ),
    ] = None,
    connect: Connect = True,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Write a support bundle: the agent, its children and pods, Events, logs, the operator, and what doctor finds.

    Values of Secrets, and what looks like a credential, are replaced by (redacted). A credential in an unusual form
    may remain: look at the files before you share them. The bundle has at most 24 MiB before compression, and 1 MiB per
    file. Only you may read the file. What you may not read is left out, and listed in doctor.txt.
    """
    from agentctl.cluster.kubectl import Kubectl
    from agentctl.commands import report

    report.run(Kubectl(kubeconfig=kubeconfig, context=context, namespace=namespace), name, output, connect=connect)

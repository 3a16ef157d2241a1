"""What works but deserves a word: told as warnings."""

from collections.abc import Iterator

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import credentials, disruption, endpoints
from agent_operator.inputs.agent_inputs import Inputs

_UNPRIVILEGED = 1024


def credentials_are_plain(inputs: Inputs) -> Iterator[Problem]:
    """Secrets in the AgentDeployment are read by all who may read it."""
    if inputs.spec.credentials and inputs.spec.credentials.values:
        message = "whoever reads this object reads these secrets: use secretRef or externalSecret in production"
        yield Problem(SpecReason.PLAIN_CREDENTIALS, "spec.credentials.values", message)


def replicas_are_ignored(inputs: Inputs) -> Iterator[Problem]:
    """The autoscaler owns the number of replicas."""
    if inputs.spec.autoscaling and inputs.spec.replicas is not None:
        message = "not used, for autoscaling decides: remove it, or remove spec.autoscaling"
        yield Problem(SpecReason.REPLICAS_IGNORED, "spec.replicas", message)


def identity_is_overridden(inputs: Inputs) -> Iterator[Problem]:
    """The webhook leaves alone what the pod sets."""
    identity = inputs.spec.identity
    given = [key.name for key in credentials.keys(inputs) if key.name in credentials.IDENTITY_KEYS]
    if identity and identity.azure_workload_identity and given:
        message = f"the pods use {', '.join(given)} and not the workload identity: remove one of the two"
        yield Problem(SpecReason.IDENTITY_OVERRIDDEN, "spec.credentials", message)


def account_must_be_annotated(inputs: Inputs) -> Iterator[Problem]:
    """An account that is not ours is never written to."""
    identity = inputs.spec.identity
    account = identity.service_account if identity else None
    if identity and identity.azure_workload_identity and account and account.name:
        message = (
            f"the ServiceAccount {account.name} is not managed here: annotate it with {constants.ANNOTATION_CLIENT_ID}"
        )
        yield Problem(SpecReason.IDENTITY_NOT_ANNOTATED, "spec.identity.serviceAccount.name", message)


def budget_is_lowered(inputs: Inputs) -> Iterator[Problem]:
    """A budget that lets no pod go would block every drain."""
    if disruption.budget(inputs.spec.disruption_budget, inputs.fewest_replicas).lowered:
        message = f"with {inputs.fewest_replicas} replicas no node could be drained: maxUnavailable 1 is used instead"
        yield Problem(SpecReason.BUDGET_LOWERED, "spec.disruptionBudget", message)


def service_ports_may_differ(inputs: Inputs) -> Iterator[Problem]:
    """A NetworkPolicy sees the port of the pods behind a Service, and few pods listen below 1024."""
    policy = inputs.spec.network_policy
    if policy and policy.enabled is False:
        return
    try:
        named = endpoints.all_of(inputs.spec)
    except ValueError:
        return  # refused by another rule
    for endpoint in named:
        if endpoint.port < _UNPRIVILEGED and endpoint.namespace(inputs.namespace):
            message = (
                f"the NetworkPolicy opens port {endpoint.port} of the pods behind this Service: if its targetPort is "
                "another, add that to spec.networkPolicy.extraEgress"
            )
            yield Problem(SpecReason.PORT_MAY_DIFFER, endpoint.field, message)


def path_is_not_stripped(inputs: Inputs) -> Iterator[Problem]:
    """The agent answers at /."""
    ingress = inputs.spec.ingress
    if ingress and (ingress.path or "/") != "/" and not ingress.annotations:
        message = "the agent answers at / and gets this path as it is: add your controller's annotation that strips it"
        yield Problem(SpecReason.PATH_NOT_STRIPPED, "spec.ingress.path", message)

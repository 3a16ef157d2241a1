"""Preflight checks of Azure workload identity, with remedies for an Azure user. Pure.

The problems are warnings and do not block an agent, because their causes are mostly outside of the cluster.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason, SpecReason
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.trimming import AZURE_AUDIENCE

_INSTALL = (
    "on AKS run `az aks update --enable-oidc-issuer --enable-workload-identity`, elsewhere install the Helm chart "
    "workload-identity-webhook of https://azure.github.io/azure-workload-identity"
)


def preflight(
    inputs: Inputs, pods: Sequence[Mapping[str, Any]], annotations: Mapping[str, str] | None
) -> Iterator[Problem]:
    """Yield what prevents the pods from signing in to Azure.

    Args:
        inputs: the agent.
        pods: its live pods, trimmed.
        annotations: annotations of the ServiceAccount that the agent references; None if it does not exist.
    """
    identity = inputs.spec.identity
    account = identity.service_account if identity else None
    azure = identity.azure_workload_identity if identity else None
    if account and account.name and annotations is None:
        yield Problem(
            Reason.SERVICE_ACCOUNT_MISSING,
            "spec.identity.serviceAccount.name",
            f"the ServiceAccount {inputs.namespace}/{account.name} does not exist, so pods cannot be created: create "
            "it, "
            "or remove name so that the operator creates one",
        )
    if azure is None:
        return
    if account and account.name and annotations is not None:
        yield from _unannotated(f"{inputs.namespace}/{account.name}", azure.client_id, annotations)
    yield from _without_token(inputs, [pod for pod in pods if not pod.get("ended")])


def _unannotated(account: str, client_id: str, annotations: Mapping[str, str]) -> Iterator[Problem]:
    found = annotations.get(constants.ANNOTATION_CLIENT_ID)
    namespace, _, name = account.partition("/")
    remedy = f"kubectl annotate --overwrite sa -n {namespace} {name} {constants.ANNOTATION_CLIENT_ID}={client_id}"
    if not found:
        message = f"the operator does not own the ServiceAccount {account}, which lacks the annotation: run `{remedy}`"
        yield Problem(SpecReason.IDENTITY_NOT_ANNOTATED, "spec.identity.serviceAccount.name", message)
    elif found != client_id:
        message = f"the ServiceAccount {account} is annotated with another client ID, {found}: correct clientId, or run"
        field = "spec.identity.azureWorkloadIdentity.clientId"
        yield Problem(SpecReason.IDENTITY_NOT_ANNOTATED, field, f"{message} `{remedy}`")


def _without_token(inputs: Inputs, pods: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    field = "spec.identity.azureWorkloadIdentity"
    without_token = [pod for pod in pods if not pod.get("federated")]
    if without_token:
        yield Problem(
            Reason.IDENTITY_TOKEN_MISSING,
            field,
            f"{len(without_token)} of {len(pods)} pods have no token of the identity, because the Azure workload "
            "identity "
            f"webhook is not installed, or was not when the pods were created: {_INSTALL}; then "
            f"`kubectl rollout restart -n {inputs.namespace} deployment/{inputs.name}`",
        )
    audiences = sorted({audience for pod in pods for audience in pod.get("audiences", ())})
    if audiences and AZURE_AUDIENCE not in audiences:
        yield Problem(
            Reason.IDENTITY_AUDIENCE_WRONG,
            field,
            f"the audience of the pods' token is {', '.join(audiences)}, which Microsoft Entra ID rejects: "
            f"project a token for {AZURE_AUDIENCE}",
        )

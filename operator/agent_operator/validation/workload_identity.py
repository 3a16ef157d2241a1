"""Whether Azure workload identity can work for an agent, told in words that an Azure user acts on. Pure.

Nothing of this holds an agent up: it is told as a warning, for what is missing is mostly outside the cluster's objects.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason, SpecReason
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.objects import AZURE_AUDIENCE

_INSTALL = (
    "on AKS run `az aks update --enable-oidc-issuer --enable-workload-identity`, elsewhere install the Helm chart "
    "workload-identity-webhook of https://azure.github.io/azure-workload-identity"
)


def preflight(
    inputs: Inputs, pods: Sequence[Mapping[str, Any]], annotations: Mapping[str, str] | None
) -> Iterator[Problem]:
    """Tell what keeps the pods from signing in.

    Args:
        inputs: the agent.
        pods: its live pods, trimmed.
        annotations: of the ServiceAccount that the agent names and does not own; None when it is not there.
    """
    identity = inputs.spec.identity
    account = identity.service_account if identity else None
    azure = identity.azure_workload_identity if identity else None
    if account and account.name and annotations is None:
        yield Problem(
            Reason.SERVICE_ACCOUNT_MISSING,
            "spec.identity.serviceAccount.name",
            f"there is no ServiceAccount {inputs.namespace}/{account.name}, so no "
            "pod can be created: create it, or remove name to have one made",
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
        message = f"the ServiceAccount {account} is not managed here and lacks the annotation: run `{remedy}`"
        yield Problem(SpecReason.IDENTITY_NOT_ANNOTATED, "spec.identity.serviceAccount.name", message)
    elif found != client_id:
        message = f"the ServiceAccount {account} is annotated with another client ID, {found}: correct clientId, or run"
        field = "spec.identity.azureWorkloadIdentity.clientId"
        yield Problem(SpecReason.IDENTITY_NOT_ANNOTATED, field, f"{message} `{remedy}`")


def _without_token(inputs: Inputs, pods: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    field = "spec.identity.azureWorkloadIdentity"
    bare = [pod for pod in pods if not pod.get("federated")]
    if bare:
        yield Problem(
            Reason.IDENTITY_TOKEN_MISSING,
            field,
            f"{len(bare)} of {len(pods)} pods carry no token of the identity, so the webhook of Azure "
            f"workload identity does not run here, or did not when they were created: {_INSTALL}; then "
            f"`kubectl rollout restart -n {inputs.namespace} deployment/{inputs.name}`",
        )
    wrong = sorted({audience for pod in pods for audience in pod.get("audiences", ())})
    if wrong and AZURE_AUDIENCE not in wrong:
        yield Problem(
            Reason.IDENTITY_AUDIENCE_WRONG,
            field,
            f"the pods' token is for the audience {', '.join(wrong)}, which Microsoft Entra ID refuses: "
            f"project it for {AZURE_AUDIENCE}",
        )

"""The cloud identity of the pods: annotation, label, token and federation of Azure workload identity. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.kube.shapes import mapping, text
from agent_operator.kube.trimming import AZURE_AUDIENCE, trim_pod
from agentctl.diagnosis.evidence import Evidence, annotations_of, labels_of, name_of
from agentctl.diagnosis.findings import Area, Finding, Severity
from agentctl.diagnosis.pods import serving_spec

_FIELD = "spec.identity.azureWorkloadIdentity"
_TOKEN_REASONS = ("CredentialsRefused", "TokenUnavailable")


def find(evidence: Evidence) -> Iterator[Finding]:
    """Yield what prevents the pods from signing in as their identity."""
    identity = mapping(evidence.spec.get("identity"))
    azure = mapping(identity.get("azureWorkloadIdentity"))
    account = account_name(evidence)
    live = evidence.named("serviceaccounts", account)
    if evidence.has("serviceaccounts") and live is None and evidence.deployments():
        yield Finding(
            Severity.ERROR,
            Area.IDENTITY,
            "ServiceAccountMissing",
            f"ServiceAccount {account}",
            f"the API server does not find it in the namespace {evidence.namespace}",
            "pods cannot be created without their ServiceAccount",
            f"`kubectl create serviceaccount -n {evidence.namespace} {account}`, or remove "
            "spec.identity.serviceAccount.name",
        )
    if not azure:
        return
    if live is not None:
        yield from _annotation(evidence, account, live, text(azure.get("clientId")))
    for pod in evidence.pods():
        if name_of(pod):
            yield from _token(evidence, pod)
    yield from _federation(evidence, account, text(azure.get("clientId")))


def account_name(evidence: Evidence) -> str:
    """Return the name of the ServiceAccount of the pods."""
    own = mapping(mapping(evidence.spec.get("identity")).get("serviceAccount")).get("name")
    return text(serving_spec(evidence).get("serviceAccountName")) or text(own) or evidence.name


def _annotation(evidence: Evidence, account: str, live: Mapping[str, Any], client: str) -> Iterator[Finding]:
    found = text(annotations_of(live).get(constants.ANNOTATION_CLIENT_ID))
    if found == client:
        return
    yield Finding(
        Severity.ERROR,
        Area.IDENTITY,
        "IdentityNotAnnotated",
        f"ServiceAccount {account}",
        f"annotation {constants.ANNOTATION_CLIENT_ID}: {found or 'missing'}; {_FIELD}.clientId: {client}",
        "the pods sign in as another identity, or as none",
        f"`kubectl annotate --overwrite sa -n {evidence.namespace} {account} "
        f"{constants.ANNOTATION_CLIENT_ID}={client}`, or correct {_FIELD}.clientId",
    )


def _token(evidence: Evidence, pod: Mapping[str, Any]) -> Iterator[Finding]:
    label = labels_of(pod).get(constants.LABEL_WORKLOAD_IDENTITY)
    restart = f"`kubectl rollout restart -n {evidence.namespace} deployment/{evidence.name}`"
    if label != "true":
        yield Finding(
            Severity.ERROR,
            Area.IDENTITY,
            "IdentityLabelMissing",
            f"Pod {name_of(pod)}",
            f"label {constants.LABEL_WORKLOAD_IDENTITY}: {text(label) or 'missing'}",
            "the webhook of workload identity ignores a pod without the label",
            f"remove what overrides the label in spec.podTemplate, then {restart}",
        )
        return
    trimmed = trim_pod(pod)
    if not trimmed.get("federated"):
        yield Finding(
            Severity.ERROR,
            Area.IDENTITY,
            "IdentityTokenMissing",
            f"Pod {name_of(pod)}",
            "the pod has neither the variable AZURE_FEDERATED_TOKEN_FILE nor the volume azure-identity-token",
            "the Azure workload identity webhook is not installed, or was not when the pod was created",
            "on AKS run `az aks update --enable-oidc-issuer --enable-workload-identity`, elsewhere install the Helm "
            f"chart workload-identity-webhook; then {restart}",
        )
    elif trimmed.get("audiences") and AZURE_AUDIENCE not in trimmed["audiences"]:
        yield Finding(
            Severity.ERROR,
            Area.IDENTITY,
            "IdentityAudienceWrong",
            f"Pod {name_of(pod)}",
            f"audiences of the projected tokens: {', '.join(map(str, trimmed['audiences'][:8]))}",
            "Microsoft Entra ID refuses a token with another audience",
            f"project a token for the audience {AZURE_AUDIENCE}",
        )


def _federation(evidence: Evidence, account: str, client: str) -> Iterator[Finding]:
    """Yield the subject and the audience that the federated credential must have. The cluster does not know it."""
    subject = f"system:serviceaccount:{evidence.namespace}:{account}"
    health = str(evidence.status.get("conditions"))[:65536] + str(evidence.network or "")[:65536]
    is_refused = any(reason in health for reason in _TOKEN_REASONS)
    yield Finding(
        Severity.ERROR if is_refused else Severity.INFO,
        Area.IDENTITY,
        "FederationRefused" if is_refused else "Federation",
        f"identity {client}",
        f"issuer: `kubectl get --raw /.well-known/openid-configuration`; subject: {subject}; audience: "
        f"{AZURE_AUDIENCE}",
        "Microsoft Entra ID refuses the identity of the pods: its federated credential differs, or it lacks a role"
        if is_refused
        else "the federated credential of the identity must have this issuer, subject and audience",
        f"compare with `az identity federated-credential list --identity-name NAME -g GROUP`; create it with `az "
        f"identity federated-credential create ... --subject {subject} --audiences {AZURE_AUDIENCE}`",
    )

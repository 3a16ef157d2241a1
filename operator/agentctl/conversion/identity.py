"""spec.identity from the ServiceAccount of the pods."""

from agent_operator.api import constants
from agentctl.conversion.findings import Finding, changed, lost
from agentctl.conversion.manifests import Manifest
from agentctl.conversion.parts import Part, present
from agentctl.conversion.workload import Workload
from agentctl.objects import Object, nested_field

_FIELD = "spec.template.spec.serviceAccountName"
_NO_ACCESS = "the pods get no token of the ServiceAccount, because agents do not use the Kubernetes API"


def identity(workload: Workload) -> Part:
    """Return identity, and what becomes of the ServiceAccount."""
    name = workload.pod.get("serviceAccountName")
    if not isinstance(name, str) or name in ("", "default"):
        reason = "the operator creates a ServiceAccount without rights for each agent"
        replaced = (changed(workload.deployment, _FIELD, reason),) if name else ()
        return Part(findings=(*_rights(workload, "default"), *replaced))
    account = workload.find("ServiceAccount", name)
    if account is None or name != workload.name:
        return _existing(workload, name, account)
    azure = _azure(account)
    known = (constants.ANNOTATION_CLIENT_ID, constants.ANNOTATION_TENANT_ID) if azure else ()
    annotations = {key: value for key, value in account.annotations.items() if key not in known}
    own = {"annotations": annotations} if annotations else None
    spec = present({"azureWorkloadIdentity": azure, "serviceAccount": own})
    findings = _rights(workload, name)
    if azure and not _has_webhook_label(workload):
        reason = "the operator labels the pods with azure.workload.identity/use, so that the webhook adds a token"
        findings = (*findings, changed(account, f"metadata.annotations[{constants.ANNOTATION_CLIENT_ID}]", reason))
    return Part({"identity": spec} if spec else {}, findings, (account,), expected=((account, account.body),))


def _existing(workload: Workload, name: str, account: Manifest | None) -> Part:
    """Keep a ServiceAccount with another name than the agent."""
    azure = _azure(account) if account else None
    spec = present({"azureWorkloadIdentity": azure, "serviceAccount": {"name": name}})
    stays = ((account, "the pods still use it: cloud identities trust its name"),) if account else ()
    return Part({"identity": spec}, _rights(workload, name), stays=stays)


def _has_webhook_label(workload: Workload) -> bool:
    return workload.labels.get(constants.LABEL_WORKLOAD_IDENTITY) == "true"


def _azure(account: Manifest) -> Object | None:
    client = account.annotations.get(constants.ANNOTATION_CLIENT_ID)
    tenant = account.annotations.get(constants.ANNOTATION_TENANT_ID)
    return present({"clientId": client, "tenantId": tenant}) if client else None


def _rights(workload: Workload, account: str) -> tuple[Finding, ...]:
    """Return a finding for each binding of the ServiceAccount."""
    bindings = (*workload.of_kind("RoleBinding"), *workload.of_kind("ClusterRoleBinding"))
    return tuple(
        lost(binding, "subjects", f"{_NO_ACCESS}: keep a program that uses it outside of the agent")
        for binding in bindings
        if any(_is_subject(subject, account, workload.namespace) for subject in _subjects(binding))
    )


def _subjects(binding: Manifest) -> list[object]:
    subjects = binding.body.get("subjects")
    return subjects if isinstance(subjects, list) else []


def _is_subject(subject: object, account: str, namespace: str) -> bool:
    named = nested_field(subject, "kind") == "ServiceAccount" and nested_field(subject, "name") == account
    return named and nested_field(subject, "namespace") in (None, namespace)

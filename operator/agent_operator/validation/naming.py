"""Names, namespaces, labels and annotations."""

import re
from collections.abc import Iterator, Mapping

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.api.v1alpha1.monitoring import Monitoring
from agent_operator.inputs.agent_inputs import Inputs

PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_AGENT_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_META_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_COMMON_LABELS = "spec.commonLabels"
_COMMON_ANNOTATIONS = "spec.commonAnnotations"
# Further keys that are not allowed for all children, with the remedy.
_NOT_COMMON = {
    constants.LABEL_APP: "use another key, such as app.kubernetes.io/part-of",
    constants.LABEL_WORKLOAD_IDENTITY: "use spec.identity.azureWorkloadIdentity",
    constants.ANNOTATION_CLIENT_ID: "use spec.identity.azureWorkloadIdentity",
    constants.ANNOTATION_TENANT_ID: "use spec.identity.azureWorkloadIdentity",
    "prometheus.io/scrape": "use spec.podTemplate",
    "prometheus.io/port": "use spec.podTemplate",
    constants.ANNOTATION_INGRESS_CLASS: "use spec.ingress.annotations",
    "pod-template-hash": "remove it",
    "controller-revision-hash": "remove it",
}
_OF_KUBERNETES = (
    *("kubernetes.io/", "k8s.io/", "kubectl.kubernetes.io/", "deployment.kubernetes.io/", "autoscaling.kubernetes.io/"),
    *("container.apparmor.security.beta.kubernetes.io/", "seccomp.security.alpha.kubernetes.io/"),
    *("pod-security.kubernetes.io/", "batch.kubernetes.io/", "control-plane.alpha.kubernetes.io/"),
)
_RESERVED_LABELS = (
    *(constants.LABEL_NAME, constants.LABEL_COMPONENT, constants.LABEL_INSTANCE, constants.LABEL_MANAGED_BY),
    *(constants.LABEL_NAMESPACE_NAME, constants.LABEL_POD_SECURITY),
)


def is_metadata_key(key: str) -> bool:
    """Return whether this is a qualified name: the key of a label, an annotation or an extended resource."""
    return _META_KEY.fullmatch(key) is not None


def name_fits(inputs: Inputs) -> Iterator[Problem]:
    if len(inputs.name) > constants.MAX_NAME_LENGTH or not _AGENT_NAME.fullmatch(inputs.name):
        yield Problem(
            SpecReason.NAME_INVALID,
            "metadata.name",
            f"must be a DNS label of at most {constants.MAX_NAME_LENGTH} characters that starts with a letter, because "
            "the children are named after it: choose another name",
        )


def namespace_is_allowed(inputs: Inputs) -> Iterator[Problem]:
    if not inputs.spec.namespace:
        return
    field = "spec.namespace.name"
    if inputs.namespace == inputs.own_namespace:
        message = "is the namespace of the AgentDeployment: remove spec.namespace to keep the children there"
        yield Problem(SpecReason.NAMESPACE_NOT_ALLOWED, field, message)
    if inputs.namespace in PROTECTED_NAMESPACES or inputs.namespace.startswith("kube-"):
        yield Problem(SpecReason.NAMESPACE_NOT_ALLOWED, field, f"{inputs.namespace} is reserved: choose another")


def metadata_is_valid(inputs: Inputs) -> Iterator[Problem]:
    spec = inputs.spec
    account = spec.identity.service_account if spec.identity else None
    monitoring = spec.monitoring or Monitoring()
    monitor, rule, dashboard = monitoring.service_monitor, monitoring.prometheus_rule, monitoring.dashboard
    labels = {
        _COMMON_LABELS: spec.common_labels,
        "spec.namespace.labels": spec.namespace and spec.namespace.labels,
        "spec.scheduling.nodeSelector": spec.scheduling and spec.scheduling.node_selector,
        "spec.monitoring.serviceMonitor.labels": monitor and monitor.labels,
        "spec.monitoring.prometheusRule.labels": rule and rule.labels,
        "spec.monitoring.dashboard.labels": dashboard and dashboard.labels,
    }
    annotations = {
        _COMMON_ANNOTATIONS: spec.common_annotations,
        "spec.service.annotations": spec.service and spec.service.annotations,
        "spec.ingress.annotations": spec.ingress and spec.ingress.annotations,
        "spec.identity.serviceAccount.annotations": account and account.annotations,
    }
    for field, entries in (labels | annotations).items():
        yield from _keys_are_valid(field, entries or {}, check_reserved=not field.endswith("nodeSelector"))
    for field, entries in labels.items():
        for key, value in (entries or {}).items():
            if not _LABEL_VALUE.fullmatch(value):
                message = "not a valid label value (at most 63 letters, digits, -, _ and .): shorten or correct it"
                yield Problem(SpecReason.LABEL_INVALID, f"{field}[{key}]", message)


def _keys_are_valid(field: str, entries: Mapping[str, str], *, check_reserved: bool) -> Iterator[Problem]:
    for key in entries:
        if not _META_KEY.fullmatch(key):
            message = "not a valid key such as team or example.com/team: correct it"
            yield Problem(SpecReason.LABEL_INVALID, f"{field}[{key[:63]}]", message)
        elif check_reserved and (key in _RESERVED_LABELS or key.startswith(f"{constants.GROUP}/")):
            remedy = "use spec.namespace.podSecurity" if key == constants.LABEL_POD_SECURITY else "remove it"
            yield Problem(SpecReason.LABEL_INVALID, f"{field}[{key}]", f"set by the operator: {remedy}")


def common_metadata_is_free(inputs: Inputs) -> Iterator[Problem]:
    """Keys that select pods, or that the operator or Kubernetes writes, cannot be common to all children."""
    given = {_COMMON_LABELS: inputs.spec.common_labels, _COMMON_ANNOTATIONS: inputs.spec.common_annotations}
    for field, entries in given.items():
        for key in entries or {}:
            if key in _NOT_COMMON or key.startswith(_OF_KUBERNETES):
                message = f"set by the operator or by Kubernetes: {_NOT_COMMON.get(key, 'remove it')}"
                yield Problem(SpecReason.LABEL_INVALID, f"{field}[{key}]", message)

"""Why a container or a pod does not start, from the words of Kubernetes. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """The cause and the remedy of a failure. `{...}` in the remedy is replaced."""

    cause: str
    remedy: str


_Table = Sequence[tuple[str, Explanation]]
IMAGE_REASONS = frozenset({"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})

IMAGES: _Table = (
    (
        r"unauthorized|authentication required|denied|\b401\b|\b403\b",
        Explanation(
            "the registry refuses the node's credentials, or the image does not exist there",
            "create a pull secret with `kubectl create secret docker-registry` and name it in "
            "spec.runtime.imagePullSecrets, or correct {image_field}",
        ),
    ),
    (
        r"no such host|server misbehaving|lookup ",
        Explanation("the host name of the registry does not resolve on the node", "correct {image_field}"),
    ),
    (
        r"x509|certificate",
        Explanation(
            "the node does not trust the certificate of the registry",
            "let the nodes trust its CA, or correct {image_field}",
        ),
    ),
    (
        r"toomanyrequests|rate limit|\b429\b",
        Explanation(
            "the registry limits the rate of pulls",
            "use a pull secret in spec.runtime.imagePullSecrets, or a mirror in {image_field}",
        ),
    ),
    (
        r"i/o timeout|deadline exceeded|connection refused|connection reset|no route",
        Explanation("the node does not reach the registry", "open the network of the nodes, or correct {image_field}"),
    ),
    (
        r"no match for platform|exec format",
        Explanation("the image has no variant for the architecture of the node", "build it, or correct {image_field}"),
    ),
    (
        r"not found|manifest unknown|unknown image|does not exist",
        Explanation("the image or its tag does not exist in the registry", "push it, or correct {image_field}"),
    ),
)
ANY_IMAGE = Explanation("the node cannot pull the image", "correct {image_field}")

SCHEDULING: _Table = (
    (
        r"Insufficient (cpu|memory|ephemeral-storage|[a-z0-9./-]+)",
        Explanation(
            "no node has as much free {match} as the pod requests",
            "lower {resources_field}.requests, or add a node; compare with `kubectl describe nodes`",
        ),
    ),
    (
        r"Too many pods",
        Explanation("the nodes run as many pods as they may", "add a node, or lower spec.replicas"),
    ),
    (
        r"untolerated taint|had taint",
        Explanation(
            "the nodes have taints that the pod does not tolerate",
            "add spec.scheduling.tolerations, or remove the taint with `kubectl taint`",
        ),
    ),
    (
        r"volume node affinity|persistentvolumeclaim|unbound immediate",
        Explanation(
            "a volume of the pod cannot be used on any node",
            "create the PersistentVolumeClaim, or correct spec.podTemplate.spec.volumes; see `kubectl get pvc`",
        ),
    ),
    (
        r"node affinity|node selector|nodeSelector|didn't match Pod's",
        Explanation(
            "no node has the labels that the pod requires",
            "correct spec.scheduling or spec.podTemplate.spec.nodeSelector; see `kubectl get nodes --show-labels`",
        ),
    ),
    (
        r"topology spread|anti-affinity",
        Explanation(
            "the constraints of spec.scheduling forbid every node",
            "relax the constraints in spec.scheduling, or add a node",
        ),
    ),
    (
        r"no nodes available|0/0 nodes",
        Explanation("the cluster has no node", "add a node"),
    ),
)
ANY_SCHEDULING = Explanation("no node fits the pod", "see the evidence; compare with `kubectl describe nodes`")

CONFIG: _Table = (
    (
        r"couldn't find key (\S+)",
        Explanation("the Secret or ConfigMap lacks the key {match}", "add the key, or correct the variable in spec"),
    ),
    (
        r'(?:secret|configmap) "([^"\s]{1,253})" not found',
        Explanation("the pod uses {match}, which does not exist", "create it, or correct the reference in spec"),
    ),
    (
        r"runAsNonRoot|run as root|non-numeric user",
        Explanation(
            "the image runs as root, which the hardening of the pods forbids",
            "build the image with a numeric USER, or set securityContext.runAsUser in spec.podTemplate",
        ),
    ),
)
ANY_CONFIG = Explanation("the kubelet cannot create the container", "correct the container in spec")

REJECTIONS: _Table = (
    (
        r"exceeded quota: ([^,\s]{1,253})",
        Explanation(
            "the ResourceQuota {match} has no room for the pod",
            "raise the quota, lower spec.resources or spec.replicas, or delete other pods; see `kubectl describe "
            "resourcequota -n {namespace}`",
        ),
    ),
    (
        r"failed quota: ([^:\s]{1,253})",
        Explanation(
            "the ResourceQuota {match} requires a value that the pod does not set",
            "set it in spec.resources, or in the container of spec.podTemplate",
        ),
    ),
    (
        r"(minimum|maximum) \S+ usage per (?:Container|Pod)|limit to request ratio",
        Explanation(
            "a LimitRange of the namespace forbids the resources of the pod",
            "correct {resources_field}; see `kubectl describe limitrange -n {namespace}`",
        ),
    ),
    (
        r"violates PodSecurity",
        Explanation(
            "the Pod Security Standard of the namespace forbids a setting of the pod",
            "remove the setting from spec.podTemplate; see the label pod-security.kubernetes.io/enforce of the "
            "namespace",
        ),
    ),
    (
        r"serviceaccount \S+ not found|service account \S+ not found|error looking up service account",
        Explanation(
            "the ServiceAccount of the pods does not exist",
            "create it, or remove spec.identity.serviceAccount.name so that the operator creates one",
        ),
    ),
    (
        r"PriorityClass",
        Explanation(
            "the PriorityClass of the pods does not exist",
            "create it, or correct spec.scheduling.priorityClassName; see `kubectl get priorityclass`",
        ),
    ),
    (
        r"RuntimeClass",
        Explanation(
            "the RuntimeClass of the pods does not exist",
            "create it, or correct spec.isolation.runtimeClassName; see `kubectl get runtimeclass`",
        ),
    ),
    (
        r"admission webhook .{0,300}? denied|ValidatingAdmissionPolicy|denied the request|denied request",
        Explanation(
            "an admission policy of the cluster forbids the object",
            "change the field that the message names, or ask who owns the policy for an exception",
        ),
    ),
    (
        r"failed calling webhook",
        Explanation(
            "an admission webhook of the cluster does not answer, so that the API server rejects the object",
            "repair the webhook; see `kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`",
        ),
    ),
)
ANY_REJECTION = Explanation("the API server rejects the pods", "correct what the message names")

REASON_OF_REJECTION = (
    ("exceeded quota|failed quota", "QuotaExceeded"),
    (r"usage per (Container|Pod)|limit to request ratio", "LimitRangeViolated"),
    ("violates PodSecurity", "PodSecurityViolated"),
    ("denied|ValidatingAdmissionPolicy|failed calling webhook", "AdmissionDenied"),
)

# The exit codes of the runtime, of shells and of signals.
EXIT_CODES = {
    1: "it ended with an error; the end of its log has the cause",
    2: "it refuses its config or its arguments; the end of its log names the field",
    126: "its program may not be run",
    127: "its program does not exist in the image",
    137: "it was killed (SIGKILL): by a failing liveness probe, or because it did not end in time",
    139: "it crashed (segmentation fault)",
    143: "it was terminated (SIGTERM)",
}


def find(table: _Table, message: str, default: Explanation, **values: str) -> Explanation:
    """Return the first explanation whose pattern a message contains, with the values filled in."""
    for pattern, explanation in table:
        if found := re.search(pattern, message[:4096], re.IGNORECASE):
            return _filled(explanation, {"match": found[1] if found.groups() and found[1] else "", **values})
    return _filled(default, values)


def reason_of_rejection(message: str) -> str:
    """Return the reason of a rejection; FailedCreate if its kind is not known."""
    found = (reason for pattern, reason in REASON_OF_REJECTION if re.search(pattern, message[:4096]))
    return next(found, "FailedCreate")


def _filled(explanation: Explanation, values: dict[str, str]) -> Explanation:
    def fill(template: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda name: values.get(name[1], ""), template)

    return Explanation(fill(explanation.cause), fill(explanation.remedy))

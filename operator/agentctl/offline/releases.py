"""Warnings about fields that old releases of Kubernetes lack. Their API servers reject a child with such a field."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.render import Rendered
from agent_operator.status.field_paths import agent_path
from agentctl.offline.diagnostics import Diagnostic
from agentctl.offline.documents import Document

OLDEST = 30
"""The oldest supported minor version."""

SINCE: Mapping[int, str] = {
    31: "volumes.image securityContext.supplementalGroupsPolicy resourceClaims.resourceClaimName "
    "resourceClaims.resourceClaimTemplateName claims.request",
    32: "securityContext.seLinuxChangePolicy",
    33: "lifecycle.stopSignal scaleDown.tolerance scaleUp.tolerance",
    34: "containers.restartPolicyRules ephemeralContainers.restartPolicyRules initContainers.restartPolicyRules "
    "sources.podCertificate spec.hostnameOverride valueFrom.fileKeyRef",
    35: "podCertificate.userAnnotations spec.workloadRef",
    36: "spec.schedulingGroup",
    37: "clusterTrustBundle.user configMap.defaultUser downwardAPI.defaultUser emptyDir.mode grpc.mode "
    "httpGet.protocol items.user podCertificate.user projected.defaultUser secret.defaultUser serviceAccountToken.user "
    "spec.evictionResponders volumeMounts.bindMountOptions",
}
"""The fields that each minor version added, after the field that contains them."""

_MINOR = {field: minor for minor, fields in SINCE.items() for field in fields.split()}


def check(document: Document, rendered: Rendered) -> Iterator[Diagnostic]:
    """Yield a warning for each field that the oldest supported release lacks."""
    for manifest in rendered.manifests:
        for minor, path in _newer(manifest, "", ""):
            field = agent_path(manifest["kind"], path, manifest, document.body["spec"])
            message = f"exists since Kubernetes 1.{minor}; older clusters reject it: remove it unless yours is newer"
            yield Diagnostic.of(document, field, message)


def _newer(value: Any, parent: str, path: str) -> Iterator[tuple[int, str]]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            here = f"{path}.{name}".lstrip(".")
            if minor := _MINOR.get(f"{parent}.{name}"):
                yield minor, here
            else:
                yield from _newer(below, name, here)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _newer(item, parent, f"{path}[{index}]")

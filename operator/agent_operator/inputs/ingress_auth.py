"""Whether the controller of an Ingress authenticates the callers. The policy `exposure` has the same rules in CEL."""

import re

from agent_operator.api import constants
from agent_operator.api.v1alpha1 import AgentDeploymentSpec

_PREFIX = "nginx.ingress.kubernetes.io/"
_URL = re.compile(r"^https?://[^ /]+")
_SECRET = re.compile(r"^[^/]+/[^/]+$")
# Values of auth-tls-verify-client with which ingress-nginx serves callers without a valid certificate.
_UNVERIFIED = frozenset({"off", "optional", "optional_no_ca"})


def authenticates(spec: AgentDeploymentSpec) -> bool:
    """Return whether ingress-nginx rejects callers without credentials. Other controllers ignore its annotations."""
    entry = spec.ingress
    if entry is None:
        return False
    annotations = entry.annotations or {}
    class_name = annotations.get(constants.ANNOTATION_INGRESS_CLASS, constants.DEFAULT_INGRESS_CLASS)
    if (class_name if entry.class_name is None else entry.class_name) != constants.DEFAULT_INGRESS_CLASS:
        return False
    given = {
        key.removeprefix(_PREFIX): value
        for key, value in {**(spec.common_annotations or {}), **annotations}.items()
        if key.startswith(_PREFIX)
    }
    if given.get("satisfy") == "any" or given.get("configuration-snippet") or given.get("server-snippet"):
        # A caller from a permitted address, or with a snippet any caller, may pass without credentials.
        return False
    by_url = bool(_URL.match(given.get("auth-url", "")))
    by_password = given.get("auth-type") in ("basic", "digest") and bool(given.get("auth-secret"))
    by_certificate = bool(_SECRET.match(given.get("auth-tls-secret", "")))
    return by_url or by_password or (by_certificate and given.get("auth-tls-verify-client") not in _UNVERIFIED)
